"""Oversized, slow and endless requests: each is bounded, answered in form, and nobody else's trouble."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.api.serving import Answer, Caller, Server, serving
from tests.security.forms import failed, of_path
from tests.security.raw import PATIENCE_S, answered, ask, connected, head
from tests.waiting import eventually

BODIES: Final = (
    "/v1/jobs",
    "/v1/data_factory/job_executions",
    "/v1/data_factory/job_executions/find",
    "/v2/jobs",
    "/v2/scheduled-jobs",
    "/rest/job-execution?sequence=1",
    "/dw/data/v17_4/jobs/Job/executions",
    "/dw/data/v17_4/job_execution_search",
    "/dwsso/oauth2/access_token",
)
"""Where each API reads a body whole."""
SMALL: Final = 64 * 1024


@pytest.fixture
async def small(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    """Give a server with little patience and little room."""
    async with serving(
        database_url,
        tmp_path,
        max_body_bytes=SMALL,
        max_file_bytes=SMALL,
        client_timeout_s=0.5,
        keep_alive_s=0.5,
        max_long_polls=16,
        max_connections=40,
        product_live_rate_per_minute=0,
    ) as here:
        await here.define()
        yield here


def is_json(path: str) -> dict[str, str]:
    """Say what a path's body is."""
    form = "application/x-www-form-urlencoded"
    return {"Content-Type": form if "oauth2" in path else "application/json"}


