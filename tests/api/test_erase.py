"""Erasure over HTTP: a marker text put everywhere is nowhere afterwards."""

from typing import Any, Final

import pytest

from ledger.events.keys import Role
from projections.registry import PROJECTORS
from tests.api.serving import Caller, Server

MARK: Final = "Xy7Qmarkz"
"""What callers write; nothing else has it in it, in whatever case."""
GIVEN: Final = [{"name": "given", "value": "x"}]
PRIVATE: Final = {"step_id": "one", "step_type_id": "command"}
COLUMNS: Final = """
    select c.table_schema, c.table_name, c.column_name
    from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where t.table_type = 'BASE TABLE'
        and c.table_schema not in ('pg_catalog', 'information_schema')
"""


async def places(server: Server) -> list[str]:
    """Name the columns of all tables, and the files, that hold the marker."""
    found: list[str] = []
    pool = server.node.store.pool
    for schema, table, column in await pool.fetch(COLUMNS):
        count = await pool.fetchval(
            f'select count(*) from "{schema}"."{table}" t where '
            f'strpos(lower(t."{column}"::text), lower($1)) > 0 '
            f"or strpos(lower(t.\"{column}\"::text), encode(convert_to($1, 'utf8'), 'hex')) > 0 "
            f"or strpos(lower(t.\"{column}\"::text), encode(convert_to(lower($1), 'utf8'), 'hex')) > 0",
            MARK,
        )
        if count:
            found.append(f"{schema}.{table}.{column}")
    data = server.node.settings.data
    found.extend(
        str(file.relative_to(data))
        for file in data.rglob("*")
        if file.is_file() and MARK.encode() in file.read_bytes()
    )
    return sorted(found)


async def filled(server: Server, worker: Caller, *, kind: str = "finished") -> dict[str, Any]:
    """Run an execution whose every text is the marker, wherever a caller can put one."""
    uploaded = await server.call(
        "POST", "/v1/data_factory/files", f"bytes {MARK}".encode(), filename=f"{MARK}.txt"
    )
    file = {n: v for n, v in uploaded.expect(201).json.items() if n != "url"}
    body = {
        "parameters": [{"name": "given", "value": MARK}],
        "input": {"who": MARK, MARK: [MARK], "file": file},
        "name": MARK,
        "description": MARK,
        "tags": [MARK],
        "labels": {"label": MARK},
        "attributes": {"storageId": MARK, "jobDependencies": [{"jobId": MARK}]},
    }
    run = await server.post(
        "/v1/jobs/Private/executions", body, headers={"Idempotency-Key": f"key-{MARK}"}
    )
    execution: dict[str, Any] = run.expect(201).json
    (lease,) = await worker.claim(f"worker {MARK}")
    progress = {"percent": 10, "message": MARK, "counters": {MARK: 1}}
    reports: list[dict[str, Any]] = [
        {"type": "step.started", "index": 1},
        {"type": "step.progressed", "index": 1, "progress": progress},
        {"type": "progressed", "progress": progress},
        {"type": "output", "output": {"result": MARK}},
        {
            "type": "output",
            "output": {MARK: MARK, "file": file},
            "attachments": [{"name": MARK, "uri": f"file:///{MARK}", "media_type": MARK}],
            "metrics": {MARK: 1.0},
        },
        {
            "type": "step.finished",
            "index": 1,
            "outcome": "error",
            "message": MARK,
            "exit_code": MARK,
            "log": f"printed {MARK}\n",
            "progress": progress,
        },
    ]
    (await worker.report(lease, *reports)).expect(200)
    one = f"/v1/executions/{execution['uuid']}"
    (await server.patch(one, {"name": f"{MARK}2", "description": f"{MARK}2"})).expect(200)
    if kind == "finished":
        end = {"type": "finished", "outcome": "error", "message": MARK, "exit_code": MARK}
        (await worker.report(lease, end)).expect(200)
    else:
        (await server.post(f"{one}/cancel", {"reason": MARK})).expect(200)
        (await worker.report(lease, {"type": "canceled", "message": MARK})).expect(200)
    late = {
        "reports": [{"type": "progressed", "progress": {**progress, "percent": 99}}],
        "fence": lease["fence"],
        "worker": f"late {MARK}",
    }
    (await worker.post(f"{one}/reports", late)).expect(409)
    return execution


@pytest.fixture
async def worker(server: Server) -> Caller:
    """A worker, under a name of its own."""
    await server.put("/v1/jobs/Private", {"steps": [PRIVATE], "parameters": [{"name": "given"}]})
    return await server.caller("worker")


@pytest.mark.parametrize("kind", ["finished", "canceled"])
async def test_a_marker_put_everywhere_is_nowhere(
    server: Server, worker: Caller, kind: str
) -> None:
    """No column of any table, no file and no answer holds it once the execution is erased."""
    execution = await filled(server, worker, kind=kind)
    one = f"/v1/executions/{execution['uuid']}"
    for projector in PROJECTORS:
        await server.node.covered(projector.name)
    held = await places(server)
    for place in (
        "ledger.events.data",
        "ledger.claims.key",
        "view_executions.executions.state",
        "view_executions.executions.input",
        "view_executions.executions.output_key",
        "view_executions.executions.storage_id",
        *(("view_executions.executions.exit_code",) if kind == "finished" else ()),
    ):
        assert place in held
    assert [place for place in held if place.startswith("files/")]
    auditor = await server.caller("auditor")
    readers = (
        one,
        f"{one}/events",
        f"{one}?as_of={execution['position']}",
        "/v1/executions",
        "/v1/executions?deleted=true",
        "/v1/jobs/Private/history",
        "/v1/events?limit=1000",
        f"/v1/data_factory/job_executions/{execution['oid']}",
        "/v1/data_factory/job_executions",
    )
    for reader in readers[:3]:
        assert MARK.encode() in (await auditor.get(reader)).raw
    erased = await server.post(f"{one}/erase", {"reason": "asked for"})
    assert erased.expect(200).json["erased"] is True
    assert await places(server) == []
    for reader in readers:
        for caller in (server, auditor):
            answer = await caller.get(reader)
            assert answer.status < 500
            assert MARK.encode() not in answer.raw
    await server.assert_sound()


