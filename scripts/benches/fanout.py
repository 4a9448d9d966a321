"""What an event costs for each client that follows the log, with 10 clients and with 1,000.

Events are appended by this process, each by itself, 200 a second, so that the server does nothing but
tail them and send them; the views are written by a process of their own. Each client must get every
frame. Beside the 1,000 one more client asks for the stream and reads nothing of it. The ratio is
that of the server's processor time for a delivered frame.

`a further frame` is what is left when the cost of reading and framing an event, which ten clients
share among themselves, is taken away. Memory for a client is what the server holds more with all of
them connected and under load than before, per client.
"""

import argparse
import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from uuid import UUID

from frame import Report
from listener import Listener, listen, until_all_have
from processes import resident_mb, used
from running import Server, server

from ledger.clock import system_clock
from ledger.events import executions as x
from ledger.events.definition import Definition
from ledger.events.envelope import Fact
from ledger.ids import execution_stream, new_uuid
from ledger.store.port import Append, Context, StreamWrite
from ledger.store.postgres import PostgresStore

FEW = 10
EXECUTIONS = 50
MEMORY_LIMIT_KB = 64


def options(of: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    of.add_argument("--clients", type=int, default=1000)
    of.add_argument("--rate", type=int, default=200, help="events a second")
    of.add_argument("--seconds", type=float, default=4)


async def run(told: argparse.Namespace, report: Report) -> None:
    """Measure."""
    many = f"{told.clients:,} clients"
    counts = {f"{FEW} clients": FEW, many: told.clients}
    report.ratio(many, f"{FEW} clients", at_most=1.5)
    with server(JOBLEDGER_VIEWS="beside", JOBLEDGER_MAX_STREAMS_PER_KEY="5000") as at:
        store = await PostgresStore.open(at.dsn, max_connections=2)
        try:
            writer = Writer(store)
            await writer.begin()
            await writer.write(told.rate, 1.0)
            for sides in report.rounds(told.rounds, list(counts)):
                costs = {}
                for name in sides:
                    costs[name] = await _side(at, writer, report, told, name, counts[name])
                few, lot = costs[f"{FEW} clients"], costs[many]
                further_us = (lot[0] - few[0]) / (lot[1] - few[1]) * 1e6
                report.measured("a further frame", further_us, "µs of the server")
        finally:
            await store.close()


async def _side(  # noqa: PLR0917 - one figure
    at: Server,
    writer: "Writer",
    report: Report,
    told: argparse.Namespace,
    name: str,
    count: int,
) -> tuple[float, int]:
    """Measure one number of clients; give the server's seconds, and the frames delivered."""
    before_mb = resident_mb(at.pid)["server"]
    async with _clients(at, count, await writer.store.head()) as clients:
        with used(at.pid) as using:
            written = await writer.write(told.rate, told.seconds)
            await until_all_have(clients, written)
        held_kb = (resident_mb(at.pid)["server"] - before_mb) * 1024 / count
        frames = sum(client.frames for client in clients)
    if frames != written * count:
        raise RuntimeError(f"{frames} frames came, and not {written * count}")
    cpu_s = using.cpu_s["server"]
    report.measured(
        name,
        cpu_s / frames * 1e6,
        "µs of the server a frame",
        words=f"{frames / using.seconds:,.0f} frames/s, {cpu_s / using.seconds:.0%} of a core",
    )
    if count != FEW:
        report.measured(
            "memory for a client", held_kb, "KiB", words=f"must be below {MEMORY_LIMIT_KB}"
        )
    return cpu_s, frames


@asynccontextmanager
async def _clients(at: Server, count: int, after: int) -> AsyncIterator[list[Listener]]:
    """Connect clients, and one that does not read."""
    query = f"after={after}"
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", at.port))
        deaf.sendall(
            f"GET /v1/events?{query} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {at.key}\r\n\r\n".encode()
        )
        clients = await listen(at.port, at.key, count, query)
        try:
            yield clients
        finally:
            for client in clients:
                client.transport.abort()
    while at.open_streams():  # noqa: ASYNC110 - another process closes them
        await asyncio.sleep(0.05)


class Writer:
    """Appends events at a rate, each by itself, to executions of its own in turn."""

    def __init__(self, store: PostgresStore) -> None:
        """Write through a store."""
        self.store = store
        self._context = Context(organization="default", actor="bench")
        self._turns = [(execution_stream(uuid), asyncio.Lock(), [0]) for uuid in _uuids()]

    async def begin(self) -> None:
        """Create the executions."""
        step = x.PlannedStep(index=1, step_id="one", step_type_id="bench")
        for uuid, (stream, _, version) in zip(_uuids(), self._turns, strict=True):
            created = x.ExecutionCreated(
                uuid=uuid,
                job_id="bench",
                job_uuid=uuid,
                job_number=1,
                definition=Definition(),
                steps=(step,),
                trigger="rest",
            )
            await self._append(stream, version, created, x.ExecutionStarted())

    async def write(self, rate: int, seconds: float) -> int:
        """Write for so long; give how many events."""
        loop = asyncio.get_running_loop()
        begun, count = loop.time(), int(rate * seconds)
        async with asyncio.TaskGroup() as writes:
            for number in range(count):
                ahead_s = begun + number / rate - loop.time()
                if ahead_s > 0:
                    await asyncio.sleep(ahead_s)
                writes.create_task(self._one(number))
        return count

    async def _one(self, number: int) -> None:
        stream, lock, version = self._turns[number % len(self._turns)]
        progress = x.Progress(percent=number % 100, counters={"rows": number}, message="copied")
        async with lock:
            await self._append(stream, version, x.ExecutionProgressed(progress=progress))

    async def _append(self, stream: str, version: list[int], *events: x.ExecutionEvent) -> None:
        facts = tuple(Fact(event, system_clock()) for event in events)
        write = StreamWrite(stream=stream, expected_version=version[0], facts=facts)
        await self.store.append(Append(context=self._context, writes=(write,)))
        version[0] += len(events)


@cache
def _uuids() -> tuple[UUID, ...]:
    return tuple(new_uuid() for _ in range(EXECUTIONS))
