"""OCAPI over HTTP: executions created, read and deleted, and every fault that its tables name."""

import asyncio
from typing import Any, Final

from api.dialects.ocapi.xml import from_xml
from tests.api.ocapi import DATA, LATER, basic, client, executions, fault
from tests.api.serving import Server


async def test_a_job_is_run_read_and_deleted(server: Server) -> None:
    """A 17.x creation runs at once; a worker ends it; it is read, deleted, and then gone."""
    caller = await client(server)
    await server.define("CustomerImportJob", policies={"when_running": "reject"})
    path = executions("CustomerImportJob")
    body = {"parameters": [{"name": "mode", "value": "full"}, {"name": "none", "value": None}]}
    created = (await caller.post(path, body)).expect(200)
    assert created.headers["Cache-Control"] == "no-cache,no-store,must-revalidate"
    assert created.headers["Expires"] == "Thu, 01-Jan-1970 00:00:00 GMT"
    document = created.json
    assert document["execution_status"] == "running"
    assert document["client_id"] == server.credentials.client_id
    assert document["parameters"] == [
        {"_type": "job_execution_parameter", "name": "mode", "value": "full"},
        {"_type": "job_execution_parameter", "name": "none"},
    ]
    fault(await caller.delete(f"{path}/{document['id']}"), 403, "JobExecutionNotFinishedException")
    fault(await caller.post(path), 400, "JobAlreadyRunningException", jobId="CustomerImportJob")
    (lease,) = await server.claim()
    await server.report(
        lease,
        {"type": "step.started", "index": 1},
        {"type": "step.finished", "index": 1, "outcome": "ok", "exit_code": "DONE"},
    )
    await server.finish(lease)
    read = (await caller.get(f"{path}/{document['id']}")).expect(200).json
    assert read["execution_status"] == "finished"
    assert read["exit_status"] == {"_type": "status", "code": "OK", "status": "ok"}
    assert read["status"] == "OK"
    assert read["is_log_file_existing"]
    assert read["step_executions"][0]["status"] == "DONE"
    assert read["_resource_state"] != document["_resource_state"]
    native = (await server.get(f"/v1/executions/{document['id']}")).expect(200).json
    assert native["status"] == "finished"
    (await caller.delete(f"{path}/{document['id']}")).expect(204)
    gone = await caller.get(f"{path}/{document['id']}")
    fault(gone, 404, "JobExecutionNotFoundException", executionId=document["id"])
    assert gone.headers["Cache-Control"].startswith("max-age=0,")
    fault(await caller.delete(f"{path}/{document['id']}"), 404, "JobExecutionNotFoundException")


async def test_every_fault_of_a_creation(server: Server) -> None:
    """Each documented fault is provoked, with its status, type and arguments."""
    caller = await client(server)
    missing = await caller.post(executions("Nope"))
    told = fault(missing, 404, "JobNotFoundException", jobId="Nope")
    assert told["message"] == "No job with ID 'Nope' was found."
    await server.define("Empty", steps=[])
    await server.define("Loop", steps=[{"step_id": "a", "include": "Loop"}])
    await server.define("Lost", steps=[{"step_id": "a", "include": "Nowhere"}])
    for job_id in ("Empty", "Loop", "Lost"):
        invalid = await caller.post(executions(job_id))
        assert fault(invalid, 400, "JobInvalidException", jobId=job_id)["arguments"]["cause"]
    await server.define("Odd", steps=[{"step_id": "a", "step_type_id": "ExecutePipeline"}])
    await server.define("Deep", steps=[{"step_id": "a", "include": "Odd"}])
    for job_id in ("Odd", "Deep"):
        told = fault(await caller.post(executions(job_id)), 409, "JobExecutionException")
        assert told["message"] == f"The job with ID '{job_id}' could not be executed."
    worker = await server.caller("worker")
    claim = {"worker": "w", "step_types": ["ExecutePipeline"]}
    (await worker.post("/v1/work/claim", claim)).expect(200)
    (await caller.post(executions("Odd"))).expect(200)
    (await caller.post(executions("Deep"))).expect(200)


