"""CDQ over TCP: what a client of the vendor sends and gets."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.api.serving import Answer, Caller, Server, serving

JOBS = "/v2/jobs"
SCHEDULED = "/v2/scheduled-jobs"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def refused(answer: Answer, status: int, key: str, word: str = "") -> Any:
    """Fail unless it is the vendor's error of that key, and says a word."""
    body = answer.expect(status).json
    assert (body["code"], body["technicalKey"]) == (status * 100_000, key)
    assert body["message"]
    assert word in body["message"], body
    return body


async def create(server: Caller, kind: str = "Job", **told: Any) -> Any:
    """Create a job."""
    return (await server.post(JOBS, {"type": kind, **told})).expect(201).json


async def ids(server: Caller, **query: Any) -> list[str]:
    """List jobs on one page."""
    return [job["id"] for job in (await server.get(JOBS, **query)).expect(200).json["jobs"]]


async def pages(server: Caller, **query: Any) -> list[str]:
    """List jobs page by page."""
    found: list[str] = []
    while True:
        body = (await server.get(JOBS, **query)).expect(200).json
        found += [job["id"] for job in body["jobs"]]
        if "nextStartAfter" not in body:
            return found
        query["startAfter"] = body["nextStartAfter"]


async def test_a_job_lives_from_creation_to_deletion(server: Server) -> None:
    """Created, read, patched, run, cancelled by nobody, its results read, deleted."""
    await server.define("DATA_CURATION_JOB", description="curates")
    told: dict[str, Any] = {
        "name": "Process vendor data.",
        "tags": ["tag"],
        "labels": [{"name": "a", "value": "b"}],
        "storageId": "72d6900fce6b326088f5d9d91049e3e6",
        "workspaceId": "w",
        "commands": ["command"],
        "environmentVariables": [{"name": "A", "value": "b"}],
        "resourceRequest": {"memoryLimit": 1024, "cpuLimit": 0.2},
        "locks": [{"name": "l"}],
        "volumes": [{"name": "v"}],
    }
    headers = {"X-API-KEY": server.credentials.api_key}
    body = {"type": "DATA_CURATION_JOB", **told}
    answer = await server.under("").call("POST", JOBS, body, headers=headers)
    job = answer.expect(201).json
    path = f"{JOBS}/{job['id']}"
    assert answer.headers["Location"] == path
    assert job["locks"][0]["name"] == told["locks"][0]["name"]
    assert job["volumes"][0]["name"] == told["volumes"][0]["name"]
    plain = [name for name in told if name not in ("locks", "volumes")]
    assert {name: job[name] for name in plain} == {name: told[name] for name in plain}
    assert (job["jobStatus"], job["lastJobStatus"]) == ("SCHEDULED", "PERSISTED")
    assert (job["type"], job["description"], job["user"], job["mainLabel"]) == (
        *("DATA_CURATION_JOB", "curates", "api-key", "b"),
    )
    assert (await server.get(path)).expect(200).json == job
    refused(await server.delete(path), 409, "CONFLICT")

    patched = (await server.patch(path, {"name": "job-name", "description": "d"})).expect(200).json
    assert (patched["name"], patched["description"]) == ("job-name", "d")
    (lease,) = await server.claim()
    running = (await server.get(path)).json
    assert (running["jobStatus"], running["lastJobStatus"]) == ("RUNNING", "SCHEDULED")
    attachment = {"name": "report.csv", "uri": "https://files/report.csv"}
    reports: list[Any] = [
        {"type": "step.started", "index": 1},
        {
            "type": "progressed",
            "progress": {
                "percent": 50.4,
                "total_items": 100,
                "processed_items": 50,
                "failed_items": 1,
            },
        },
        {"type": "step.finished", "index": 1, "outcome": "ok", "log": "hello"},
        {
            "type": "output",
            "output": {"param1": "value1"},
            "attachments": [attachment],
            "metrics": {"rows": 3},
        },
        {"type": "finished", "outcome": "warning"},
    ]
    (await server.report(lease, *reports)).expect(200)
    ended = (await server.get(path)).json
    assert (ended["jobStatus"], ended["message"]) == ("FINISHED", "It finished with warnings.")
    assert (ended["progress"], ended["totalItems"], ended["failedItems"]) == (50, 100, 1)
    assert ended["resultData"] == '{"param1":"value1"}'
    assert ended["reportUri"] == attachment["uri"]
    for name in ("createdAt", "modifiedAt", "startedAt", "finishedAt"):
        assert INSTANT.fullmatch(ended[name])

    results = (await server.get(f"{path}/results")).expect(200).json
    assert results["metrics"] == [{"name": "rows", "value": 3}]
    last = {"jobType": "DATA_CURATION_JOB", "storageId": told["storageId"]}
    assert (await server.post(f"{JOBS}/results/fetchlast", last)).expect(200).json == results
    logs = (await server.get(f"{path}/processing-logs")).expect(200).json["logs"]
    assert [(log["name"], log["status"], log["log"]) for log in logs] == [
        ("one", "FINISHED", "hello")
    ]
    refused(await server.post(f"{path}/cancel"), 409, "CONFLICT")
    (await server.delete(path)).expect(204)
    refused(await server.get(path), 404, "NOT_FOUND")
    assert await ids(server) == []
    last["storageId"] = "other"
    refused(await server.post(f"{JOBS}/results/fetchlast", last), 404, "NOT_FOUND")
    await server.assert_sound()


