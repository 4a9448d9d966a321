"""kill -9 of a writer under load: what it acknowledged is in the log, and nothing is there twice."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from uuid import UUID

import asyncpg
import pytest

from ledger.store.postgres import PostgresStore
from tests.contract.log import audit, one

WRITERS = "24"
ENDLESS = "1000000"


async def writer(dsn: str, name: str) -> Process:
    """Start a process that appends until it is killed, and tells what was acknowledged."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.race"),
        *("gapless", dsn, name, WRITERS, ENDLESS, "print"),
        stdout=PIPE,
    )


async def acknowledged(process: Process, count: int) -> list[UUID]:
    """Listen to a writer until it has told of so many appends, kill it, and hear it out."""
    assert process.stdout is not None
    lines: list[bytes] = []
    async for line in process.stdout:
        lines.append(line)
        if len(lines) == count:
            process.kill()
    await process.wait()
    # The last line may have been cut by the kill.
    whole = [line for line in lines if line.endswith(b"\n")]
    return [UUID(word.decode()) for line in whole for word in line.split()]


@pytest.mark.parametrize("count", [1, 57, 400])
async def test_what_was_acknowledged_is_there_once(database_url: str, count: int) -> None:
    """Whenever it is killed, beside a writer that lives, and when it is started again."""
    told: list[UUID] = []
    for life in range(2):
        victim, other = [await writer(database_url, f"{name}{life}") for name in "vo"]
        dies, lives = await asyncio.gather(
            acknowledged(victim, count), acknowledged(other, count + 100)
        )
        told += dies + lives
    store = await PostgresStore.open(database_url)
    (last,) = await store.append(one("after"))
    await store.close()
    assert await audit(database_url) == last.position
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("select event_id from ledger.events")
    await connection.close()
    assert set(told) <= {row["event_id"] for row in rows}
    assert len(told) >= 4 * count
