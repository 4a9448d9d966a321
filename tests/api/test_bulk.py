"""`POST /v1/reports`: many commands, one a line."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from api.native.bulk import MAX_LINE_BYTES
from tests.api.serving import Caller, Server, serving

NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(*commands: Any) -> bytes:
    """Write commands, one a line; bytes stand as they are."""
    return b"\n".join(c if isinstance(c, bytes) else json.dumps(c).encode() for c in commands)


async def bulk(caller: Caller, *commands: Any) -> list[Any]:
    """Send commands and read their outcomes."""
    answer = await caller.post("/v1/reports", lines(*commands), headers=NDJSON)
    assert answer.expect(200).headers["Content-Type"] == "application/x-ndjson"
    assert answer.headers["X-Request-Id"]
    return answer.lines


async def test_a_thousand_lines_are_answered_in_order(server: Server) -> None:
    """Each line has one outcome, at its place, and every one that was answered is in the log."""
    await server.define()
    outcomes = await bulk(server, *[{"op": "create", "job_id": "Job"}] * 1000)
    assert [outcome["line"] for outcome in outcomes] == list(range(1, 1001))
    assert {outcome["status"] for outcome in outcomes} == {201}
    assert len({outcome["execution"] for outcome in outcomes}) == 1000
    uuids = [outcome["execution"] for outcome in outcomes]
    canceled = await bulk(server, *({"op": "cancel", "execution": uuid} for uuid in uuids))
    assert [o["execution"] for o in canceled] == uuids
    total = (await server.get("/v1/executions", status="aborted", total="true", limit=1)).json
    assert total["total"] == 1000


async def test_a_bad_line_fails_alone(server: Server) -> None:
    """Lines that are wrong or refused are told so at their place; the others are done."""
    await server.define()
    run = await server.run()
    create = {"op": "create", "job_id": "Job"}
    outcomes = await bulk(
        server,
        create,
        b"{not json",
        {"op": "create"},
        {"op": "explode", "job_id": "Job"},
        b"",
        create | {"more": 1},
        {"op": "cancel"},
        {"op": "cancel", "execution": "nothing"},
        {"op": "cancel", "execution": "01980000-0000-7000-8000-000000000000"},
        {"op": "delete", "execution": run["uuid"]},
        {"op": "create", "job_id": "Nowhere"},
        {"op": "report", "execution": run["uuid"]},
        {"op": "report", "execution": run["uuid"], "reports": [{"type": "paused"}], "fence": 7},
        b'"\xff"',
        create,
    )
    told = [(o["line"], o["status"], o.get("problem", {}).get("path")) for o in outcomes]
    assert told == [
        (1, 201, None),
        (2, 400, "$"),
        (3, 400, "$.job_id"),
        (4, 400, "$.op"),
        (6, 400, "$"),
        (7, 400, "$.execution"),
        (8, 404, None),
        (9, 404, None),
        (10, 409, None),
        (11, 404, None),
        (12, 400, "$.reports"),
        (13, 409, None),
        (14, 400, "$"),
        (15, 201, None),
    ]


async def test_lines_of_one_execution_keep_their_order(server: Server) -> None:
    """Commands to one execution follow each other, by whichever of its names they are given."""
    await server.define()
    run = await server.run()
    [lease] = await server.claim()
    report = {"op": "report", "fence": lease["fence"], "execution": run["uuid"]}
    percents = [
        report
        | {
            "execution": run[("uuid", "number", "oid")[i % 3]]
            if i % 3 != 1
            else str(run["number"]),
            "reports": [{"type": "progressed", "progress": {"percent": i}}],
        }
        for i in range(60)
    ]
    outcomes = await bulk(
        server,
        *percents,
        report | {"reports": [{"type": "finished", "outcome": "ok"}]},
        {"op": "delete", "execution": run["oid"]},
        {"op": "pause", "execution": run["uuid"].upper()},
    )
    assert [o["status"] for o in outcomes] == [200] * 62 + [404]
    told = [
        event["data"]["progress"]["percent"]
        for event in await server.events(run["uuid"])
        if event["type"] == "execution.progressed"
    ]
    assert told == list(range(60))


async def test_each_line_takes_its_own_role(server: Server) -> None:
    """A worker's creates and an operator's reports are refused line by line."""
    await server.define()
    run = await server.run()
    create = {"op": "create", "job_id": "Job"}
    report = {"op": "report", "execution": run["uuid"], "fence": 1, "reports": [{"type": "paused"}]}
    operator, worker = await server.caller("operator"), await server.caller("worker")
    assert [o["status"] for o in await bulk(operator, create, report)] == [201, 403]
    assert [o["status"] for o in await bulk(worker, create, report)] == [403, 409]


async def test_a_repeated_line_runs_once(server: Server) -> None:
    """An idempotency key holds for lines as for requests."""
    await server.define()
    create = {"op": "create", "job_id": "Job", "idempotency_key": "k"}
    outcomes = await bulk(server, *[create] * 20, create | {"run": {"name": "other"}})
    statuses = sorted(o["status"] for o in outcomes)
    assert statuses == [200] * 19 + [201, 422] or statuses == [200] * 20 + [422]
    assert len({o["execution"] for o in outcomes if "execution" in o}) == 1


async def test_a_line_without_end_is_not_read(server: Server) -> None:
    """What comes before a line that is too long is done and answered; the rest is not read."""
    await server.define()
    create = {"op": "create", "job_id": "Job"}
    outcomes = await bulk(server, create, b"x" * (3 * MAX_LINE_BYTES), create)
    assert [(o["line"], o["status"]) for o in outcomes] == [(1, 201), (2, 400)]
    assert str(MAX_LINE_BYTES) in outcomes[1]["problem"]["detail"]


async def test_a_client_that_does_not_read_is_let_go(database_url: str, tmp_path: Path) -> None:
    """Outcomes that nobody reads stop the reading of lines, then end the connection."""
    async with serving(database_url, tmp_path, client_timeout_s=0.3) as server:
        address = urlsplit(server.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1)
        head = (
            f"POST /v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n"
            "Content-Length: 1000000000\r\n\r\n"
        )
        writer.write(head.encode())
        chunk = b'{"op": "cancel", "execution": "nothing"}\n' * 5000
        sent = 0
        try:
            async with asyncio.timeout(40):
                while True:
                    writer.write(chunk)
                    await writer.drain()
                    sent += len(chunk)
        except ConnectionError:
            pass
        assert sent < 100_000_000
        writer.close()
        assert (await server.get("/v1/jobs")).status == 200
        del reader
