"""The bulk route (`POST /v1/reports`), and the store beneath it, against COPY of the same rows.

A round lets executions live from creation to end, five events each, through the route. Then the very
rows that this left in the log are copied, in one COPY, into an empty table with the same columns and
indexes, durably as well. `store` appends lives of the same events as decided facts straight to a store
of this process, sixty-four at a time, so it shows what HTTP and the deciders cost on top.

The views follow meanwhile. Memory is told after the first 10,000 events and at the end: raise
`--executions` to 200000 to see it after 1,000,000.
"""

import argparse
import asyncio
import io
import time
from typing import Any

import asyncpg
from bulk import EVENTS, JOB, live
from frame import Report
from processes import resident_mb, used
from running import server

from ledger.clock import system_clock
from ledger.events import executions as x
from ledger.events.definition import Definition
from ledger.events.envelope import Fact
from ledger.ids import execution_stream, new_uuid
from ledger.store.port import Append, Context, StreamWrite
from ledger.store.postgres import PostgresStore

MEMORY_AT = 10_000
WRITERS = 64
_EMPTY = """
create schema if not exists bench;
drop table if exists bench.copied;
create table bench.copied (like ledger.events including all);
"""


def options(of: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    of.add_argument("--executions", type=int, default=10_000, help="in all rounds together")


async def run(told: argparse.Namespace, report: Report) -> None:
    """Measure."""
    report.ratio("route", "copy", at_least=0.4)
    report.ratio("store", "copy")
    share = max(1, told.executions // told.rounds)
    events_so_far = 0
    with server() as at:
        at.call("PUT", "/v1/jobs/bench", JOB)
        connection = await asyncpg.connect(at.dsn)
        store = await PostgresStore.open(at.dsn, max_connections=2)
        try:
            await asyncio.to_thread(live, at, 500)
            for _ in report.rounds(told.rounds, ("route", "store", "copy")):
                after = await store.head()
                with used(at.pid) as using:
                    events = await asyncio.to_thread(live, at, share)
                rate = events / using.seconds
                words = f"slowest view {at.lag():,} events behind"
                report.measured(
                    "route", rate, "events/s", used=using, operations=events, words=words
                )
                at.until_caught_up()
                seconds = await _copied(connection, after)
                report.measured("copy", events / seconds, "events/s")
                with used(at.pid) as using:
                    events = await _stored(store, share)
                report.measured(
                    "store", events / using.seconds, "events/s", used=using, operations=events
                )
                at.until_caught_up()
                events_so_far += 2 * events
                if events_so_far >= MEMORY_AT > events_so_far - 2 * events:
                    report.memory(f"after {events_so_far:,} events", resident_mb(at.pid))
            report.memory(f"after {events_so_far:,} events", resident_mb(at.pid))
        finally:
            await store.close()
            await connection.close()


async def _copied(connection: "asyncpg.Connection[Any]", after: int) -> float:
    """Copy what the log holds after a position, and give the seconds that this took."""
    rows = io.BytesIO()
    await connection.copy_from_query(
        "select * from ledger.events where position > $1", after, output=rows, format="binary"
    )
    await connection.execute(_EMPTY)
    rows.seek(0)
    begun = time.monotonic()
    await connection.copy_to_table("copied", schema_name="bench", source=rows, format="binary")
    return time.monotonic() - begun


async def _stored(store: PostgresStore, executions: int) -> int:
    """Append lives straight to the store; give how many events that made."""
    left = iter(range(executions))

    async def write() -> None:
        for _ in left:
            await store.append(_life())

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    return executions * EVENTS


def _life() -> Append:
    uuid, now = new_uuid(), system_clock()
    step = x.PlannedStep(index=1, step_id="one", step_type_id="recorded")
    events = (
        x.ExecutionCreated(
            uuid=uuid,
            job_id="bench",
            job_uuid=uuid,
            job_number=1,
            definition=Definition(),
            steps=(step,),
            trigger="rest",
            user="admin",
        ),
        x.ExecutionStarted(),
        x.StepStarted(index=1),
        x.StepFinished(index=1, outcome="ok", exit_code="OK"),
        x.ExecutionFinished(outcome="ok", exit_code="OK"),
    )
    return Append(
        context=Context(organization="default", actor="bench"),
        writes=(
            StreamWrite(
                stream=execution_stream(uuid),
                expected_version=0,
                facts=tuple(Fact(event, now) for event in events),
            ),
        ),
    )