async def test_restarts_follow_the_policy(server: Server) -> None:
    """After a failure: a refusal, a restart at the failed step, or none that fits any more."""
    caller = await client(server)
    steps = [{"step_id": name, "step_type_id": "command"} for name in ("one", "two")]

    async def fail(job_id: str, policy: str) -> None:
        policies = {"when_failed": policy, "when_running": "reject"}
        await server.define(job_id, steps=steps, policies=policies)
        (await caller.post(executions(job_id))).expect(200)
        (lease,) = await server.claim()
        await server.report(
            lease,
            {"type": "step.started", "index": 1},
            {"type": "step.finished", "index": 1, "outcome": "ok"},
            {"type": "step.started", "index": 2},
            {"type": "step.finished", "index": 2, "outcome": "error"},
        )
        await server.finish(lease)

    await fail("Refuse", "refuse")
    fault(
        await caller.post(executions("Refuse")), 400, "JobNotRestartableException", jobId="Refuse"
    )
    await fail("Resume", "resume")
    again = (await caller.post(executions("Resume"))).expect(200).json
    assert again["is_restart"] is True
    (lease,) = await server.claim()
    assert [step["status"] for step in lease["execution"]["steps"]] == ["skipped", "pending"]
    await server.report(lease, {"type": "step.started", "index": 2})
    read = (await caller.get(f"{executions('Resume')}/{again['id']}")).expect(200).json
    assert [step["step_id"] for step in read["step_executions"]] == ["two"]
    await fail("Changed", "resume")
    await server.define(
        "Changed",
        steps=[{"step_id": "other", "step_type_id": "command"}],
        policies={"when_failed": "resume"},
    )
    fault(await caller.post(executions("Changed")), 400, "JobRestartException", jobId="Changed")


async def test_later_versions_accept_and_wait(server: Server) -> None:
    """From 18.1 on a creation is accepted and pending, until a worker starts it."""
    caller = await client(server)
    await server.define("Job", execution_scopes=["B", "A"])
    path = ""
    for version in ("v18_1", "v19_5", "v20_4", "v22_6", "v23_2", "v25_6"):
        path = executions("Job", f"/dw/data/{version}")
        created = (
            await caller.post(path, b"", headers={"Content-Type": "application/json"})
        ).expect(202)
        document = created.json
        assert document["_v"] == version[1:].replace("_", ".")
        assert (document["execution_status"], document["status"]) == ("pending", "PENDING")
        assert not {"start_time", "duration", "_resource_state"} & document.keys()
    leases = await server.claim(limit=1)
    await server.report(leases[0], {"type": "step.started", "index": 1})
    read = (
        await caller.get(f"{path.replace('v25_6', 'v19_5')}/{leases[0]['execution']['number']}")
    ).json
    assert read["execution_status"] == "running"
    assert read["execution_scopes"] == ["B", "A"]
    assert read["log_file_path"] == f"/Sites/LOGS/jobs/Job/{read['log_file_name']}"


PATHS: Final[Any] = (
    ("POST", "/dw/data/v17/jobs/Job/executions", 400, "InvalidVersionException"),
    ("GET", "/dw/data/17_4/jobs/Job/executions/1", 400, "InvalidVersionException"),
    ("GET", "/dw/data/v1x_4/nothing", 400, "InvalidVersionException"),
    ("GET", f"{DATA}/nothing", 404, "ResourcePathNotFoundException"),
    ("GET", f"{DATA}/JOBS/Job/executions", 404, "ResourcePathNotFoundException"),
    ("GET", "/dw/shop/v17_4/x", 404, "ResourcePathNotFoundException"),
    ("PUT", f"{DATA}/jobs/Job/executions", 405, "MethodNotAllowedException"),
    ("PATCH", f"{DATA}/jobs/Job/executions/1", 405, "MethodNotAllowedException"),
    ("GET", f"{DATA}/jobs/Job/executions/x", 404, "JobExecutionNotFoundException"),
    ("GET", f"{DATA}/jobs/Job/executions/0", 404, "JobExecutionNotFoundException"),
    ("GET", f"{DATA}/jobs/Job/executions/%00", 404, "JobExecutionNotFoundException"),
    ("POST", f"{DATA}/jobs/%00%ff/executions", 404, "JobNotFoundException"),
    ("DELETE", f"{DATA}/jobs/Job/executions/{'9' * 30}", 404, "JobExecutionNotFoundException"),
    ("GET", f"{DATA}/jobs/Job/executions?count=0", 400, "MalformedParameterException"),
    ("GET", f"{DATA}/jobs/Job/executions?start=x", 400, "MalformedParameterException"),
)


