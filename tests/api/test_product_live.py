"""Product-Live over TCP: what a client of the vendor sends and gets."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from tests.api.serving import Answer, Caller, Server, serving

RUNS = "/v1/data_factory/job_executions"
FIND = "/v1/job_executions/find"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def refused(answer: Answer, status: int, kind: str, path: str | None = None) -> Any:
    """Fail unless it is a problem document of that kind."""
    body = answer.expect(status).json
    assert (body["status"], body["type"]) == (status, f"/problems/{kind}")
    assert body["title"]
    assert body.get("path") == path
    return body


async def finished(server: Caller, job_id: str = "Job", **report: Any) -> Any:
    """Run a job to its end and give the vendor's view of it."""
    run = (await server.post(RUNS, {"jobId": job_id})).expect(201).json
    (lease,) = await server.claim()
    await server.finish(lease, **report)
    return (await server.get(f"{RUNS}/{run['id']}")).expect(200).json


async def found(server: Caller, query: Any, **page: Any) -> tuple[list[str], int]:
    """Find, and give ids and the total."""
    body = (await server.post(FIND, query, **page)).expect(200).json
    return [run["id"] for run in body["data"]], body["totalElements"]


async def test_an_execution_is_run_read_and_listed(server: Server) -> None:
    """With the documented fields, of the documented types, in the documented order."""
    job = await server.define(name="Import Schema")
    headers = {"Content-Type": "application/json", "X-Api-Key": server.credentials.api_key}
    client = server.under("")
    body = b'{"jobId": "Job", "input": {"someKey": "some data"},\n}'
    answer = (await client.call("POST", RUNS, body, headers=headers)).expect(201)
    run = answer.json
    assert answer.headers["Location"] == f"{RUNS}/{run['id']}"
    assert list(run) == (
        [
            "object",
            "jobId",
            "id",
            "pipelineId",
            "createdAt",
            "input",
            "startedAt",
            "status",
            "output",
            "info",
        ]
    )
    assert re.fullmatch("[0-9a-f]{24}", run["id"])
    assert run["pipelineId"] == job["oid"]
    assert run["input"]["someKey"] == "some data"
    assert set(run["input"]["context"]) == {
        *("jobAccountId", "jobId", "userShardId", "userAccountId", "userId")
    }
    assert (run["status"], run["output"], run["info"]) == (
        "RUNNING",
        {},
        {"title": "Import Schema"},
    )

    (lease,) = await server.claim()
    report = {"type": "output", "output": {"report": {"filename": "report.xml"}}}
    (await server.report(lease, report, {"type": "finished"})).expect(200)
    read = (await server.get(f"{RUNS}/{run['id']}")).expect(200).json
    assert read["status"] == "COMPLETED"
    assert read["output"] == report["output"]
    assert INSTANT.fullmatch(read["endedAt"])
    listed = (await server.get(RUNS, page=0, size=10)).expect(200).json
    assert listed == {"object": "list", "data": [read], "totalElements": 1}
    await server.assert_sound()


async def test_pages_hold_everything_once_newest_first(server: Server) -> None:
    """Twenty at a time unless told otherwise; the total counts all."""
    await server.define()
    runs = [(await server.post(RUNS, {"jobId": "Job"})).expect(201).json for _ in range(23)]
    newest = sorted(runs, key=lambda run: (run["createdAt"], run["id"]), reverse=True)
    first = (await server.get(RUNS)).json
    second = (await server.get(RUNS, page=1)).json
    assert [r["id"] for r in first["data"] + second["data"]] == [r["id"] for r in newest]
    assert (len(first["data"]), second["totalElements"]) == (20, 23)
    ids, total = await found(server, {"type": "eq", "field": "jobId", "value": "JOB"}, page=2)
    assert (ids, total) == ([r["id"] for r in newest[20:]], 23)
    for kind, kept in (
        ("eq", newest[7]["createdAt"].__eq__),
        ("less", newest[7]["createdAt"].__gt__),
    ):
        expected = [r["id"] for r in newest if kept(r["createdAt"])]
        query = {"type": kind, "field": "createdAt", "value": newest[7]["createdAt"]}
        assert await found(server, query, size=30) == (expected, len(expected))