async def test_a_job_is_canceled(server: Server) -> None:
    """Before it began, at once."""
    await server.define()
    path = f"{JOBS}/{(await create(server))['id']}"
    canceled = (await server.post(f"{path}/cancel")).expect(200).json
    assert (canceled["jobStatus"], canceled["lastJobStatus"]) == ("CANCELED", "SCHEDULED")
    assert canceled["message"]
    assert (await server.post(f"{path}/cancel")).expect(200).json["jobStatus"] == "CANCELED"


async def test_results_of_work_elsewhere_are_put(server: Server) -> None:
    """As long as the job has not ended."""
    await server.define()
    path = f"{JOBS}/{(await create(server))['id']}"
    put = (await server.put(f"{path}/resultdata", {"resultData": "{'a': 1}"})).expect(200).json
    assert (put["resultData"], put["jobStatus"]) == ("{'a': 1}", "RUNNING")
    operator = await server.caller("operator")
    refused(await operator.put(f"{path}/resultdata", {"resultData": ""}), 403, "FORBIDDEN")


async def test_filters_narrow_a_list_down(server: Server) -> None:
    """Each of the documented ones, in each of its forms."""
    for kind in ("A", "B", "C"):
        await server.define(kind)
    a = (await create(server, "A", tags=["x"], storageId="s", user="johndoe"))["id"]
    b = (await create(server, "B", tags=["x", "y"], storageId="s"))["id"]
    waits = await create(server, "C", storageId="s", jobDependencies=[{"jobId": a}])
    c = waits["id"]
    assert (waits["jobStatus"], waits["jobDependencies"]) == ("WAITING", [{"jobId": a}])
    assert await ids(server) == [a, b, c]
    assert await ids(server, sort="-createdAt") == [c, b, a]
    assert await ids(server, sort="+createdAt") == [a, b, c]
    assert await ids(server, user="johndoe") == [a]
    assert await ids(server, storageId="s", jobType="A, C") == [a, c]
    assert await ids(server, storageId="other") == []
    assert await ids(server, jobStatus="WAITING") == [c]
    assert await ids(server, jobStatus="SCHEDULED,RUNNING") == [a, b]
    assert await ids(server, tag="x,y") == [a, b]
    assert await ids(server, tag="x,y", tagsConjunction="true") == [b]
    assert await ids(server, tag="x,y", featuresOn="TAGS_CONJUNCTION") == [b]
    assert await ids(server, dependentJobId=a, storageId="s", jobType="C") == [c]
    assert await ids(server, dependentJobId=b, storageId="s", jobType="C") == []
    assert await ids(server, organizationId="default") == [a, b, c]
    assert await ids(server, organizationId="other") == []
    repeated = (await server.get(f"{JOBS}?jobType=A&jobType=B")).json["jobs"]
    assert [job["id"] for job in repeated] == [a, b]
    body = (await server.get(JOBS, featuresOn="NUMBER_OF_TOTAL", tag="x", limit=1)).json
    assert (body["total"], len(body["jobs"])) == (2, 1)
    body = (await server.get(JOBS, featuresOn="NUMBER_OF_TOTAL", jobType="A")).json
    assert body["total"] == 1
    assert "total" not in (await server.get(JOBS)).json
    refused(await server.get(JOBS, dependentJobId=a), 400, "BAD_REQUEST", "dependentJobId")
    refused(await server.get(JOBS, jobStatus="DONE"), 400, "BAD_REQUEST", "jobStatus")
    refused(await server.get(JOBS, sort="name"), 400, "BAD_REQUEST", "sort")
    refused(await server.get(JOBS, limit=101), 400, "BAD_REQUEST", "limit")
    refused(await server.get(JOBS, startAfter="x"), 400, "BAD_REQUEST", "startAfter")