async def test_who_may_erase_what(server: Server, worker: Caller) -> None:
    """Admins of its organization alone, and only what has ended; the refusals say why."""
    execution = await filled(server, worker)
    one = f"/v1/executions/{execution['uuid']}/erase"
    roles: tuple[Role, ...] = ("viewer", "operator", "worker", "recorder", "auditor")
    for role in roles:
        caller = await server.caller(role)
        (await caller.post(one)).problem(403)
    stranger = await server.caller("admin", organizations=("other",))
    (await stranger.post(one)).problem(404, "not-found")
    still_open = await server.run("Private", parameters=[{"name": "given", "value": MARK}])
    refused = await server.post(f"/v1/executions/{still_open['uuid']}/erase")
    assert "cancel it first" in refused.problem(409, "not-finished")["detail"]
    stale = await server.post(one, headers={"If-Match": '"1"'})
    stale.problem(412, "stale-version")
    assert MARK.encode() in (await server.get(one.removesuffix("/erase"))).raw


async def test_nothing_more_is_asked_of_it(server: Server, worker: Caller) -> None:
    """Repeating the erasure is no error; every other command is refused, in each way in."""
    execution = await filled(server, worker)
    one = f"/v1/executions/{execution['uuid']}"
    first = (await server.post(f"{one}/erase", {"reason": "asked for"})).expect(200)
    again = (await server.post(f"/v1/executions/{execution['number']}/erase")).expect(200)
    assert first.json == again.json
    assert first.headers["Ledger-Position"] == again.headers["Ledger-Position"]
    for verb in ("cancel", "pause", "resume", "restart"):
        (await server.post(f"{one}/{verb}")).problem(409, "erased")
    (await server.patch(one, {"name": "again"})).problem(409, "erased")
    (await server.delete(one)).problem(409, "erased")
    report = {"reports": [{"type": "progressed", "progress": {"percent": 1}}]}
    (await server.post(f"{one}/reports", report)).problem(409, "erased")
    for path in (
        f"/v1/data_factory/job_executions/{execution['oid']}",
        f"/rest/job-execution/job-details/{execution['number']}",
        f"/s/-/dw/data/v24_1/jobs/Private/executions/{execution['number']}",
    ):
        assert (await server.get(path)).status == 404, path
    known = (await server.get(f"/v2/jobs/{execution['uuid']}")).expect(200).json
    assert (known["jobStatus"], known["type"], known["name"]) == ("UNKNOWN", "", "")
    events = (await server.events(execution["uuid"]))[:-1]
    assert {event["data"] for event in events} == {None}


async def test_a_deleted_one_is_erased_by_whoever_sees_it(server: Server, worker: Caller) -> None:
    """Deleted first and erased then: auditors see what is left, others nothing."""
    execution = await filled(server, worker)
    one = f"/v1/executions/{execution['uuid']}"
    (await server.delete(one)).expect(204)
    assert (await server.post(f"{one}/erase")).expect(200).json["deleted"] is True
    assert await places(server) == []
    viewer = await server.caller("viewer")
    (await viewer.get(one)).problem(404, "not-found")
    assert (await (await server.caller("auditor")).get(one)).expect(200).json["erased"] is True


async def test_a_file_that_others_name_stays(server: Server, worker: Caller) -> None:
    """A stored file goes with the last execution that mentions it, and a repeat removes it again."""
    uploaded = await server.call("POST", "/v1/data_factory/files", b"shared", filename="a.txt")
    file = {n: v for n, v in uploaded.expect(201).json.items() if n != "url"}
    path = uploaded.headers["Location"]
    runs = [await server.run("Private", parameters=GIVEN, input=[{"a": file}]) for _ in range(2)]
    for _ in runs:
        (lease,) = await worker.claim()
        await worker.finish(lease, outcome="ok")
    (await server.post(f"/v1/executions/{runs[0]['uuid']}/erase")).expect(200)
    assert (await server.get(path)).expect(200).raw == b"shared"
    (await server.post(f"/v1/executions/{runs[1]['uuid']}/erase")).expect(200)
    (await server.get(path)).problem(404)
    folder = server.node.settings.data / "files"
    assert [file for file in folder.rglob("*") if file.is_file()] == []
    # As a crash between the erasure and the removal leaves it.
    left = folder / file["id"][-2:] / file["id"]
    left.write_bytes(b"shared")
    (await server.post(f"/v1/executions/{runs[1]['uuid']}/erase")).expect(200)
    assert not left.exists()


async def test_every_node_forgets(server: Server, worker: Caller, other_node: Server) -> None:
    """Another server of the same ledger, which had it in memory, does not tell it either."""
    execution = await filled(server, worker)
    one = f"/v1/executions/{execution['uuid']}"
    head = {"Ledger-Min-Position": str(await server.head())}
    seen = await other_node.call("GET", one, headers=head)
    assert MARK.encode() in seen.raw
    (await other_node.patch(one, {"description": MARK})).expect(200)
    erased = await server.post(f"{one}/erase")
    head = {"Ledger-Min-Position": erased.expect(200).headers["Ledger-Position"]}
    (await other_node.patch(one, {"name": "again"})).problem(409, "erased")
    assert MARK.encode() not in (await other_node.call("GET", one, headers=head)).raw
    await server.assert_sound()
