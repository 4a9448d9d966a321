"""Advancing a projection: once only, past poison, and back after a fix."""

import asyncio
from collections.abc import Sequence
from uuid import NAMESPACE_OID, uuid5

import asyncpg
import pytest

from ledger.errors import NotFound
from ledger.events import executions as x
from ledger.ids import execution_stream
from ledger.store.port import AnyRecorded
from ledger.store.postgres import PostgresStore
from projections import checkpoint as checkpoints
from projections.checkpoint import Superseded
from projections.executions import query as executions
from projections.executions.projector import ExecutionsProjector
from projections.port import Connection
from projections.quarantine import quarantined, replay_quarantined
from projections.registry import PROJECTORS
from projections.runner import MAX_ATTEMPTS, Runner
from projections.status import status
from projections.verify import verify
from tests.unit.projections.ground import catch_up, ledger, runner, write
from tests.unit.projections.lives import World


class Faulty(ExecutionsProjector):
    """Fails as it is told."""

    def __init__(self) -> None:
        self.poisoned: set[str] = set()
        self.failure: Exception = KeyError("a bug")
        self.calls = 0

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """Fail after the rows were written, if a poisoned stream is in the batch."""
        self.calls += 1
        await super().apply(connection, batch)
        if any(event.stream in self.poisoned for event in batch):
            raise self.failure


async def _rows(store: PostgresStore) -> int:
    count: int = await store.pool.fetchval("select count(*) from view_executions.executions")
    return count


async def test_two_owners_are_harmless(database_url: str) -> None:
    """An owner that lost its lease without noticing writes nothing any more."""
    world = World(41)
    projector = ExecutionsProjector()
    async with ledger(database_url) as store:
        await write(store, world.lives(10))
        old = await runner(store, projector, owner="old", batch_events=10)
        await old.step()
        await store.pool.execute("update projections.projection set until = now()")
        new = await runner(store, projector, owner="new", batch_events=7)
        assert new.position == old.position
        with pytest.raises(Superseded):
            await old.step()
        await catch_up(new, store.tail.head)
        assert (await verify(store.pool, store.tail, projector)).is_sound


async def test_two_runners_of_one_epoch_apply_each_event_once(database_url: str) -> None:
    """Even with the same owner and epoch, the compare-and-set lets one transaction through."""
    world = World(43)
    async with ledger(database_url) as store:
        head = await write(store, world.lives(30))
        projector = next(p for p in PROJECTORS if p.name == "jobs")
        one = await runner(store, projector, batch_events=9)
        two = Runner(
            projector, one.checkpoint, pool=store.pool, tail=store.tail, lease_s=60, batch_events=5
        )
        while one.position < head or two.position < head:
            await asyncio.gather(one.step(), two.step())
        assert (await verify(store.pool, store.tail, projector)).is_sound


async def test_a_runner_that_fell_behind_moves_nothing_back(database_url: str) -> None:
    """A runner with an old position applies nothing and takes up the row's position."""
    world = World(44)
    async with ledger(database_url) as store:
        await write(store, world.lives(10))
        projector = Faulty()
        one = await runner(store, projector, batch_events=5)
        two = Runner(projector, one.checkpoint, pool=store.pool, tail=store.tail, lease_s=60)
        await two.load()
        await one.step()
        await one.step()
        calls = projector.calls
        await two.step()
        assert projector.calls == calls
        found = await checkpoints.read_one(store.pool, "executions")
        assert found.position == one.position == two.position == 10


async def test_a_failing_execution_is_set_aside_alone(database_url: str) -> None:
    """Others go on; the set-aside one is on record, and comes back whole by a replay."""
    world = World(47)
    projector = Faulty()
    bad = world.created()
    stream = execution_stream(bad.uuid)
    projector.poisoned.add(stream)
    async with ledger(database_url) as store:
        first = world.append(stream, bad)
        await write(store, [*world.lives(5), first])
        at = store.tail.head
        await write(store, [*world.lives(5), world.append(stream, world.began())])
        run = await runner(store, projector)
        await catch_up(run, store.tail.head)
        assert await _rows(store) == 10
        (aside,) = await quarantined(store.pool, name="executions")
        assert (aside.stream, aside.from_position, aside.parked) == (stream, at, True)
        assert aside.attempts == MAX_ATTEMPTS
        assert "a bug" in aside.error
        (told,) = await status(store.pool, store.tail.head)
        assert (told.quarantined, told.lag, told.state) == (1, 0, "running")
        report = await verify(store.pool, store.tail, projector)
        assert report.unreadable == report.quarantined == (stream,)

        again = await replay_quarantined(store.pool, store.read_stream, projector, stream)
        assert (again.events, again.error) == (0, "KeyError: 'a bug'")
        assert await _rows(store) == 10

        projector.poisoned.clear()
        # The owner has not looked since; it must notice that the stream is back.
        replayed = await replay_quarantined(store.pool, store.read_stream, projector, stream)
        assert (replayed.events, replayed.error) == (2, None)
        await write(store, [world.append(stream, x.ExecutionCanceled())])
        await catch_up(run, store.tail.head)
        found = await executions.by_uuid(store.pool, bad.uuid, organizations=None)
        assert found.state is not None
        assert (found.state.status, found.state.version) == ("aborted", 3)
        assert await quarantined(store.pool) == []
        assert (await verify(store.pool, store.tail, projector)).is_sound
        with pytest.raises(NotFound):
            await replay_quarantined(store.pool, store.read_stream, projector, stream)


