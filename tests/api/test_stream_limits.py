"""What one client of a stream can cost: no more than its place, however it behaves."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from ledger.events import executions as x
from ledger.events.envelope import Fact
from ledger.store.port import Append, Context, StreamWrite
from tests.api.serving import Server, serving
from tests.contract.log import NOW
from tests.streams import NDJSON, SSE, Stream, streaming
from tests.waiting import eventually

LARGE = 100_000


async def write_large(server: Server, version: int, size: int = LARGE) -> None:
    """Write an event of many bytes."""
    fact = Fact(x.ExecutionDescribed(description="x" * size), NOW)
    written = StreamWrite(stream="execution/large", expected_version=version, facts=(fact,))
    context = Context(organization="default", actor="test")
    await server.node.store.append(Append(context=context, writes=(written,)))


def has_dispatched(count: int, stream: Stream) -> bool:
    """Tell whether so many events came."""
    return len(stream.source.dispatched) == count


@asynccontextmanager
async def deaf(server: Server, request: str) -> AsyncIterator[socket.socket]:
    """Send a request on a connection with little room, and read nothing of the answer."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (host, int(port)))
        await loop.sock_sendall(connection, request.encode())
        yield connection


def asking(server: Server, accept: str = SSE, version: str = "1.1", query: str = "") -> str:
    """Make the bytes of a request for a stream."""
    return (
        f"GET /v1/events{query} HTTP/{version}\r\nHost: test\r\nAccept: {accept}\r\n"
        f"Authorization: Bearer {server.key}\r\n\r\n"
    )


async def test_who_does_not_read_is_cut_off_and_costs_nobody(
    database_url: str, tmp_path: Path
) -> None:
    """Others get everything meanwhile; the deaf one's connection is cut, and its place is free."""
    async with serving(database_url, tmp_path, client_timeout_s=0.5) as server:
        hub = server.node.hub
        head = await server.head()
        query = f"?after={head}"
        async with (
            deaf(server, asking(server, query=query)) as connection,
            streaming(server, SSE, after=head) as reader,
        ):
            await eventually(lambda: sum(hub.streams.values()) == 2)
            version = 0
            while not hub.cut:
                await write_large(server, version)
                version += 1
                await reader.until(partial(has_dispatched, version))
                assert version < 500, "the connection took everything"
            assert reader.positions == list(range(head + 1, head + version + 1))
            await eventually(lambda: sum(hub.streams.values()) == 1)
            came = await until_closed(connection)
            assert not came.endswith(b"0\r\n\r\n"), "a cut is not an end in good order"
        text = (await server.get("/metrics")).expect(200).raw.decode()
        assert "jobledger_streams_cut_total 1.0" in text


async def until_closed(connection: socket.socket) -> bytes:
    """Read what lies there still, to the end or the cut."""
    loop = asyncio.get_running_loop()
    came = b""
    async with asyncio.timeout(20):
        while True:
            try:
                more = await loop.sock_recv(connection, 1 << 20)
            except ConnectionResetError:
                return came
            if not more:
                return came
            came += more


async def test_who_is_slow_gets_everything(database_url: str, tmp_path: Path) -> None:
    """A client that falls behind the ring reads from the log, and comes back to the head."""
    async with serving(database_url, tmp_path, stream_ring_events=2) as server:
        head = await server.head()
        async with streaming(server, SSE, after=head) as slow:
            await slow.until(lambda stream: stream.source.retry_ms)
            count = 0
            # More than the sockets take in: the server holds the rest back.
            while count < 150:
                await write_large(server, count)
                count += 1
            await slow.until(partial(has_dispatched, count), deadline_s=40)
            ids = [int(event.last_event_id) for event in slow.source.dispatched]
            assert ids == list(range(head + 1, head + count + 1))
            await write_large(server, count, size=10)
            await slow.until(partial(has_dispatched, count + 1))


async def test_streams_are_counted(database_url: str, tmp_path: Path) -> None:
    """Beyond the number a process or a key may have, a client is told when to come back."""
    async with serving(database_url, tmp_path, max_streams=3, max_streams_per_key=2) as server:
        other = await server.caller("viewer")
        headers = {"Accept": SSE}
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(streaming(server, SSE))
            second = await stack.enter_async_context(streaming(server, NDJSON, follow="true"))
            refused = await server.call("GET", "/v1/events", headers=headers)
            refused.problem(429, "too-many-streams")
            assert int(refused.headers["Retry-After"]) > 0
            await stack.enter_async_context(streaming(other, SSE))
            refused = await other.call("GET", "/v1/events", headers=headers)
            refused.problem(503, "too-many-streams")
            assert int(refused.headers["Retry-After"]) > 0
            text = (await server.get("/metrics")).expect(200).raw.decode()
            assert 'jobledger_streams_open{form="sse"} 2.0' in text
            assert 'jobledger_streams_open{form="ndjson"} 1.0' in text
            assert (await server.get("/v1/events")).status == 200, "pages need no place"
            second.response.close()
            await eventually(lambda: server.node.hub.streams["ndjson"] == 0)
            async with streaming(server, SSE) as third:
                await third.until(lambda stream: stream.positions)
        await eventually(lambda: not server.node.hub.streams)


