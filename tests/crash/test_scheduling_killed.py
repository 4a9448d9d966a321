"""Several servers share what is due; killing them leaves no due time twice and none forgotten."""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from ledger.events.definition import Definition, Schedule, StepDefinition
from ledger.handle.jobs import Jobs
from ledger.handle.streams import Done
from ledger.ids import new_uuid
from ledger.jobs import commands as c
from ledger.store.postgres import PostgresStore
from tests.contract.log import CONTEXT, audit, later
from tests.waiting import eventually

PROGRAM = """
import asyncio, sys
from pathlib import Path
from api.node import Node
from api.settings import Settings
async def main():
    await Node.open(sys.argv[1], Settings(data=Path(sys.argv[2]), database_url=sys.argv[1]))
    print("open", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
JOBS = 40

pytestmark = pytest.mark.timeout(120)


async def start(database_url: str, data: Path) -> asyncio.subprocess.Process:
    """Start a process that does everything a server does by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, database_url, str(data)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    while (line := await process.stdout.readline()) != b"open\n":
        assert line, "it ended"
    return process


async def test_each_due_time_has_one_outcome(database_url: str, tmp_path: Path) -> None:
    """Three processes, every job due every second, one killed again and again."""
    processes = [await start(database_url, tmp_path) for _ in range(3)]
    store = await PostgresStore.open(database_url)
    try:
        jobs = Jobs(store, lambda: later(0))
        overlaps: tuple[Any, ...] = ("skip", "queue", "cancel_old")
        definition = Definition(steps=(StepDefinition(step_id="a", step_type_id="command"),))
        for n in range(JOBS):
            schedule = Schedule(cron="* * * * * *", overlap=overlaps[n % 3])
            define = c.Define(uuid=new_uuid(), job_id=f"job{n}", definition=definition)
            for command in (define, c.SetSchedule(schedule=schedule)):
                assert isinstance(await jobs.change(CONTEXT, f"job{n}", command), Done)

        async def outcomes() -> int:
            found: int = await store.pool.fetchval(
                "select count(*) from ledger.events where type like 'job.schedule\\_%ed'"
            )
            return found

        for round_number in range(1, 4):
            wanted = round_number * 2 * JOBS

            async def enough(wanted: int = wanted) -> bool:
                return await outcomes() >= wanted

            await eventually(enough, deadline_s=30)
            victim = processes.pop(0)
            victim.kill()
            await victim.wait()
            processes.append(await start(database_url, tmp_path))
        for n in range(JOBS):
            await jobs.change(CONTEXT, f"job{n}", c.ClearSchedule())
    finally:
        for process in processes:
            process.kill()
            await process.wait()
        await store.close()
    await check(database_url)
    await audit(database_url)


async def check(database_url: str) -> None:
    """From its first due time to its last, each job has one outcome a second; fired ones exist."""
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "select stream, type, data from ledger.events"
        " where type in ('job.schedule_fired', 'job.schedule_skipped') order by position"
    )
    created = await connection.fetchval(
        "select count(*) from ledger.events where type = 'execution.created'"
    )
    await connection.close()
    dues: dict[str, list[int]] = {}
    fired = set()
    for row in rows:
        told = msgspec.json.decode(row["data"])
        due = msgspec.convert(told["due_at"], type=datetime)
        dues.setdefault(row["stream"], []).append(round(due.timestamp()))
        if row["type"] == "job.schedule_fired":
            fired.add(told["execution"])
    assert len(dues) == JOBS
    for seconds in dues.values():
        assert seconds == list(range(seconds[0], seconds[-1] + 1))
    assert len(fired) == created
