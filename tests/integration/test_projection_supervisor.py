"""Who advances the projections of several processes, and who waits for them."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from ledger.errors import ProjectionLagging
from ledger.ids import execution_stream
from ledger.store.port import AnyRecorded
from ledger.store.postgres import PostgresStore
from projections import checkpoint as checkpoints
from projections.advance import Advances
from projections.executions import query as executions
from projections.executions.projector import ExecutionsProjector
from projections.port import Connection
from projections.registry import PROJECTORS
from projections.status import status
from projections.supervisor import Supervisor
from projections.wait import Waits
from tests.unit.projections.ground import ledger, write
from tests.unit.projections.lives import World
from tests.waiting import eventually

NAMES = sorted(projector.name for projector in PROJECTORS)

CHILD = """
import asyncio, sys
from ledger.store.postgres import PostgresStore
from projections.registry import PROJECTORS
from projections.supervisor import Supervisor

async def main():
    store = await PostgresStore.open(sys.argv[1])
    supervisor = Supervisor(store.pool, store.tail, PROJECTORS)
    await supervisor.start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def supervised(store: PostgresStore) -> AsyncIterator[Supervisor]:
    """Run the projections of one process."""
    supervisor = Supervisor(store.pool, store.tail, PROJECTORS)
    await supervisor.start()
    try:
        yield supervisor
    finally:
        await supervisor.stop()


async def _owners(store: PostgresStore) -> set[str | None]:
    return {c.owner for c in await checkpoints.read_all(store.pool)}


async def test_a_write_is_read_at_once(database_url: str) -> None:
    """A waiter on the owner's node is woken by the advance, and then reads its write."""
    world = World(73)
    async with ledger(database_url) as store, supervised(store) as supervisor:
        waits = Waits(store.pool, supervisor.advances)
        head = 0
        for _ in range(5):
            created = world.created()
            head = await write(store, [world.append(execution_stream(created.uuid), created)])
            await waits.wait_for("executions", head, 10.0)
            found = await executions.by_uuid(store.pool, created.uuid, organizations=["acme"])
            assert found.state is not None
            assert found.position >= head
        assert [name for name, _ in supervisor.owned()] == NAMES
        await waits.wait_for("executions", 1, 0.0)
        with pytest.raises(ProjectionLagging) as lagging:
            await waits.wait_for("executions", head + 1, 0.02)
        assert (lagging.value.wanted, lagging.value.reached) == (head + 1, head)
        await waits.close()
        await waits.close()


async def test_a_node_that_owns_nothing_polls(database_url: str) -> None:
    """Elsewhere a waiter learns from the checkpoint row."""
    world = World(79)
    async with ledger(database_url) as store, supervised(store):
        waits = Waits(store.pool, Advances())
        head = await write(store, world.lives(3))
        await asyncio.gather(*(waits.wait_for(name, head, 10.0) for name in NAMES * 5))
        with pytest.raises(ProjectionLagging):
            await waits.wait_for("executions", head + 1, 0.02)
        await waits.close()


async def test_stopping_hands_over(database_url: str) -> None:
    """Only one process owns; a stop lets the other in without waiting for the lease."""
    world = World(83)
    async with ledger(database_url) as store, supervised(store) as second:
        await eventually(lambda: len(second.owned()) == len(NAMES))
        async with supervised(store) as third:
            assert third.owned() == []
            await second.stop()
            await second.stop()
            await eventually(lambda: len(third.owned()) == len(NAMES))
            head = await write(store, world.lives(4))
            await Waits(store.pool, third.advances).wait_for("jobs", head, 10.0)
            await third.stop()
            assert await _owners(store) == {None}
            assert {s.state for s in await status(store.pool, head)} == {"unowned"}
            await second.start()
            await eventually(lambda: len(second.owned()) == len(NAMES))


async def test_a_killed_owner_is_replaced(database_url: str) -> None:
    """A process that held the leases and was killed with -9 has a successor within 5 s."""
    world = World(89)
    async with ledger(database_url) as store:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, database_url)
        try:

            async def owned_by_child() -> bool:
                found = await checkpoints.read_all(store.pool)
                return len(found) == len(NAMES) and all(c.owned for c in found)

            await eventually(owned_by_child, deadline_s=30)
            async with supervised(store) as standby:
                head = await write(store, world.lives(5))
                await Waits(store.pool, Advances()).wait_for("executions", head, 10.0)
                assert standby.owned() == []
                child.send_signal(signal.SIGKILL)
                await eventually(lambda: len(standby.owned()) == len(NAMES), deadline_s=5)
                head = await write(store, world.lives(5))
                for name in NAMES:
                    await Waits(store.pool, standby.advances).wait_for(name, head, 10.0)
        finally:
            if child.returncode is None:
                child.kill()
            await child.wait()


class Broken(ExecutionsProjector):
    """Cannot be advanced until it is mended."""

    broken = True

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """Fail for no fault of the events."""
        if self.broken:
            await connection.execute("select * from no_such_table")
        await super().apply(connection, batch)


async def test_a_runner_that_fails_is_started_again(database_url: str) -> None:
    """A stall is on record while it lasts, sets nothing aside, and ends when its cause does."""
    world = World(97)
    projector = Broken()
    async with ledger(database_url) as store:
        head = await write(store, world.lives(3))
        supervisor = Supervisor(store.pool, store.tail, [projector])
        await supervisor.start()

        async def stalled() -> bool:
            (found,) = await status(store.pool, head)
            return found.state == "stalled" and "no_such_table" in (found.error or "")

        await eventually(stalled)
        projector.broken = False
        await Waits(store.pool, supervisor.advances).wait_for("executions", head, 10.0)
        (found,) = await status(store.pool, head)
        assert (found.state, found.error, found.quarantined) == ("running", None, 0)
        await supervisor.stop()


class Breaking(ExecutionsProjector):
    """Loses its connection in the very moment in which it is told to stop."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.began = asyncio.Event()

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """Wait to be stopped."""
        pid = await connection.fetchval("select pg_backend_pid()")
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            other = await asyncpg.connect(self._dsn)
            await other.execute("select pg_terminate_backend($1, 5000)", pid)
            await other.close()


async def test_a_stop_that_meets_a_breaking_connection_stops(database_url: str) -> None:
    """A runner whose cancellation is lost in the driver's clean-up ends all the same."""
    world = World(103)
    projector = Breaking(database_url)
    async with ledger(database_url) as store:
        supervisor = Supervisor(store.pool, store.tail, [projector])
        await supervisor.start()
        await write(store, world.lives(1))
        await asyncio.wait_for(projector.began.wait(), 10)
        await asyncio.wait_for(supervisor.stop(), 30)
        assert supervisor.owned() == []


async def test_lost_connections_are_survived(database_url: str) -> None:
    """When the database cuts every connection, the projections go on."""
    world = World(101)
    async with ledger(database_url) as store, supervised(store) as supervisor:
        await eventually(lambda: len(supervisor.owned()) == len(NAMES))
        connection = await asyncpg.connect(database_url)
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        await connection.close()
        head = await write(store, world.lives(3))
        waits = Waits(store.pool, supervisor.advances)
        for name in NAMES:
            await waits.wait_for(name, head, 20.0)
        await waits.close()