async def test_streams_of_a_revoked_key_end(server: Server, other_node: Server) -> None:
    """On every node, in good order; others go on, and the key opens none again."""
    made = (await server.post("/v1/keys", {"name": "gone", "roles": ["viewer"]})).expect(201).json
    gone = server.under(made["secret"])
    there = other_node.under(made["secret"])
    async with (
        streaming(gone, SSE) as here,
        streaming(there, NDJSON, follow="true") as elsewhere,
        streaming(server, SSE, types="key.revoked") as stays,
    ):
        (await server.delete(f"/v1/keys/{made['key']['uuid']}")).expect(204)
        await here.until_end()
        await elsewhere.until_end()
        await stays.until(lambda stream: stream.positions)
        assert not stays.ended
    answer = await gone.call("GET", "/v1/events", headers={"Accept": SSE})
    answer.problem(401, "unauthorized")


async def test_streams_end_with_their_process(database_url: str, tmp_path: Path) -> None:
    """At the stop of a server clients get a proper end, and the next one goes on from there."""
    async with AsyncExitStack() as stack:
        async with serving(database_url, tmp_path, shutdown_grace_s=20.0) as first:
            await first.define()
            opened: list[Stream] = []
            for form in (SSE, NDJSON):
                context = streaming(first, form, follow="true")
                opened.append(await stack.enter_async_context(context))
            head = await first.head()
            for stream in opened:
                await stream.until(lambda stream: len(stream.positions) == head)
            begun = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begun < 15, "nobody waits for streams"
        for stream in opened:
            await stream.until_end()
            assert stream.positions == list(range(1, head + 1))
        async with serving(database_url, tmp_path) as second:
            await second.run()
            for form in (SSE, NDJSON):
                async with streaming(second, form, follow="true", last_event_id=str(head)) as again:
                    await again.until(lambda stream: stream.positions)
                    assert again.positions == [head + 1]


async def test_streams_outlive_the_loss_of_the_database(server: Server) -> None:
    """Every connection to it is cut: streams wait, at the head and behind it, and miss nothing."""
    await server.define()
    head = await server.head()
    pool = server.node.store.pool
    async with (
        streaming(server, SSE, after=head) as live,
        streaming(server, NDJSON, follow="true", job_id="Job", limit=50) as alone,
    ):
        await live.until(lambda stream: stream.source.retry_ms)
        await alone.until(lambda stream: stream.events)
        for _ in range(2):
            await pool.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            await eventually(partial(is_created, server))
        after = await server.head()
        for stream in (live, alone):
            await stream.until(partial(has_seen, after))
        assert live.positions == list(range(head + 1, after + 1))
        assert alone.positions[1:] == live.positions


async def is_created(server: Server) -> bool:
    """Tell whether an execution could be created."""
    return (await server.post("/v1/jobs/Job/executions")).status == 201


def has_seen(position: int, stream: Stream) -> bool:
    """Tell whether an event came."""
    return bool(stream.events) and stream.events[-1]["position"] >= position


async def test_a_client_of_http_1_0(server: Server) -> None:
    """It gets the same frames without chunks, and the end by the end of the connection."""
    await server.define()
    head = await server.head()
    request = asking(server, NDJSON, "1.0", "?limit=2")
    async with deaf(server, request) as connection:
        head_lines, _, body = (await until_closed(connection)).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head_lines.lower()
    assert len(body.split(b"\n")) == 3
    assert body.endswith(b"\n")
    request = asking(server, SSE, "1.0", f"?after={head}")
    async with deaf(server, request) as connection:
        await eventually(lambda: server.node.hub.streams)
        await server.run()
        loop = asyncio.get_running_loop()
        came = b""
        async with asyncio.timeout(20):
            while b"execution.created" not in came:
                came += await loop.sock_recv(connection, 4096)
    assert f"\n\nid: {head + 1}\nevent: execution.created\n".encode() in came


async def test_heads_take_no_place(database_url: str, tmp_path: Path) -> None:
    """HEAD answers what GET would begin with, at once."""
    async with serving(database_url, tmp_path, max_streams=0) as server:
        answer = await server.call("HEAD", "/v1/events", headers={"Accept": SSE})
        assert answer.expect(200).headers["Content-Type"] == SSE
        assert answer.raw == b""
