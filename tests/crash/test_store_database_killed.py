"""kill -9 of PostgreSQL under load: callers wait or are told, and the log keeps what it said."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from ledger.errors import Unavailable, WrongExpectedVersion
from ledger.store.embedded import EmbeddedPostgres
from ledger.store.migrate import migrate
from ledger.store.postgres import PostgresStore
from tests.contract.log import audit, one
from tests.waiting import eventually

WRITERS = 16


@pytest.fixture
async def durable(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """A PostgreSQL of this test's own, durable and supervised."""
    directory = tmp_path / "postgres"
    server = EmbeddedPostgres(directory)
    dsn = await server.start()
    await migrate(dsn)
    yield dsn, directory
    await server.stop()


class Load:
    """Writers that never give up, and a follower, with what each of them was told."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.told: list[UUID] = []
        self.tailed: list[int] = []
        self.over = False
        self.written = False
        """Whether the last writer has ended, so that the log grows no more."""

    async def write_on(self, stream: str) -> None:
        """Append to a stream of its own."""
        version = 0
        while not self.over:
            try:
                records = await self.store.append(one(stream, version, count=2))
            except WrongExpectedVersion as moved_on:
                version = moved_on.actual
            except Unavailable:
                continue
            else:
                version = records[-1].version
                self.told.extend(record.event_id for record in records)

    async def follow(self) -> None:
        """Tail from the beginning."""
        while not self.written or self.tailed[-1] < self.store.tail.head:
            after = self.tailed[-1] if self.tailed else 0
            await self.store.tail.wait_past(after, 0.1)
            with suppress(Unavailable):
                page = await self.store.tail.read(after, 500)
                self.tailed.extend(record.position for record in page)

    async def goes_on(self) -> None:
        """Wait for acknowledgements that were not there yet."""
        enough = len(self.told) + 500
        await eventually(lambda: len(self.told) >= enough, deadline_s=30)


def postmaster(directory: Path) -> int:
    """Read the pid that PostgreSQL recorded; 0 while there is none."""
    lock_file = directory / "cluster" / "postmaster.pid"
    return int(lock_file.read_text().split()[0]) if lock_file.exists() else 0


async def kill(directory: Path, before: int) -> int:
    """Kill the PostgreSQL that replaced *before*."""
    await eventually(lambda: postmaster(directory) not in {0, before}, deadline_s=30)
    pid = postmaster(directory)
    os.kill(pid, signal.SIGKILL)
    return pid


async def test_what_was_acknowledged_survives_the_database(durable: tuple[str, Path]) -> None:
    """Appends under way are found or made again; nothing is lost, doubled or out of place."""
    dsn, directory = durable
    load = Load(await PostgresStore.open(dsn))
    async with asyncio.TaskGroup() as followers:
        followers.create_task(load.follow())
        async with asyncio.TaskGroup() as writers:
            for number in range(WRITERS):
                writers.create_task(load.write_on(f"s{number}"))
            killed = 0
            for _ in range(2):
                await load.goes_on()
                killed = await kill(directory, killed)
            await load.goes_on()
            load.over = True
        load.written = True
    await load.store.close()
    count = await audit(dsn)
    assert load.tailed == list(range(1, count + 1))
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("select event_id from ledger.events")
    await connection.close()
    assert set(load.told) <= {row["event_id"] for row in rows}
    assert len(load.told) == len(set(load.told))
