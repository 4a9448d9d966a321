"""A generation is built beside the live one and takes its place under readers and writers."""

import asyncio

import pytest

from ledger.errors import ProjectionRebuilding
from projections import checkpoint as checkpoints
from projections.executions import query as executions
from projections.executions.projector import ExecutionsProjector
from projections.history import query as history
from projections.port import Projector
from projections.rebuild import Rebuild, request_rebuild
from projections.registry import PROJECTORS
from projections.supervisor import Supervisor
from projections.verify import verify
from projections.wait import Waits
from tests.unit.projections.ground import catch_up, ledger, runner, write
from tests.unit.projections.lives import World
from tests.waiting import eventually


class Newer(ExecutionsProjector):
    """The next release's projector, with another shape."""

    version = ExecutionsProjector.version + 1  # type: ignore[misc]
    schema_sql = ExecutionsProjector.schema_sql + "; alter table executions add extra integer;"  # type: ignore[misc]


async def test_a_rebuild_is_swapped_in_under_readers_and_writers(database_url: str) -> None:
    """Pooled readers see the view grow and never miss a row, while schemas change places."""
    world = World(103)
    async with ledger(database_url) as store:
        await write(store, world.lives(60))
        supervisor = Supervisor(store.pool, store.tail, PROJECTORS, lease_s=1.0)
        await supervisor.start()
        waits = Waits(store.pool, supervisor.advances)
        await waits.wait_for("executions", store.tail.head, 10.0)
        first = await checkpoints.read_one(store.pool, "executions")
        done = asyncio.Event()
        reads = 0

        async def keep_reading() -> None:
            nonlocal reads
            position = count = 0
            while not done.is_set():
                page = await executions.page(
                    store.pool,
                    organizations=None,
                    wanted=executions.Filter(include_deleted=True),
                    limit=10_000,
                )
                assert page.position >= position
                assert len(page.items) >= count
                # The newest row is never from beyond the position that is told.
                assert all(state.position <= page.position for state in page.items)
                position, count = page.position, len(page.items)
                one = await executions.by_uuid(
                    store.pool, page.items[0].uuid, organizations=None, include_deleted=True
                )
                assert one.state is not None
                reads += 1

        async def keep_writing() -> None:
            while not done.is_set():
                await write(store, world.lives(2))

        async def swapped(name: str, epoch: int) -> bool:
            found = await checkpoints.read_all(store.pool)
            live = next(c for c in found if (c.name, c.generation) == (name, "live"))
            return live.epoch > epoch and not any(c.generation == "rebuild" for c in found)

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(keep_reading())
            group.create_task(keep_writing())
            for round_number in range(3):
                epoch = (await checkpoints.read_one(store.pool, "executions")).epoch
                assert await request_rebuild(store.pool, PROJECTORS[0])
                await eventually(lambda e=epoch: swapped("executions", e), deadline_s=30)  # type: ignore[misc]
                assert round_number < 3
            done.set()
        assert reads > 3
        await waits.wait_for("executions", store.tail.head, 10.0)
        assert (await checkpoints.read_one(store.pool, "executions")).epoch > first.epoch
        assert (await verify(store.pool, store.tail, PROJECTORS[0])).is_sound
        await supervisor.stop()
        await waits.close()


async def test_an_old_owner_cannot_write_after_the_swap(database_url: str) -> None:
    """The swap fences whoever advanced the old generation, and applies what only it had reached."""
    world = World(107)
    projector = ExecutionsProjector()
    async with ledger(database_url) as store:
        await write(store, world.lives(20))
        old = await runner(store, projector)
        await catch_up(old, store.tail.head)
        assert await request_rebuild(store.pool, projector)
        assert not await request_rebuild(store.pool, projector)
        building = await runner(store, projector, generation="rebuild")
        rebuild = Rebuild(
            projector, building.checkpoint, pool=store.pool, tail=store.tail, lease_s=60.0
        )
        await rebuild.run()
        await write(store, world.lives(3))
        with pytest.raises(checkpoints.Superseded):
            await old.step()
        new = await runner(store, projector)
        assert new.position >= old.position
        await catch_up(new, store.tail.head)
        assert (await verify(store.pool, store.tail, projector)).is_sound