async def test_paths_have_their_faults(server: Server) -> None:
    """What is wrong with an address is said in a fault document."""
    await server.define("Job")
    for method, path, status, kind in PATHS:
        answer = await server.call(method, path)
        fault(answer, status, kind)
        if status == 405:
            assert answer.headers["Allow"]


BODIES: Final[Any] = (
    (b"{", 400, "BodyDecodingException"),
    (b"[]", 400, "BodyDecodingException"),
    (b"\xff", 400, "BodyDecodingException"),
    (b'{"a":' * 100 + b"1" + b"}" * 100, 400, "BodyDecodingException"),
    (b'{"parameters":[{"name":"a\\u0000","value":"x"}]}', 400, "BodyDecodingException"),
    (b'{"nonsense": 1}', 400, "UnknownPropertyException"),
    (b'{"parameters":[{"name":"a","size":1}]}', 400, "UnknownPropertyException"),
    (b'{"parameters":{}}', 400, "PropertyConstraintViolationException"),
    (b'{"parameters":[1]}', 400, "PropertyConstraintViolationException"),
    (b'{"parameters":[{"name":""}]}', 400, "PropertyConstraintViolationException"),
    (b'{"parameters":[{"name":" a"}]}', 400, "PropertyConstraintViolationException"),
    (b'{"parameters":[{"name":"a","value":{}}]}', 400, "PropertyConstraintViolationException"),
    (
        b'{"parameters":[{"name":"a"},{"name":"a"}]}',
        400,
        "PropertyConstraintViolationException",
    ),
    (
        b'{"parameters":[{"name":"a","value":"' + b"x" * 1001 + b'"}]}',
        400,
        "PropertyConstraintViolationException",
    ),
    (b'{"parameters":[{"name":"count","value":"many"}]}', 400, "MalformedParameterException"),
)


async def test_bodies_have_their_faults(server: Server) -> None:
    """What is wrong with a document is said in a fault, and nothing is created."""
    await server.define("Job", parameters=[{"name": "count", "type": "integer"}])
    for body, status, kind in BODIES:
        before = await server.head()
        fault(await server.post(executions("Job"), body), status, kind)
        assert await server.head() == before


async def test_what_a_body_may_be(server: Server) -> None:
    """No body, an empty one with a type, one without a type, and parameters of every kind."""
    await server.define("Job", parameters=[{"name": "count", "type": "integer"}])
    path = executions("Job")
    (await server.call("POST", path)).expect(200)
    (
        await server.call(
            "POST", path, b"", headers={"Content-Type": "application/json; charset=UTF-8"}
        )
    ).expect(200)
    (await server.post(path, {"parameters": []})).expect(200)
    body = b'{"parameters":[{"name":"other","value":"x"},{"name":"count","value":"7"}]}'
    document = (await server.post(path, body)).expect(200).json
    assert [(p["name"], p["value"]) for p in document["parameters"]] == [
        ("other", "x"),
        ("count", "7"),
    ]
    native = (await server.get(f"/v1/executions/{document['id']}")).json
    assert native["parameters"] == [{"name": "count", "value": 7}]
    curl = {"Content-Type": "application/x-www-form-urlencoded"}
    (await server.post(path, body, headers=curl)).expect(200)
    known = server.credentials
    ambient = {**curl, **basic(known.user, known.password)}
    fault(await server.post(path, body, headers=ambient), 415, "MalformedMediaTypeException")
    wrong = await server.post(path, b"count=7", headers={"Content-Type": "text/plain"})
    fault(wrong, 415, "MalformedMediaTypeException", mediaType="text/plain")
    large = await server.post(path, b" " * (5 * 1024 * 1024))
    fault(large, 413, "RequestDocumentTooLargeException")


async def test_two_clients_at_once_make_one(server: Server, other_node: Server) -> None:
    """Whatever process they reach, one execution comes to be, and one client is told so."""
    await server.define("Job", policies={"when_running": "reject"})
    answers = await asyncio.gather(
        *(node.post(executions("Job")) for node in (server, other_node) for _ in range(3))
    )
    assert sorted(answer.status for answer in answers) == [200] + [400] * 5
    for answer in answers:
        if answer.status == 400:
            fault(answer, 400, "JobAlreadyRunningException", jobId="Job")


