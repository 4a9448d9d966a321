"""A log that somebody changed by hand: what is damaged is set aside, and everything else goes on."""

import asyncio

import asyncpg
import pytest

from ledger.errors import Corrupt
from ledger.events import executions as x
from ledger.events.envelope import Erased, Unreadable
from ledger.ids import execution_stream
from ledger.store.postgres import PostgresStore
from projections import checkpoint as checkpoints
from projections.executions import query as executions
from projections.interests import ENVELOPES_ONLY
from projections.port import Projector
from projections.quarantine import quarantined, replay_quarantined
from projections.registry import PROJECTORS, projector
from projections.supervisor import Supervisor
from projections.tree.streams import TreeStalled
from projections.verify import verify
from tests.contract.log import one
from tests.unit.projections.ground import catch_up, ledger, runner
from tests.unit.projections.ground import write as put
from tests.unit.projections.lives import World
from tests.waiting import eventually

UNAFFECTED = {"keys", *ENVELOPES_ONLY}
EACH = pytest.mark.parametrize("each", PROJECTORS, ids=lambda projector: projector.name)


async def tamper(database_url: str, statement: str, *parameters: object) -> None:
    """Change rows behind the ledger's back, as somebody with the database's password can."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(statement, *parameters)
    finally:
        await connection.close()


@EACH
@pytest.mark.parametrize(
    "damage",
    [
        "data = '{' where",
        "data = '\"\"' where",
        "type = 'execution.imagined' where",
        "schema_version = 7 where",
        "stream = 'execution/nobody' where",
        "version = version + 3 where",
    ],
)
async def test_the_others_go_on(database_url: str, each: Projector, damage: str) -> None:
    """A damaged event sets its own stream aside, in the views that follow it, and no other."""
    world = World(5)
    async with ledger(database_url) as store:
        bad = world.created()
        stream = execution_stream(bad.uuid)
        await put(store, [*world.lives(8), world.append(stream, bad)])
        await put(store, [world.append(stream, world.began()), *world.lives(8), world.job("last")])
        await put(store, [world.append(stream, x.ExecutionCanceled())])
    await tamper(
        database_url,
        f"update ledger.events set {damage} position = $1",
        1 + (await _position(database_url, stream)),
    )
    async with ledger(database_url) as store:
        run = await runner(store, each)
        if each.name == "tree" and damage.startswith(("stream", "version")):
            # Streams are leaves of its second tree: out of order they cannot be put into one.
            with pytest.raises(TreeStalled, match="of its stream"):
                await catch_up(run, store.tail.head)
            return
        await catch_up(run, store.tail.head)
        aside = {found.stream for found in await quarantined(store.pool, name=each.name)}
        assert aside <= {stream, "execution/nobody"}
        if each.name in UNAFFECTED:
            assert aside == set()
        if each.name == "executions":
            assert aside
            count = await store.pool.fetchval("select count(*) from view_executions.executions")
            assert count == 17
        report = await verify(store.pool, store.tail, each)
        assert report.differences == ()
        assert set(report.quarantined) == set(report.unreadable) == aside


async def _position(database_url: str, stream: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        position: int = await connection.fetchval(
            "select position from ledger.events where stream = $1 and type = 'execution.created'",
            stream,
        )
    finally:
        await connection.close()
    return position


async def test_whoever_needs_the_event_itself_is_told(database_url: str) -> None:
    """The damaged event is read as such; commands to its stream fail, the log can be read on."""
    world = World(6)
    async with ledger(database_url) as store:
        bad = world.created()
        await put(store, [world.append(execution_stream(bad.uuid), bad), *world.lives(2)])
    await tamper(database_url, "update ledger.events set data = '[]' where position = 1")
    async with ledger(database_url) as store:
        first, *others = await store.read_log(after=0, limit=100)
        assert isinstance(first.event, Unreadable)
        assert "position 1" in str(first.event.error)
        assert not any(isinstance(other.event, Unreadable) for other in others)


@pytest.mark.parametrize("where", ["position between 5 and 9", "position between 3 and 120"])
async def test_a_hole_is_passed(database_url: str, where: str) -> None:
    """Deleted rows, also more than a page of them, keep nobody from what comes behind."""
    async with ledger(database_url) as store:
        await store.append(one("a", count=130))
        kept = store.tail
    await tamper(database_url, f"delete from ledger.events where {where}")
    store = await PostgresStore.open(database_url)
    try:
        low, high = (int(word) for word in where.split() if word.isdigit())
        expected = [p for p in range(1, 131) if not low <= p <= high]
        seen: list[int] = []
        while not seen or seen[-1] < store.tail.head:
            page = await store.tail.read(seen[-1] if seen else 0, 20)
            seen.extend(record.position for record in page)
        assert seen == expected
        # The second time some of it comes from memory, which must not skip anything either.
        for after in range(130):
            (record,) = await store.tail.read(after, 1)
            assert record.position == next(p for p in expected if p > after)
    finally:
        await store.close()
    assert kept.head == 130


async def test_a_log_whose_end_was_cut(database_url: str) -> None:
    """The views say that they stand still and why, nobody spins, and what is appended is followed."""
    world = World(8)
    async with ledger(database_url) as store:
        head = await put(store, world.lives(5))
    await tamper(database_url, "delete from ledger.events where position > $1", head - 3)
    async with ledger(database_url) as store:
        supervisor = Supervisor(store.pool, store.tail, [_named("executions")], lease_s=1)
        await supervisor.start()

        async def stalled() -> bool:
            found = await checkpoints.read_one(store.pool, "executions")
            return found.state == "stalled" and "has no events after" in (found.error or "")

        await eventually(stalled)
        await put(store, World(9).lives(3))

        async def goes_on() -> bool:
            found = await checkpoints.read_one(store.pool, "executions")
            return (found.position, found.state) == (store.tail.head, "running")

        await eventually(goes_on, deadline_s=20)
        await supervisor.stop()


def _named(name: str) -> Projector:
    found = projector(name)
    assert found is not None
    return found


async def test_a_fresh_fold_says_that_the_log_was_cut(database_url: str) -> None:
    """A view that is further than the log reaches now cannot be verified, which is said."""
    world = World(10)
    async with ledger(database_url) as store:
        head = await put(store, world.lives(5))
        await catch_up(await runner(store, _named("executions")), head)
    await tamper(database_url, "delete from ledger.events where position > $1", head - 3)
    async with ledger(database_url) as store:
        with pytest.raises(Corrupt, match="has no events after"):
            async with asyncio.timeout(20):
                await verify(store.pool, store.tail, _named("executions"))


@EACH
async def test_an_erasure_frees_what_was_set_aside(database_url: str, each: Projector) -> None:
    """A view forgets what it holds of a stream that it had set aside, and follows it again."""
    world = World(12)
    async with ledger(database_url) as store:
        bad = world.created(user="Xy7Qmarkz")
        stream = execution_stream(bad.uuid)
        await put(store, [*world.lives(3), world.append(stream, bad)])
        at = store.tail.head
        began = world.append(stream, world.began())
        ended = world.append(stream, x.ExecutionFinished(outcome="ok", exit_code="OK"))
        await put(store, [began, ended, *world.lives(3)])
    await tamper(database_url, "update ledger.events set data = '[]' where position = $1", at + 1)
    async with ledger(database_url) as store:
        run = await runner(store, each)
        await catch_up(run, store.tail.head)
        aside = [found.stream for found in await quarantined(store.pool, name=each.name)]
        follows = each.name not in UNAFFECTED and "execution.started" in (each.interests or ())
        assert aside == ([stream] if follows else [])
        await put(store, [world.append(stream, x.ExecutionErased(outcome="ok")), *world.lives(2)])
        assert all(
            isinstance(record.event, Erased) for record in (await store.read_stream(stream))[:-1]
        )
        await catch_up(run, store.tail.head)
        assert await quarantined(store.pool, name=each.name) == []
        assert (await verify(store.pool, store.tail, each)).is_sound
        if each.name == "executions":
            found = await executions.by_uuid(store.pool, bad.uuid, organizations=None)
            assert found.state is not None
            assert (found.state.erased, found.state.status) == (True, "finished")


async def test_a_repaired_stream_comes_back(database_url: str) -> None:
    """Once its bytes are what they were, a replay takes in what the view had missed."""
    world = World(14)
    async with ledger(database_url) as store:
        bad = world.created()
        stream = execution_stream(bad.uuid)
        await put(store, [world.append(stream, bad), world.append(stream, world.began())])
        data = await store.pool.fetchval("select data from ledger.events where position = 2")
        change = "update ledger.events set data = $1 where position = 2"
        await tamper(database_url, change, b"[]")
    async with ledger(database_url) as store:
        projection = _named("executions")
        run = await runner(store, projection)
        await catch_up(run, store.tail.head)
        refused = await replay_quarantined(store.pool, store.read_stream, projection, stream)
        assert "UndecodableEvent" in (refused.error or "")
        await tamper(database_url, change, data)
        replayed = await replay_quarantined(store.pool, store.read_stream, projection, stream)
        assert (replayed.events, replayed.error) == (1, None)
        assert (await verify(store.pool, store.tail, projection)).is_sound


async def test_what_an_older_release_did_not_know_comes_back(database_url: str) -> None:
    """A type that was unknown sets a stream aside until an owner comes that knows it."""
    world = World(15)
    async with ledger(database_url) as store:
        bad = world.created()
        stream = execution_stream(bad.uuid)
        await put(store, [*world.lives(2), world.append(stream, bad, world.began())])
        head = store.tail.head
    change = "update ledger.events set type = $1 where position = $2"
    await tamper(database_url, change, "execution.imagined", head)
    async with ledger(database_url) as store:
        projection = _named("executions")
        await catch_up(await runner(store, projection), head)
        (aside,) = await quarantined(store.pool, name="executions")
        assert aside.error.startswith("UnknownEventType")
    # As if the code knew the type now.
    await tamper(database_url, change, "execution.started", head)
    async with ledger(database_url) as store:
        run = await runner(store, projection)
        running = asyncio.create_task(run.run())
        await eventually(lambda: _none_aside(store))
        await put(store, [world.append(stream, x.ExecutionCanceled())])
        await eventually(lambda: run.position == store.tail.head)
        running.cancel()
        found = await executions.by_uuid(store.pool, bad.uuid, organizations=None)
        assert found.state is not None
        assert (found.state.status, found.state.version) == ("aborted", 3)


async def _none_aside(store: PostgresStore) -> bool:
    return await quarantined(store.pool, name="executions") == []