@pytest.mark.parametrize("sort", ["createdAt", "-createdAt"])
async def test_pages_repeat_and_miss_nothing_while_jobs_are_added(
    server: Server, sort: str
) -> None:
    """What was there at the beginning comes once, whatever is added between the pages."""
    await server.define()
    before = [(await create(server))["id"] for _ in range(7)]
    query: dict[str, Any] = {"sort": sort, "limit": 2}
    found: list[str] = []
    added: list[str] = []
    for _ in range(30):
        body = (await server.get(JOBS, **query)).expect(200).json
        found += [job["id"] for job in body["jobs"]]
        if len(added) < 6:
            added.append((await create(server))["id"])
        if "nextStartAfter" not in body:
            break
        query["startAfter"] = body["nextStartAfter"]
    assert len(found) == len(set(found))
    seen = [job for job in found if job in before]
    assert seen == (before if sort == "createdAt" else before[::-1])
    if sort == "createdAt":
        assert found == (before + added)[: len(found)]
    assert await pages(server, limit=3) == before + added


async def test_types_are_listed(server: Server) -> None:
    """Page by page, all of them or those that can be cancelled."""
    await server.define("A", name="first", tags=["t"])
    await server.define("B", policies={"cancellable": False})
    await server.define("C")
    first = (await server.get(f"{JOBS}/types", limit=2)).expect(200).json
    assert [kind["type"] for kind in first["jobs"]] == ["A", "B"]
    assert first["jobs"][0]["features"] == ["CANCELLABLE"]
    cursor = first["nextStartAfter"]
    second = (await server.get(f"{JOBS}/types", startAfter=cursor)).expect(200).json
    assert [kind["type"] for kind in second["jobs"]] == ["C"]
    assert "nextStartAfter" not in second
    some = (await server.get(f"{JOBS}/types", featureOn="CANCELLABLE")).json["jobs"]
    assert [kind["type"] for kind in some] == ["A", "C"]
    refused(await server.get(f"{JOBS}/types", featureOn="X"), 400, "BAD_REQUEST", "featureOn")
    refused(await server.get(f"{JOBS}/types", startAfter="!"), 400, "BAD_REQUEST", "startAfter")


async def test_schedules_are_kept(server: Server) -> None:
    """Created, read, listed, replaced and deleted."""
    await server.define("A")
    await server.define("B")
    body = {"jobType": "B", "cron": "0 3 * * *", "timeZone": "Europe/Zurich"}
    answer = (await server.post(SCHEDULED, body)).expect(201)
    path = answer.headers["Location"]
    scheduled = answer.json
    assert INSTANT.fullmatch(scheduled["nextStartAt"])
    assert (scheduled["jobType"], scheduled["cron"], scheduled["paused"]) == (
        *("B", "0 3 * * *", False),
    )
    assert (await server.get(path)).expect(200).json == scheduled
    listed = (await server.get(SCHEDULED)).expect(200).json
    assert listed == {"scheduledJobs": [scheduled]}
    refused(await server.post(SCHEDULED, body), 409, "CONFLICT")
    put = (await server.put(path, {"startAt": ["2999-01-01T00:00:00Z"], "paused": True})).json
    assert (put["startAt"], put["paused"]) == (["2999-01-01T00:00:00Z"], True)
    refused(await server.put(path, {"cron": "never"}), 400, "BAD_REQUEST", "cron")
    refused(await server.put(path, {"jobType": "A", "cron": "* * * * *"}), 400, "BAD_REQUEST")
    (await server.delete(path)).expect(204)
    refused(await server.get(path), 404, "NOT_FOUND")
    refused(await server.post(SCHEDULED, {"jobType": "None"}), 404, "NOT_FOUND")
    refused(await server.get(f"{SCHEDULED}/x"), 404, "NOT_FOUND")