async def test_a_set_aside_stream_stays_so_for_the_next_owner(database_url: str) -> None:
    """What is set aside is remembered by the database, not by the process."""
    world = World(53)
    projector = Faulty()
    bad = world.created()
    stream = execution_stream(bad.uuid)
    projector.poisoned.add(stream)
    async with ledger(database_url) as store:
        await write(store, [world.append(stream, bad)])
        await catch_up(await runner(store, projector), store.tail.head)
        await checkpoints.release(store.pool, "me")
        await write(store, [world.append(stream, world.began()), *world.lives(3)])
        projector.calls = 0
        await catch_up(await runner(store, projector, owner="next"), store.tail.head)
        assert await _rows(store) == 3
        assert projector.calls == 1


@pytest.mark.parametrize(
    "failure",
    [
        asyncpg.SerializationError("again"),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.UndefinedColumnError("no such column"),
        OSError("away"),
    ],
)
async def test_the_worlds_faults_set_nothing_aside(database_url: str, failure: Exception) -> None:
    """The step fails as a whole, changes nothing, and succeeds when it is made again."""
    world = World(59)
    projector = Faulty()
    projector.failure = failure
    async with ledger(database_url) as store:
        appends = world.lives(4)
        projector.poisoned = {append.writes[0].stream for append in appends}
        head = await write(store, appends)
        run = await runner(store, projector)
        with pytest.raises(type(failure)):
            await run.step()
        assert await quarantined(store.pool) == []
        assert (await checkpoints.read_one(store.pool, "executions")).position == 0
        assert await _rows(store) == 0
        projector.poisoned.clear()
        await catch_up(run, head)
        assert await _rows(store) == 4


class Deadly(Faulty):
    """Ends the task that applies a poisoned stream, as kill -9 would end the process."""

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """Leave without being caught as an error of the event."""
        if any(event.stream in self.poisoned for event in batch):
            raise asyncio.CancelledError
        await super().apply(connection, batch)


async def test_an_event_that_kills_its_owner_is_set_aside(database_url: str) -> None:
    """Tries are counted before they are made, so owners do not die of one event for ever."""
    world = World(61)
    projector = Deadly()
    bad = world.created()
    projector.poisoned.add(execution_stream(bad.uuid))
    async with ledger(database_url) as store:
        await write(
            store,
            [*world.lives(2), world.append(execution_stream(bad.uuid), bad), *world.lives(3)],
        )
        deaths = 0
        for owner in range(10):
            run = await runner(store, projector, owner=f"owner {owner}")
            try:
                await catch_up(run, store.tail.head)
            except asyncio.CancelledError:
                deaths += 1
                await store.pool.execute("update projections.projection set until = now()")
            else:
                break
        assert 3 <= deaths <= 6
        assert await _rows(store) == 5
        (aside,) = await quarantined(store.pool)
        assert aside.parked
        assert "process ended" in aside.error


async def test_a_view_survives_texts_that_columns_cannot_hold(database_url: str) -> None:
    """U+0000, quotes and huge integers of callers set no execution aside."""
    world = World(67)
    created = world.created(
        tags=('{"\\', "\x00"),
        labels={"\x00": '"\x00'},
        user="\x00",
        uuid=uuid5(NAMESPACE_OID, "odd"),
    )
    stream = execution_stream(created.uuid)
    async with ledger(database_url) as store:
        await write(
            store,
            [
                world.append(
                    stream,
                    created,
                    world.began(),
                    x.OutputSet(output={"n": 2**100, "t": "\x00"}),
                    x.ExecutionProgressed(progress=x.Progress(total_items=2**70)),
                    x.ExecutionFinished(outcome="ok", exit_code="\x00"),
                )
            ],
        )
        for projector in PROJECTORS:
            await catch_up(await runner(store, projector), store.tail.head)
        assert await quarantined(store.pool) == []
        found = await executions.by_uuid(store.pool, created.uuid, organizations=None)
        assert found.state is not None
        assert found.state.tags == created.tags
        assert found.state.output == {"n": 2**100, "t": "\x00"}
        listed = await executions.page(
            store.pool,
            organizations=None,
            wanted=executions.Filter(tags=["\x00"], labels={"\x00": '"\x00'}),
        )
        assert listed.items == (found.state,)


async def test_verify_finds_a_row_that_was_changed(database_url: str) -> None:
    """Changed, missing and invented rows are named by their keys."""
    world = World(71)
    projector = ExecutionsProjector()
    async with ledger(database_url) as store:
        await write(store, world.lives(20))
        await catch_up(await runner(store, projector), store.tail.head)
        assert (await verify(store.pool, store.tail, projector)).is_sound
        uuids = [
            str(row["uuid"])
            for row in await store.pool.fetch(
                "select uuid from view_executions.executions order by uuid limit 2"
            )
        ]
        await store.pool.execute(
            "update view_executions.executions set status = 'paused' where uuid = $1", uuids[0]
        )
        await store.pool.execute("delete from view_executions.executions where uuid = $1", uuids[1])
        report = await verify(store.pool, store.tail, projector)
        assert report.position == store.tail.head
        assert sorted((d.key["uuid"], d.kind) for d in report.differences) == [
            (uuids[0], "different"),
            (uuids[1], "missing"),
        ]
        left = await store.pool.fetchval("select to_regnamespace('view_executions_verify')")
        assert left is None