async def test_a_long_reader_holds_up_the_swap_only(database_url: str) -> None:
    """While a reader keeps its transaction open, the live generation goes on; then it is swapped."""
    world = World(108)
    projector = ExecutionsProjector()
    async with ledger(database_url) as store:
        await write(store, world.lives(5))
        live = await runner(store, projector)
        await catch_up(live, store.tail.head)
        await request_rebuild(store.pool, projector)
        building = await runner(store, projector, generation="rebuild")
        rebuild = Rebuild(
            projector, building.checkpoint, pool=store.pool, tail=store.tail, lease_s=60.0
        )
        async with store.pool.acquire() as reader:
            transaction = reader.transaction()
            await transaction.start()
            await reader.fetch("select from view_executions.executions")
            swapping = asyncio.create_task(rebuild.run())

            async def swap_waits() -> bool:
                waiting: bool = await store.pool.fetchval(
                    "select exists (select from pg_locks"
                    " where not granted and mode = 'AccessExclusiveLock')"
                )
                return waiting

            await eventually(swap_waits)
            await write(store, world.lives(2))
            await catch_up(live, store.tail.head)
            assert not swapping.done()
            await transaction.rollback()
        await swapping
        with pytest.raises(checkpoints.Superseded):
            await live.load()
        new = await runner(store, projector)
        await catch_up(new, store.tail.head)
        assert (await verify(store.pool, store.tail, projector)).is_sound


async def _run_until_version(store_url: str, projector: Projector, version: int) -> tuple[int, int]:
    async with ledger(store_url) as store:
        supervisor = Supervisor(store.pool, store.tail, [projector], lease_s=1.0)
        await supervisor.start()

        async def reached() -> bool:
            found = await checkpoints.read_one(store.pool, projector.name)
            return found.version == version and found.position >= store.tail.head

        await eventually(reached, deadline_s=20)
        await supervisor.stop()
        found = await checkpoints.read_one(store.pool, projector.name)
        return found.version, found.position


async def test_a_newer_projector_rebuilds_by_itself(database_url: str) -> None:
    """A start with a higher version ends with its tables; a lower one leaves them alone."""
    world = World(109)
    async with ledger(database_url) as store:
        head = await write(store, world.lives(20))
    now = ExecutionsProjector.version
    assert await _run_until_version(database_url, ExecutionsProjector(), now) == (now, head)
    assert await _run_until_version(database_url, Newer(), now + 1) == (now + 1, head)
    async with ledger(database_url) as store:
        assert await store.pool.fetchval("select count(extra) from view_executions.executions") == 0
        older = Supervisor(store.pool, store.tail, [ExecutionsProjector()], lease_s=1.0)
        await older.start()
        assert await checkpoints.acquire(store.pool, older.owner, 1.0, {"executions": now})
        assert older.owned() == []
        await older.stop()
        assert [c.generation for c in await checkpoints.read_all(store.pool)] == ["live"]


async def test_a_view_of_another_shape_is_lagging_not_broken(database_url: str) -> None:
    """A reader whose SQL does not fit the live tables is told to come again."""
    async with ledger(database_url) as store:
        projector = next(p for p in PROJECTORS if p.name == "executions")
        await checkpoints.create(store.pool, projector, "live")
        await store.pool.execute("alter table view_executions.executions drop column duration_ms")
        await store.pool.execute("update projections.projection set version = 0")
        with pytest.raises(ProjectionRebuilding, match="executions is being rebuilt"):
            await history.page(store.pool, organizations=None)


async def test_an_interrupted_rebuild_goes_on(database_url: str) -> None:
    """The next owner continues from the rebuild's own checkpoint."""
    world = World(113)
    projector = ExecutionsProjector()
    async with ledger(database_url) as store:
        await write(store, world.lives(20))
        await checkpoints.create(store.pool, projector, "live")
        await request_rebuild(store.pool, projector)
        half = await runner(store, projector, generation="rebuild", batch_events=10)
        await half.step()
        assert half.position == 10
        await checkpoints.release(store.pool, "me")
        rest = await runner(store, projector, generation="rebuild", owner="next")
        assert rest.position == 10
        await Rebuild(
            projector, rest.checkpoint, pool=store.pool, tail=store.tail, lease_s=60.0
        ).run()
        assert (await verify(store.pool, store.tail, projector)).is_sound