async def test_find_knows_every_field_and_operator(server: Server) -> None:
    """On ids, status, instants, title, and paths into input and output."""
    await server.define("Alpha", name="Import Schema")
    await server.define("Beta")
    body = {"jobId": "Alpha", "input": {"shop": {"Name": "Zürich", "n": 3, "tags": ["a", "B"]}}}
    alpha = (await server.post(RUNS, body)).expect(201).json["id"]
    await finished_claim(server, output={"rows": 5, "ok": True})
    beta = (await server.post(RUNS, {"jobId": "Beta", "input": 7})).expect(201).json["id"]

    async def check(expected: list[str], **query: Any) -> None:
        ids, total = await found(server, query)
        assert (ids, total) == (expected, len(expected)), query

    await check([alpha], type="eq", field="id", value=alpha.upper())
    await check([], type="eq", field="id", value=alpha.upper(), caseSensitive=True)
    await check([beta, alpha], type="in", field="jobId", value=["Alpha", "beta"])
    await check([alpha], type="in", field="jobId", value=["Alpha", "beta"], caseSensitive=True)
    await check([beta], type="greater", field="jobId", value="alpha")
    await check([alpha], type="eq", field="status", value="completed")
    await check([], type="eq", field="status", value="completed", caseSensitive=True)
    await check([beta], type="contains", field="status", value="run")
    await check([alpha], type="search", field="info.title", value="schema IMPORT")
    await check([alpha], type="contains", field="info.title", value="port S", caseSensitive=True)
    await check([beta], type="eq", field="endedAt", value=None)
    await check([alpha], type="lessOrEqual", field="endedAt", value="2999-01-01T00:00:00Z")
    await check([], type="less", field="createdAt", value="2001-01-01T00:00:00.000Z")
    await check([alpha], type="eq", field="input.shop.Name", value="ZÜRICH")
    await check([], type="eq", field="input.shop.Name", value="ZÜRICH", caseSensitive=True)
    await check([alpha], type="eq", field="input.shop.Name", value="Zürich", caseSensitive=True)
    await check([alpha], type="in", field="input.shop.tags", value=["b", "c"])
    await check([alpha], type="greaterOrEqual", field="input.shop.n", value=3)
    await check([], type="greater", field="input.shop.n", value=3)
    await check([alpha], type="eq", field="output.ok", value=True)
    await check([alpha], type="contains", field="output.rows", value="5")
    await check([alpha], type="eq", field="output", value={"ok": True, "rows": 5})
    await check([beta], type="eq", field="output.rows", value=None)
    await check([beta], type="eq", field="input", value=7)
    await check([beta], type="not", queries=[{"type": "eq", "field": "jobId", "value": "Alpha"}])
    either = [
        {"type": "eq", "field": "output.rows", "value": 5},
        {"type": "eq", "field": "status", "value": "RUNNING"},
    ]
    await check([beta, alpha], type="or", queries=either)
    await check([], type="and", queries=either)
    assert await found(server, {}) == ([beta, alpha], 2)


async def finished_claim(server: Caller, output: Any) -> None:
    """Claim what waits and end it with an output."""
    (lease,) = await server.claim()
    report = {"type": "output", "output": output}
    (await server.report(lease, report, {"type": "finished"})).expect(200)


async def test_totals_follow_hours_and_deletion(server: Server) -> None:
    """A window of creation is counted exactly, and what is deleted is found no more."""
    await server.define()
    runs = [await finished(server) for _ in range(3)]
    middle = runs[1]["createdAt"]
    since = {"type": "greaterOrEqual", "field": "createdAt", "value": middle}
    until = {"type": "less", "field": "createdAt", "value": middle}
    assert (await found(server, since))[1] == 2
    assert (await found(server, until))[1] == 1
    assert (await found(server, {"type": "and", "queries": [since, until]}))[1] == 0
    long_ago = {"type": "greater", "field": "createdAt", "value": "2001-01-01T00:30:00.000Z"}
    later = {"type": "less", "field": "createdAt", "value": "2999-01-01T00:30:00.000Z"}
    assert (await found(server, {"type": "and", "queries": [long_ago, later]}))[1] == 3
    (await server.delete(f"/v1/executions/{runs[0]['id']}")).expect(204)
    assert (await found(server, long_ago))[1] == 2
    assert (await server.get(RUNS)).json["totalElements"] == 2
    refused(await server.get(f"{RUNS}/{runs[0]['id']}"), 404, "not-found")
    await server.assert_sound()


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ({}, "COMPLETED"),
        ({"outcome": "warning"}, "COMPLETED"),
        ({"outcome": "error"}, "FAILED"),
        ({"outcome": "error", "input_at_fault": True}, "USER_ERROR"),
    ],
)
async def test_an_end_has_its_status(server: Server, report: Any, status: str) -> None:
    """As the table of statuses has it."""
    await server.define()
    assert (await finished(server, **report))["status"] == status


async def test_a_file_goes_from_a_worker_to_a_client(server: Server) -> None:
    """Uploaded, recorded with its digest, shown with a url, downloaded whole or in part."""
    await server.define()
    worker = await server.caller("worker")
    run = (await server.post(RUNS, {"jobId": "Job"})).expect(201).json
    (lease,) = await worker.claim()
    content = b"<report/>" * 100_000
    uploaded = (
        await worker.call(
            "POST",
            "/v1/data_factory/files",
            content,
            headers={"Content-Type": "application/xml"},
            filename="report.xml",
        )
    ).expect(201)
    file = {name: value for name, value in uploaded.json.items() if name != "url"}
    (await worker.report(lease, {"type": "output", "output": {"report": file}})).expect(200)
    (event,) = [e for e in await server.events(lease["execution"]["uuid"]) if "output" in e["data"]]
    assert event["data"]["output"]["report"]["sha256"] == file["sha256"]
    shown = (await server.get(f"{RUNS}/{run['id']}")).json["output"]["report"]
    assert list(shown) == ["object", "id", "createdAt", "updatedAt", "url"]
    path = shown["url"].removeprefix(server.url)
    whole = (await server.get(path)).expect(200)
    assert whole.raw == content
    assert whole.headers["Content-Type"] == "application/xml"
    part = (await server.call("GET", path, headers={"Range": "bytes=0-8"})).expect(206)
    assert part.raw == b"<report/>"
    stranger = await server.caller("operator", organizations=("other",))
    refused(await stranger.get(path), 404, "not-found")
    refused(await server.under("").get(path), 401, "unauthorized")
    body: Any = {"jobId": "Job"}
    body["input"] = {"file": {"object": "data_factory_file", "id": shown["id"]}}
    taken = (await server.post(RUNS, body)).expect(201).json
    assert taken["input"]["file"] == shown
    body["input"] = [{"object": "data_factory_file", "id": "0" * 24}]
    refused(await server.post(RUNS, body), 400, "malformed-request", "$.input[0].id")