async def test_a_body_without_a_length_ends_at_the_limit(small: Server) -> None:
    """A chunked body is read up to the limit, refused in the API's form, and soon no longer read."""
    chunk = b"%x\r\n%s\r\n" % (SMALL // 4, b" " * (SMALL // 4))

    async def endless(path: str) -> Answer:
        async with connected(small) as (reader, writer):
            told = {"Transfer-Encoding": "chunked", **is_json(path)}
            writer.write(head(small, "POST", path, told))
            reading = asyncio.create_task(answered(reader))
            with suppress(ConnectionError):
                while not reading.done():
                    writer.write(chunk)
                    await writer.drain()
            return await reading

    for path in BODIES:
        answer = await endless(path)
        api = of_path(path)
        failed(api, answer, 400 if answer.status == 400 and api == "token" else 413)


async def test_a_packed_body_counts_unpacked(small: Server) -> None:
    """Twenty megabytes in twenty kilobytes are refused like twenty megabytes."""
    blank = b" " * 20_000_000
    for how, packed in (("gzip", gzip.compress(blank)), ("deflate", zlib.compress(blank))):
        assert len(packed) < SMALL
        for path in BODIES:
            told = {"Content-Encoding": how, **is_json(path)}
            failed(of_path(path), await ask(small, "POST", path, packed, told), 413)
            broken = await ask(small, "POST", path, b"this was never packed", told)
            failed(of_path(path), broken, 400)


async def test_uploads_and_bulk_lines_are_bounded_unpacked(small: Server) -> None:
    """A file is refused at its limit and leaves nothing behind; an endless line ends the bulk."""
    path, packed = "/v1/data_factory/files", {"Content-Encoding": "gzip"}
    bomb = gzip.compress(b"x" * 20_000_000)
    failed("product_live", await ask(small, "POST", path, bomb, packed), 413)
    failed("product_live", await ask(small, "POST", path, b"never packed", packed), 400)
    left = [kept for kept in (small.node.settings.data / "files").rglob("*") if kept.is_file()]
    assert left == []
    lines = {"Content-Type": "application/x-ndjson", **packed}
    answer = await ask(small, "POST", "/v1/reports", bomb, lines)
    assert b'"status":400' in answer.expect(200).raw
    assert b"is longer than" in answer.raw


async def drip(writer: asyncio.StreamWriter, reading: "asyncio.Task[Any]") -> Any:
    """Send a byte now and then until the server has had enough."""

    def had_enough() -> bool:
        if not reading.done():
            writer.write(b" ")
        return reading.done()

    await eventually(had_enough, deadline_s=PATIENCE_S)
    return reading.result()


async def test_a_dripping_body_is_not_waited_for(small: Server) -> None:
    """A body that comes a byte at a time is given up in time, though it never stops coming."""

    async def dripping(path: str) -> None:
        async with connected(small) as (reader, writer):
            told = {"Content-Length": "100000", **is_json(path)}
            writer.write(head(small, "POST", path, told))
            answer = await drip(writer, asyncio.create_task(answered(reader)))
        failed(of_path(path), answer, 408)

    async def silent(path: str) -> None:
        async with connected(small) as (reader, writer):
            writer.write(head(small, "POST", path, {"Content-Length": "9"}) + b"{")
            assert b"request-timeout" in (await answered(reader)).raw

    # A bulk and an upload are streams: a byte at a time is slow, and silence is the end.
    streams = ("/v1/reports", "/v1/data_factory/files")
    await asyncio.gather(*map(dripping, BODIES), *map(silent, streams))


async def test_a_dripping_head_is_not_waited_for(small: Server) -> None:
    """A connection whose request never begins, or whose head never ends, is closed."""

    async def dripping(begun: bytes) -> None:
        async with connected(small) as (reader, writer):
            writer.write(begun)
            reading = asyncio.create_task(reader.read())
            assert (await drip(writer, reading) if begun else await reading) == b""

    begun = (b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", b"POST /v1/jo")
    await asyncio.gather(*map(dripping, begun))


async def test_heads_are_bounded(small: Server) -> None:
    """Too long a path, a query, a header, or too many of them: 400, without quoting them."""
    for path, headers in (
        ("/v1/jobs/" + "x" * 20_000, {}),
        ("/v1/jobs?tag=" + "x" * 20_000, {}),
        ("/v1/jobs", {"X-A": "x" * 20_000}),
        ("/v1/jobs", {f"X-{number}": "x" for number in range(120)}),
    ):
        answer = await ask(small, "GET", path, headers=headers)
        failed("native", answer, 400)
        assert b"xxx" not in answer.raw
    many = "&".join(f"tag=t{number}" for number in range(1500))
    (await ask(small, "GET", f"/v1/jobs?{many}")).expect(200)


async def test_pages_and_trees_are_bounded(small: Server) -> None:
    """No list gives more than its limit at once, and no search holds more than so many nodes."""
    for path in (
        "/v1/jobs?limit=1001",
        "/v1/executions?limit=1001",
        "/v1/events?limit=5001",
        "/v1/keys?limit=1001",
        "/v1/data_factory/job_executions?size=1001",
        "/v1/data_factory/job_executions?page=1000001",
        "/v2/jobs?limit=100000",
        "/dw/data/v17_4/jobs/Job/executions?count=100000",
    ):
        failed(of_path(path), await small.get(path), 400)
    leaf: Any = {"type": "eq", "field": "jobId", "value": "x"}
    term = {"fields": ["job_id"], "operator": "is", "values": ["x"]}
    ocapi_leaf: Any = {"term_query": term}
    deep, ocapi_deep = leaf, ocapi_leaf
    for _ in range(30):
        deep = {"type": "not", "queries": [deep]}
        ocapi_deep = {"bool_query": {"must_not": [ocapi_deep]}}
    wide = {"type": "or", "queries": [leaf] * 400}
    ocapi_wide = {"bool_query": {"should": [ocapi_leaf] * 400}}
    for tree in (deep, wide):
        answer = await small.post("/v1/data_factory/job_executions/find", tree)
        failed("product_live", answer, 400)
    search = "/dw/data/v17_4/job_execution_search"
    failed("ocapi", await small.post(search, {"query": ocapi_wide}), 400)
    assert (await small.post(search, {"query": ocapi_deep})).status in (200, 400)
    raw = msgspec.json.encode({"queries": []})
    nested = b'{"type":"not","queries":[' * 5000 + raw + b"]}" * 5000
    failed("product_live", await small.post("/v1/job_executions/find", nested), 413)


async def test_one_key_cannot_take_every_place_to_wait(small: Server) -> None:
    """The last places to wait are for those who hold few; ordinary calls need none."""
    other = await small.caller("viewer", "worker")
    after = await small.head()
    wait: dict[str, Any] = {"after": after, "wait": 20, "types": "job.retired"}

    async def held() -> list[Answer]:
        return [await task for task in tasks if task.done()]

    tasks = [asyncio.create_task(small.get("/v1/events", **wait)) for _ in range(16)]
    try:
        refused = await eventually(held)
        assert [answer.status for answer in refused] == [503] * len(refused)
        refused[0].problem(503, "too-many-waiting")
        theirs = asyncio.create_task(other.get("/v1/events", **wait))
        tasks.append(theirs)
        (await other.get("/v1/jobs")).expect(200)
        await eventually(lambda: len([task for task in tasks if task.done()]) == 4)
        assert not theirs.done()
        (await small.delete("/v1/jobs/Job")).expect(204)
        assert (await theirs).json["events"]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def connections(caller: Caller) -> int:
    """Read how many connections the server says are open."""
    text = (await caller.get("/metrics")).expect(200).raw.decode()
    [line] = [line for line in text.splitlines() if line.startswith("jobledger_http_connections ")]
    return round(float(line.split()[1]))


async def test_idle_connections_make_room(small: Server) -> None:
    """Whoever opens connections without end closes their own; requests go on, running ones too."""
    after = await small.head()
    waiting = asyncio.create_task(small.get("/v1/events", after=after, wait=20))
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connected(small)) for _ in range(120)]
        assert await connections(small) <= 41
        (await small.define("More"))
        assert (await waiting).json["events"]
        closed = [reader for reader, _ in opened if reader.at_eof()]
        assert len(closed) >= 70


async def test_an_answer_that_is_not_read_is_given_up(database_url: str, tmp_path: Path) -> None:
    """A caller that reads nothing of a large answer loses the connection, and nobody else does."""
    async with serving(
        database_url, tmp_path, client_timeout_s=1, product_live_rate_per_minute=0
    ) as server:
        made = await server.post("/v1/data_factory/files", b"x" * 30_000_000)
        path = made.expect(201).headers["Location"]
        before = await connections(server)
        deaf: list[socket.socket] = []
        address = urlsplit(server.url)
        try:
            for _ in range(5):
                one = socket.socket()
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.connect((address.hostname, address.port))
                one.sendall(head(server, "GET", path))
                deaf.append(one)

            async def all_gone() -> bool:
                return await connections(server) <= before

            async def all_there() -> bool:
                return await connections(server) >= before + 5

            assert await eventually(all_there)
            assert await eventually(all_gone, deadline_s=30)
            assert len((await server.get(path)).expect(200).raw) == 30_000_000
        finally:
            for one in deaf:
                one.close()