async def test_organizations_are_kept_apart(server: Server) -> None:
    """Unless an auditor asks to look everywhere."""
    await server.define()
    job = (await create(server))["id"]
    stranger = await server.caller("operator", organizations=("other",))
    auditor = await server.caller("auditor", organizations=("other",))
    assert await ids(stranger) == []
    refused(await stranger.get(f"{JOBS}/{job}"), 404, "NOT_FOUND")
    refused(await stranger.post(f"{JOBS}/{job}/cancel"), 404, "NOT_FOUND")
    everywhere = {"featuresOn": "IGNORE_ORGANIZATION_RESTRICTIONS"}
    refused(await stranger.get(JOBS, **everywhere), 403, "FORBIDDEN")
    assert await ids(auditor, **everywhere) == [job]
    seen = (await server.get("/v1/events", types="key.looked_across")).json["events"]
    assert [(event["actor"], event["data"]) for event in seen] == [("caller", {"at": JOBS})]
    assert await ids(auditor) == []
    body = {"type": "Job", "organizationId": "default"}
    refused(await stranger.post(JOBS, body), 403, "FORBIDDEN")


async def test_numbers_are_quoted_if_wanted(database_url: str, tmp_path: Path) -> None:
    """As the document's examples show them."""
    async with serving(database_url, tmp_path, cdq_quote_numbers=True) as server:
        await server.define()
        await create(server)
        assert (await server.get(JOBS, featuresOn="NUMBER_OF_TOTAL")).json["total"] == "1"


async def test_everything_that_goes_wrong_has_the_vendor_s_form(server: Server) -> None:
    """Unknown, unauthorized, forbidden, not allowed, malformed, and nowhere."""
    await server.define()
    job = (await create(server))["id"]
    path = f"{JOBS}/{job}"
    refused(await server.under("").get(JOBS), 401, "UNAUTHORIZED")
    viewer = await server.caller("viewer")
    refused(await viewer.post(JOBS, {"type": "Job"}), 403, "FORBIDDEN")
    refused(await server.get("/v2/other"), 404, "NOT_FOUND")
    refused(await server.put(JOBS, {}), 405, "METHOD_NOT_ALLOWED")
    refused(await server.get(f"{JOBS}/x"), 404, "NOT_FOUND")
    unknown = f"{JOBS}/35f23c03-1c22-45fe-9484-3ffe769325de"
    refused(await server.patch(unknown, {"name": "x"}), 404, "NOT_FOUND")
    refused(await server.patch(path, {"name": "x" * 51}), 400, "BAD_REQUEST", "$.name")
    refused(await server.patch(path, {"description": "x" * 201}), 400, "BAD_REQUEST")
    refused(await server.patch(path, {"other": 1}), 400, "BAD_REQUEST", "other")
    refused(await server.post(JOBS, b"{"), 400, "BAD_REQUEST")
    refused(await server.post(JOBS, {"type": "None"}), 404, "NOT_FOUND")
    refused(await server.post(JOBS, b" " * 5_000_000), 413, "PAYLOAD_TOO_LARGE")
    text = {"Content-Type": "text/plain"}
    refused(await server.call("POST", JOBS, b"x", headers=text), 415, "UNSUPPORTED_MEDIA_TYPE")
    dependency = {"type": "Job", "jobDependencies": [{"jobId": "x"}]}
    refused(await server.post(JOBS, dependency), 400, "BAD_REQUEST", "jobDependencies[0]")