async def test_a_file_may_not_be_too_large(database_url: str, tmp_path: Path) -> None:
    """Nothing of it is kept."""
    async with serving(database_url, tmp_path, max_file_bytes=10) as server:
        files = "/v1/data_factory/files"
        refused(await server.post(files, b"x" * 11), 413, "file-too-large")
        (await server.post(files, b"x" * 10)).expect(201)
        kept = [path for path in (tmp_path / "files").rglob("*") if path.is_file()]
        assert sorted(path.suffix for path in kept) == ["", ".json"]


async def test_requests_are_counted(database_url: str, tmp_path: Path) -> None:
    """Answers tell what is left; one too many is told when to come again."""
    async with serving(database_url, tmp_path, product_live_rate_per_minute=2) as server:
        first = (await server.get(RUNS)).expect(200)
        assert (first.headers["RateLimit-Limit"], first.headers["RateLimit-Remaining"]) == (
            "2",
            "1",
        )
        (await server.get(RUNS)).expect(200)
        answer = await server.get(RUNS)
        refused(answer, 429, "too-many-requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 30
        assert answer.headers["RateLimit-Remaining"] == "0"
        other = await server.caller("viewer")
        (await other.get(RUNS)).expect(200)
        (await server.get("/v1/executions")).expect(200)


async def test_the_document_s_limit_is_the_default(server: Server) -> None:
    """Fifty a minute."""
    assert (await server.get(RUNS)).headers["RateLimit-Limit"] == "50"


async def test_everything_that_goes_wrong_has_the_vendor_s_form(server: Server) -> None:
    """Unknown, unauthorized, forbidden, not allowed, malformed, and nowhere."""
    await server.define()
    refused(await server.under("").get(RUNS), 401, "unauthorized")
    refused(await server.under("wrong").post(FIND, {}), 401, "unauthorized")
    viewer = await server.caller("viewer")
    refused(await viewer.post(RUNS, {"jobId": "Job"}), 403, "forbidden")
    refused(await server.get(f"{RUNS}/658445e23ad5b929948ab731"), 404, "not-found")
    refused(await server.get("/v1/data_factory/other"), 404, "not-found")
    refused(await server.put(RUNS, {}), 405, "method-not-allowed")
    refused(await server.post(RUNS, {"jobId": "None"}), 404, "not-found")
    refused(await server.post(RUNS, b"{"), 400, "malformed-request", "$")
    refused(await server.get(RUNS, size=0), 400, "malformed-request", "?size")
    refused(await server.post(RUNS, b"x" * 5_000_000), 413, "request-entity-too-large")
    plain = await server.call("GET", f"{RUNS}/x", headers={"Accept": "application/json"})
    assert plain.headers["Content-Type"].startswith("application/json")
    wide = await server.call("GET", f"{RUNS}/x", headers={"Accept": "*/*"})
    assert wide.headers["Content-Type"].startswith("application/problem+json")


async def test_another_organization_s_executions_do_not_exist(server: Server) -> None:
    """Not in lists, not in totals, not by id."""
    await server.define()
    run = (await server.post(RUNS, {"jobId": "Job"})).json
    stranger = await server.caller("operator", organizations=("other",))
    refused(await stranger.get(f"{RUNS}/{run['id']}"), 404, "not-found")
    assert (await stranger.get(RUNS)).json == {"object": "list", "data": [], "totalElements": 0}
    assert await found(stranger, {}) == ([], 0)
    both = await server.caller("viewer", organizations=("default", "other"))
    assert await found(both, {}) == ([run["id"]], 1)


async def test_nothing_of_a_find_body_is_logged(server: Server) -> None:
    """Whatever is wrong with it."""
    bodies = [
        {"type": "eq", "field": "secret'; select 1; --", "value": "secret"},
        {"type": "secret", "field": "id", "value": "secret"},
        {"type": "or", "queries": [{"type": "eq", "field": "id", "value": "secret"}] * 10_000},
    ]
    deep = b'{"type":"not","queries":[' * 500 + b'"secret"' + b"]}" * 500
    with structlog.testing.capture_logs() as logs:
        for body in (*map(msgspec.json.encode, bodies), deep):
            refused_body = (await server.post(FIND, body)).expect(400).json
            assert refused_body["detail"]
    assert logs
    assert "secret" not in repr(logs)