async def test_another_node_reads_at_once(server: Server, other_node: Server) -> None:
    """A client that moves between nodes finds what it created."""
    await server.define("Job")
    for _ in range(5):
        created = (await server.post(executions("Job"))).expect(200).json
        (await other_node.get(f"{executions('Job')}/{created['id']}")).expect(200)


async def test_a_stale_resource_state_is_a_conflict(server: Server) -> None:
    """A delete that names a state that was seen fails if that state is gone."""
    await server.define("Job")
    path = executions("Job")
    created = (await server.post(path)).expect(200).json
    (lease,) = await server.claim()
    await server.finish(lease)
    one = f"{path}/{created['id']}"
    stale = {"x-dw-resource-state": created["_resource_state"]}
    fault(await server.delete(one, headers=stale), 409, "ResourceStateConflictException")
    body = {"_resource_state": created["_resource_state"]}
    fault(await server.call("DELETE", one, body), 409, "ResourceStateConflictException")
    state = (await server.get(one)).json["_resource_state"]
    (await server.delete(one, headers={"x-dw-resource-state": state})).expect(204)


async def test_xml_in_and_out(server: Server) -> None:
    """A document is read and answered as XML, by Accept or by the path's extension."""
    await server.define("Job")
    body = (
        b"<job_execution_request><parameters><item><name>a</name><value>1 &amp; 2</value></item>"
        b"</parameters></job_execution_request>"
    )
    headers = {"Content-Type": "application/xml", "Accept": "application/xml"}
    answer = (await server.post(executions("Job"), body, headers=headers)).expect(200)
    assert answer.headers["Content-Type"] == "application/xml;charset=UTF-8"
    document = from_xml(answer.raw)
    assert document["parameters"][0]["value"] == "1 & 2"
    read = await server.get(f"{executions('Job')}/{document['id']}.xml")
    assert from_xml(read.expect(200).raw)["id"] == document["id"]
    missing = await server.get(f"{executions('Job')}/77.xml")
    assert from_xml(missing.expect(404).raw)["fault"]["type"] == "JobExecutionNotFoundException"
    (await server.post(f"{executions('Job')}.json")).expect(200)
    evil = b'<!DOCTYPE a [<!ENTITY x "y">]><a><parameters>&x;</parameters></a>'
    answer = await server.post(executions("Job"), evil, headers={"Content-Type": "text/xml"})
    fault(answer, 400, "BodyDecodingException")


async def test_what_belongs_to_others_is_not_there(server: Server) -> None:
    """Another organization's jobs and executions do not exist for a caller."""
    await server.define("Job")
    created = (await server.post(executions("Job"))).json
    (lease,) = await server.claim()
    await server.report(lease, {"type": "step.started", "index": 1})
    stranger = await server.caller("admin", organizations=["other"])
    fault(await stranger.post(executions("Job")), 404, "JobNotFoundException")
    one = f"{executions('Job')}/{created['id']}"
    fault(await stranger.get(one), 404, "JobExecutionNotFoundException")
    fault(await stranger.delete(one), 404, "JobExecutionNotFoundException")
    log = f"/on/demandware.servlet/webdav/Sites/Impex/log/{created['log_file_name']}"
    (await server.get(log)).expect(200)
    (await stranger.get(log)).expect(404)
    query: Any = {"query": {"match_all_query": {}}}
    found = await stranger.post(f"{DATA}/job_execution_search", query)
    assert found.expect(200).json["total"] == 0
    (
        await stranger.post(executions("sfcc-site-archive-import", LATER), {"file_name": "a.zip"})
    ).expect(202)


async def test_the_meta_resource_answers(server: Server) -> None:
    """Clients that look whether the API is there find it."""
    (await server.under("").get("/dw/meta/v1/rest")).expect(200)


async def test_a_database_that_is_gone_is_a_fault(server: Server) -> None:
    """What keeps the ledger from answering is said in the vendor's form, with Retry-After."""
    await server.define("Job")
    await server.node.store.pool.close()
    answer = await server.get(f"{executions('Job')}/1")
    assert answer.status in (500, 503)
    assert answer.json["fault"]["type"]
