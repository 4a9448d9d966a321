"""The whole log as one NDJSON answer, against paged reads of the same rows straight from PostgreSQL.

`raw` reads every column of every event in pages, in this process, by the driver that the server uses;
`ndjson` asks the server for the log from position 0. That every event came, and in order, is looked
at after the clock has stopped.
"""

import argparse
import asyncio
import socket
import time
from typing import Any

import asyncpg
from bulk import JOB, live
from frame import Report
from processes import resident_mb, used
from running import Server, server

PAGE = 5000
RAW = "select * from ledger.events where position > $1 and position <= $1 + $2 order by position"
FORMS = {"ndjson": "application/x-ndjson", "sse": "text/event-stream"}


def options(of: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    of.add_argument("--executions", type=int, default=10_000, help="five events each")


async def run(told: argparse.Namespace, report: Report) -> None:
    """Measure."""
    report.ratio("ndjson", "raw", at_least=0.7)
    report.ratio("sse", "raw")
    with server() as at:
        at.call("PUT", "/v1/jobs/bench", JOB)
        await asyncio.to_thread(live, at, told.executions)
        at.until_caught_up()
        connection = await asyncpg.connect(at.dsn)
        try:
            head = await connection.fetchval("select position from ledger.head")
            report.say(f"{head:,} events")
            await _raw(connection, head)
            await asyncio.to_thread(_stream, at, "ndjson", head)
            for sides in report.rounds(told.rounds, ("raw", "ndjson", "sse")):
                for name in sides:
                    with used(at.pid) as using:
                        if name == "raw":
                            seconds = await _raw(connection, head)
                        else:
                            seconds = await asyncio.to_thread(_stream, at, name, head)
                    report.measured(name, head / seconds, "events/s", used=using, operations=head)
            report.memory("at the end", resident_mb(at.pid))
        finally:
            await connection.close()


async def _raw(connection: "asyncpg.Connection[Any]", head: int) -> float:
    """Read every row; give the seconds."""
    begun, after = time.perf_counter(), 0
    while after < head:
        rows = await connection.fetch(RAW, after, PAGE)
        after = rows[-1]["position"]
    return time.perf_counter() - begun


def _stream(at: Server, form: str, head: int) -> float:
    """Read the log as one answer; give the seconds.

    Raises:
        RuntimeError: an event is missing, or out of place.
    """
    begun = time.perf_counter()
    pieces = []
    with socket.create_connection(("127.0.0.1", at.port)) as connection:
        connection.sendall(
            f"GET /v1/events?follow=false HTTP/1.1\r\nHost: bench\r\nAccept: {FORMS[form]}\r\n"
            f"Connection: close\r\nAuthorization: Bearer {at.key}\r\n\r\n".encode()
        )
        while piece := connection.recv(1 << 20):
            pieces.append(piece)
    seconds = time.perf_counter() - begun
    _, _, rest = b"".join(pieces).partition(b"\r\n\r\n")
    chunks = []
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            break
        chunks.append(rest[:length])
        rest = rest[length + 2 :]
    lines = b"".join(chunks).split(b"\n")
    if form == "sse":
        lines = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]
    else:
        lines.pop()
    for position, line in enumerate(lines, 1):
        if not line.startswith(b'{"position":%d,' % position):
            raise RuntimeError(f"{line[:40]!r} is not at {position}")
    if len(lines) < head:
        raise RuntimeError(f"{len(lines)} of {head} events came")
    return seconds
