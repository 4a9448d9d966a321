"""The promise that most event stores on a database break: no reader ever skips an event.

The same readers are shown to lose events when positions come from a sequence, so these tests can
fail. RACE_PROCESSES, RACE_WRITERS and RACE_APPENDS make the race larger (8, 32, 100 is the full
form).
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from ledger.errors import StoreUnavailable
from ledger.store.append import _SQL
from ledger.store.pending import Pending, arrays
from ledger.store.postgres import PostgresStore
from tests.contract.log import audit, one
from tests.waiting import eventually

PROCESSES = int(os.environ.get("RACE_PROCESSES", "3"))
WRITERS = int(os.environ.get("RACE_WRITERS", "32"))
APPENDS = int(os.environ.get("RACE_APPENDS", "40"))
NAIVE_WRITERS = min(16, 80 // PROCESSES)  # one connection each, of the 100 there are

ReadPage = Callable[[int], Awaitable[list[int]]]


@asynccontextmanager
async def race(kind: str, dsn: str, writers: int) -> AsyncIterator["asyncio.Future[list[int]]"]:
    """Let processes write; the future holds their exit codes."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.contract.race"),
            *(kind, dsn, f"p{number}", str(writers), str(APPENDS)),
        )
        for number in range(PROCESSES)
    ]
    codes = asyncio.gather(*(process.wait() for process in processes))
    try:
        yield codes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
        await codes


async def follow(read_page: ReadPage, done: "asyncio.Future[list[int]]") -> list[int]:
    """Tail as any consumer does, from the last position seen, until the writers are done."""
    seen: list[int] = []
    while True:
        over = done.done()
        page = await read_page(seen[-1] if seen else 0)
        seen.extend(page)
        if over and not page:
            return seen


async def test_no_reader_skips_while_many_write(database_url: str) -> None:
    """Every reader sees 1, 2, 3 …; the log has no gap; versions are contiguous."""
    store = await PostgresStore.open(database_url)
    raw = await asyncpg.connect(database_url)

    async def tailed(after: int) -> list[int]:
        await store.tail.wait_past(after, 0.1)
        return [record.position for record in await store.tail.read(after, 700)]

    async def polled(after: int) -> list[int]:
        rows = await raw.fetch(
            "select position from ledger.events where position > $1 order by position limit 700",
            after,
        )
        return [row["position"] for row in rows]

    async with race("gapless", database_url, WRITERS) as done:
        readers = [asyncio.create_task(follow(read, done)) for read in (tailed, polled)]
        seen = await asyncio.gather(*readers)
        assert await done == [0] * PROCESSES
    count = await audit(database_url)
    assert count >= PROCESSES * WRITERS * APPENDS
    for positions in seen:
        assert positions == list(range(1, len(positions) + 1))
    assert len(seen[1]) == count
    await eventually(lambda: store.tail.head == count)
    await raw.close()
    await store.close()


async def test_the_same_reader_skips_over_a_sequence(database_url: str) -> None:
    """With positions from a sequence the same race makes the same reader lose events."""
    raw = await asyncpg.connect(database_url)
    await raw.execute("create table naive (position bigserial primary key)")

    async def polled(after: int) -> list[int]:
        rows = await raw.fetch(
            "select position from naive where position > $1 order by position", after
        )
        return [row["position"] for row in rows]

    async with race("naive", database_url, NAIVE_WRITERS) as done:
        seen = await follow(polled, done)
        assert await done == [0] * PROCESSES
    count = await raw.fetchval("select count(*) from naive")
    assert count == PROCESSES * NAIVE_WRITERS * APPENDS
    assert len(seen) < count, "the reader should have lost some"
    await raw.close()


async def test_a_sequence_loses_what_commits_late(database_url: str) -> None:
    """The hole, made on purpose: the first to take its place is the last to commit."""
    early, late, reader = [await asyncpg.connect(database_url) for _ in range(3)]
    await reader.execute("create table naive (position bigserial primary key)")
    holding = early.transaction()
    await holding.start()
    assert await early.fetchval("insert into naive default values returning position") == 1
    await late.execute("insert into naive default values")
    tail = "select position from naive where position > $1 order by position"
    assert [row["position"] for row in await reader.fetch(tail, 0)] == [2]
    await holding.commit()
    assert await reader.fetch(tail, 2) == [], "1 is never seen"
    for connection in (early, late, reader):
        await connection.close()


async def test_what_would_commit_late_is_waited_for(database_url: str) -> None:
    """The same attempt on the log: the later append waits, and the tail sees both in order."""
    store = await PostgresStore.open(database_url)
    early, watcher = [await asyncpg.connect(database_url) for _ in range(2)]
    loop = asyncio.get_running_loop()
    holding = early.transaction()
    await holding.start()
    held = Pending(one("early"), loop.create_future(), loop.time() + 60)
    row = await early.fetchrow(_SQL["append"], *arrays([held]), True)
    assert row is not None
    assert row["position"] == 0, "where the log was before"
    late = asyncio.create_task(store.append(one("late")))
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    await eventually(lambda: watcher.fetchval(waits))
    assert await store.read_log(after=0, limit=10) == []
    assert not late.done()
    await holding.commit()
    assert [record.position for record in await late] == [2]
    seen = await store.tail.read(0, 10)
    assert [(record.position, record.stream) for record in seen] == [(1, "early"), (2, "late")]
    for connection in (early, watcher):
        await connection.close()
    await store.close()


async def test_a_rolled_back_place_is_given_out_again(database_url: str) -> None:
    """A writer that dies after it took its place leaves no gap; a sequence would."""
    store = await PostgresStore.open(database_url)
    early = await asyncpg.connect(database_url)
    holding = early.transaction()
    await holding.start()
    loop = asyncio.get_running_loop()
    held = Pending(one("early", count=3), loop.create_future(), loop.time() + 60)
    await early.fetch(_SQL["append"], *arrays([held]), True)
    late = asyncio.create_task(store.append(one("late")))
    early.terminate()
    try:
        assert [record.position for record in await late] == [1]
    except StoreUnavailable as error:
        raise AssertionError("the dead writer kept its lock") from error
    await store.close()
    assert await audit(database_url) == 1
