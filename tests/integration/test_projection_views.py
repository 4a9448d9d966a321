"""What the read models keep and answer."""

import operator
from collections.abc import Callable
from datetime import datetime, timedelta

import asyncpg
import pytest
from msgspec.structs import replace

from ledger.events import executions as x
from ledger.events import jobs as j
from ledger.events import keys as k
from ledger.events.definition import Definition, Policies
from ledger.executions.state import ExecutionState, evolve
from ledger.ids import execution_stream, job_stream, oid_of
from ledger.store.port import Append
from ledger.store.postgres import PostgresStore
from projections import outlook
from projections.active import query as active
from projections.documents import criteria as c
from projections.documents import query as documents
from projections.executions import query as executions
from projections.history import query as history
from projections.jobs import query as jobs
from projections.keys import query as keys
from projections.port import Projector
from projections.registry import PROJECTORS
from tests.unit.projections.ground import (
    catch_up,
    differences,
    fold_into,
    ledger,
    runner,
    write,
)
from tests.unit.projections.lives import START, World, recorded

MOMENT = timedelta(microseconds=137)
COMPARED: dict[c.Order, Callable[[str, str], bool]] = {
    "greater": operator.gt,
    "greater_or_equal": operator.ge,
    "less": operator.lt,
    "less_or_equal": operator.le,
}
EACH = pytest.mark.parametrize("projector", PROJECTORS, ids=lambda projector: projector.name)


async def _follow(store: PostgresStore) -> None:
    for projector in PROJECTORS:
        await catch_up(await runner(store, projector), store.tail.head)


@EACH
async def test_batches_do_not_matter_and_twice_is_once(
    database_url: str, projector: Projector
) -> None:
    """A log folded whole, in random batches, or with every batch repeated, gives the same rows."""
    world = World(7)
    appends = [world.job("import"), world.job("export", organization="umbrella")]
    appends += world.lives(120, organizations=("acme", "umbrella"))
    stream, created = world.key("ops")
    appends += [created, world.append(stream, k.KeyRevoked())]
    log = recorded(appends)
    connection = await asyncpg.connect(database_url)
    async with ledger(database_url):
        await fold_into(connection, "whole", projector, log)
        await fold_into(connection, "cut", projector, log, seed=1)
        await fold_into(connection, "twice", projector, log, seed=2, twice=True)
        assert await differences(connection, "whole", "cut") == []
        assert await differences(connection, "whole", "twice") == []
    await connection.close()


@EACH
async def test_a_view_forgets_what_an_erasure_took(database_url: str, projector: Projector) -> None:
    """A view that saw the content and one rebuilt after the erasure are the same."""
    world = World(11)
    appends = world.lives(60)
    streams = sorted({append.writes[0].stream for append in appends})
    erased = set(streams[::3])
    appends += [world.append(s, x.ExecutionErased(reason="asked")) for s in streams[::3]]
    log = recorded(appends)
    emptied = [
        replace(fact, event=None)
        if fact.stream in erased and fact.type != "execution.erased"
        else fact
        for fact in log
    ]
    connection = await asyncpg.connect(database_url)
    async with ledger(database_url):
        await fold_into(connection, "live", projector, log, seed=3)
        await fold_into(connection, "rebuilt", projector, emptied)
        assert await differences(connection, "live", "rebuilt") == []
    await connection.close()


async def test_an_execution_is_what_its_events_say(database_url: str) -> None:
    """Every state read back equals a fold of the stream; all three ids find it."""
    world = World(13)
    async with ledger(database_url) as store:
        head = await write(store, world.lives(40, organizations=("acme", "umbrella")))
        await _follow(store)
        listed = await executions.page(
            store.pool,
            organizations=None,
            wanted=executions.Filter(include_deleted=True),
            limit=100,
            with_total=True,
        )
        assert (listed.position, listed.total, len(listed.items)) == (head, 40, 40)
        assert listed.next_before is None
        for state in listed.items:
            fold: ExecutionState | None = None
            for fact in await store.read_stream(execution_stream(state.uuid)):
                fold = evolve(fold, fact)
            assert state == fold
            own = [state.organization]
            for found in (
                await executions.by_uuid(
                    store.pool, state.uuid, organizations=own, include_deleted=True
                ),
                await executions.by_number(
                    store.pool, state.number, organizations=None, include_deleted=True
                ),
                await executions.by_oid(
                    store.pool, oid_of(state.uuid), organizations=own, include_deleted=True
                ),
            ):
                assert found.state == state
                assert found.position == head
            hidden = await executions.by_uuid(store.pool, state.uuid, organizations=own)
            assert (hidden.state is None) == state.deleted
            foreign = await executions.by_uuid(
                store.pool, state.uuid, organizations=["other"], include_deleted=True
            )
            assert foreign.state is None
            assert foreign.position == head


async def test_lists_filter_and_page(database_url: str) -> None:
    """Each filter gives what a filter over all states gives, page by page."""
    world = World(17)
    async with ledger(database_url) as store:
        await write(store, world.lives(80, organizations=("acme", "umbrella", "zeta")))
        await _follow(store)
        everything = await executions.page(
            store.pool,
            organizations=None,
            wanted=executions.Filter(include_deleted=True),
            limit=200,
        )
        middle = START + timedelta(seconds=400)
        for wanted, organizations, holds in (
            (executions.Filter(), None, lambda _: True),
            (executions.Filter(), ["acme"], lambda s: s.organization == "acme"),
            (executions.Filter(), ["acme", "zeta"], lambda s: s.organization != "umbrella"),
            (executions.Filter(), [], lambda _: False),
            (executions.Filter(job_id="import"), None, lambda s: s.job_id == "import"),
            (
                executions.Filter(job_id="export", statuses=["finished"], outcomes=["error"]),
                ["acme"],
                lambda s: (s.job_id, s.organization, s.outcome) == ("export", "acme", "error"),
            ),
            (
                executions.Filter(statuses=["running", "pending"]),
                None,
                lambda s: s.status in {"running", "pending"},
            ),
            (executions.Filter(tags=['c"\\,{}']), None, lambda s: 'c"\\,{}' in s.tags),
            (executions.Filter(labels={"k": "x"}), None, lambda s: s.labels.get("k") == "x"),
            (executions.Filter(user="nobody"), None, lambda _: False),
            (executions.Filter(trigger="rest"), None, lambda _: True),
            (executions.Filter(created_from=middle), None, lambda s: s.created_at >= middle),
            (
                executions.Filter(started_before=middle),
                ["acme", "umbrella"],
                lambda s: s.organization != "zeta" and s.started_at and s.started_at < middle,
            ),
            (
                executions.Filter(ended_from=middle),
                None,
                lambda s: s.ended_at and s.ended_at >= middle,
            ),
        ):
            expected = [s for s in everything.items if holds(s) and not s.deleted]
            got: list[ExecutionState] = []
            before: int | None = None
            while True:
                page = await executions.page(
                    store.pool,
                    organizations=organizations,
                    wanted=wanted,
                    before=before,
                    limit=7,
                    with_total=True,
                )
                got += page.items
                before = page.next_before
                assert page.total == len(expected), wanted
                if before is None:
                    break
            assert got == expected, wanted


async def test_a_find_compares_and_orders_by_what_is_shown(database_url: str) -> None:
    """Instants are shown in milliseconds: within one of them ids decide, whoever came first."""
    world = World(19)
    appends: list[Append] = []
    for number in range(24):
        created = world.created()
        organization = ("acme", "umbrella")[number % 2]
        append = world.append(execution_stream(created.uuid), created, organization=organization)
        fact = replace(append.writes[0].facts[0], occurred_at=START + number * MOMENT)
        appends.append(replace(append, writes=(replace(append.writes[0], facts=(fact,)),)))

    def shown(instant: datetime) -> str:
        return instant.replace(tzinfo=None).isoformat(timespec="milliseconds")

    async with ledger(database_url) as store:
        await write(store, appends)
        await _follow(store)

        async def found(wanted: c.Criterion) -> list[ExecutionState]:
            organizations = ["acme", "umbrella"]
            page = await documents.find(store.pool, wanted, organizations=organizations, limit=100)
            assert page.total == len(page.items)
            return list(page.items)

        everything = await found(c.Every())
        newest = sorted(everything, key=lambda state: (shown(state.created_at), oid_of(state.uuid)))
        assert [*reversed(newest)] == everything
        assert len({shown(state.created_at) for state in everything}) < len(everything) == 24
        for bound in (START, START + 3 * MOMENT, START + timedelta(milliseconds=2)):
            told = bound.replace(tzinfo=None).isoformat(timespec="microseconds")
            for order, holds in COMPARED.items():
                assert await found(c.InstantOrder("created_at", order, bound)) == [
                    state for state in everything if holds(f"{shown(state.created_at)}000", told)
                ], (order, bound)
            assert await found(c.InstantIn("created_at", (bound,))) == [
                state for state in everything if f"{shown(state.created_at)}000" == told
            ]


async def test_jobs_know_their_executions(database_url: str) -> None:
    """A job shows its definition, its last execution that is not deleted, and how they ended."""
    world = World(19)
    async with ledger(database_url) as store:
        first, second = world.created("import"), world.created("import")
        one, two = execution_stream(first.uuid), execution_stream(second.uuid)
        await write(
            store,
            [
                world.job("import", type="batch", path="/in/a", tags=("t",)),
                world.job("other"),
                world.job("import", organization="umbrella"),
                world.append(one, first, world.began()),
                world.append(two, second, world.began()),
                world.append(one, x.ExecutionFinished(outcome="ok", exit_code="OK")),
            ],
        )
        await _follow(store)
        found = (await jobs.by_job_id(store.pool, "import", organizations=["acme"])).job
        assert found is not None
        assert found.last is not None
        assert (found.last.uuid, found.last.status) == (second.uuid, "running")
        assert found.counts == jobs.JobCounts(open=1, ok=1)
        for again in (
            await jobs.by_uuid(store.pool, found.state.uuid, organizations=None),
            await jobs.by_number(store.pool, found.state.number, organizations=None),
            await jobs.by_oid(store.pool, oid_of(found.state.uuid), organizations=None),
        ):
            assert again.job == found
        await write(
            store,
            [
                world.append(two, x.ExecutionCanceled(), x.ExecutionDeleted()),
                world.append(job_stream("acme", "other"), j.JobRetired()),
                world.append(
                    job_stream("acme", "import"), j.JobChanged(definition=Definition(name="New"))
                ),
            ],
        )
        await _follow(store)
        found = (await jobs.by_job_id(store.pool, "import", organizations=["acme"])).job
        assert found is not None
        assert found.state.definition.name == "New"
        assert found.last is not None
        assert found.last.uuid == first.uuid
        assert found.counts == jobs.JobCounts(ok=1, aborted=1)
        gone = await jobs.by_job_id(store.pool, "other", organizations=["acme"])
        assert gone.job is None
        retired = await jobs.by_job_id(
            store.pool, "other", organizations=["acme"], include_retired=True
        )
        assert retired.job is not None
        page = await jobs.page(store.pool, organizations=None, limit=1, with_total=True)
        rest = await jobs.page(store.pool, organizations=None, after=page.next_after, limit=5)
        assert page.total == 2
        assert [v.state.organization for v in (*page.items, *rest.items)] == ["acme", "umbrella"]
        assert rest.next_after is None


async def test_a_worker_is_offered_what_it_can_do(database_url: str) -> None:
    """Candidates are free, fit the step types, come by priority, and queue for their job's slot."""
    world = World(23)
    queue = Policies(when_running="queue")
    now = START + timedelta(days=2)

    async with ledger(database_url) as store:
        plain = world.created("a", steps=("copy",))
        urgent = world.created("a", steps=("copy", "copy"), policies=Policies(priority=5))
        other = world.created("a", steps=("copy", "fly"))
        first = world.created("q", steps=("copy",), policies=queue)
        second = world.created("q", steps=("copy",), policies=queue)
        timed = world.created("a", steps=("copy",))
        later = world.created("a", steps=("copy",))
        streams = {c.uuid: execution_stream(c.uuid) for c in (plain, urgent, other, first, second)}

        async def offered(*types: str, organizations: list[str] | None = None) -> list[object]:
            await _follow(store)
            found = await active.candidates(
                store.pool, organizations=organizations, step_types=types, now=now
            )
            return [candidate.uuid for candidate in found]

        await write(
            store,
            [world.append(streams[c.uuid], c) for c in (plain, urgent, other, first, second)]
            + [
                world.append(
                    execution_stream(timed.uuid),
                    timed,
                    x.ExecutionScheduled(run_at=now - timedelta(hours=1)),
                ),
                world.append(
                    execution_stream(later.uuid),
                    later,
                    x.ExecutionScheduled(run_at=now + timedelta(hours=1)),
                ),
            ],
        )
        assert await offered("copy") == [urgent.uuid, plain.uuid, first.uuid, timed.uuid]
        assert await offered("copy", organizations=["umbrella"]) == []
        assert await offered("fly") == []
        assert other.uuid in await offered("copy", "fly", organizations=["acme"])
        await write(store, [world.append(streams[first.uuid], world.began())])
        assert await offered("copy") == [urgent.uuid, plain.uuid, timed.uuid]
        await write(
            store,
            [
                world.append(
                    streams[first.uuid],
                    x.LeaseLost(fence=1),
                    x.RetryScheduled(attempt=2, run_at=START),
                )
            ],
        )
        # The one that has the slot is offered again, the one behind it is not.
        assert await offered("copy") == [urgent.uuid, plain.uuid, first.uuid, timed.uuid]
        await write(
            store,
            [
                world.append(streams[first.uuid], world.began(), x.ExecutionCanceled()),
                world.append(streams[plain.uuid], x.CancelRequested(deadline_at=now)),
            ],
        )
        assert await offered("copy") == [urgent.uuid, second.uuid, timed.uuid]


async def test_open_executions_tell_their_time_left(database_url: str) -> None:
    """The median of earlier durations and the progress told give an estimate."""
    world = World(29)
    async with ledger(database_url) as store:
        appends = []
        for _ in range(3):
            done = world.created("a", steps=())
            stream = execution_stream(done.uuid)
            appends.append(world.append(stream, done, world.began()))
            world.now += timedelta(seconds=100)
            appends.append(world.append(stream, x.ExecutionFinished(outcome="ok", exit_code="OK")))
        opened = world.created("a", steps=())
        stream = execution_stream(opened.uuid)
        appends.append(world.append(stream, opened, world.began()))
        began_at = world.now
        new = world.created("b")
        appends.append(world.append(execution_stream(new.uuid), new))
        await write(store, appends)
        await _follow(store)
        page = await outlook.page(
            store.pool, organizations=["acme"], now=began_at + timedelta(seconds=30)
        )
        waiting, running = page.items
        assert (waiting.row.uuid, waiting.left_s, waiting.typical_s) == (new.uuid, None, None)
        assert (waiting.row.due_who, waiting.row.waiting_for) == ("worker", "worker")
        assert running.row.uuid == opened.uuid
        assert running.typical_s is not None
        assert 100 <= running.typical_s <= 110
        assert running.left_s == pytest.approx(running.typical_s - 30)
        assert await active.counts(store.pool, organizations=None) == {"pending": 1, "running": 1}


async def test_history_outlives_deletion(database_url: str) -> None:
    """A deleted execution stays in its job's history, with when and by whom."""
    world = World(31)
    async with ledger(database_url) as store:
        one = world.created("a")
        two = world.created("a", restart_of=one.uuid)
        await write(
            store,
            [
                world.append(execution_stream(one.uuid), one, world.began(), x.ExecutionCanceled()),
                world.append(execution_stream(two.uuid), two),
                world.append(execution_stream(one.uuid), x.ExecutionDeleted()),
            ],
        )
        await _follow(store)
        page = await history.page(store.pool, organizations=["acme"], job_id="a", limit=1)
        rest = await history.page(
            store.pool, organizations=None, job_id="a", before=page.next_before
        )
        assert [row.uuid for row in (*page.items, *rest.items)] == [two.uuid, one.uuid]
        assert page.items[0].is_restart
        deleted = rest.items[0]
        assert deleted.deleted
        assert (deleted.deleted_by, deleted.status, deleted.cause) == ("tester", "aborted", "user")
        assert deleted.duration_ms is not None
        foreign = await history.page(store.pool, organizations=["umbrella"], job_id="a")
        assert foreign.items == ()
        assert foreign.position == store.tail.head


async def test_keys_are_found_by_what_they_show(database_url: str) -> None:
    """A key is found by its public id; a caller sees keys that reach no further than itself."""
    world = World(37)
    async with ledger(database_url) as store:
        stream, ops = world.key("ops", organizations=("acme", "umbrella"))
        _, root = world.key("root", organizations=("*",))
        await write(store, [ops, root])
        await _follow(store)
        found = (await keys.by_public_id(store.pool, "id-ops", organizations=None)).key
        assert found is not None
        assert found.organizations == ("acme", "umbrella")
        assert found.revoked_at is None
        assert (await keys.by_public_id(store.pool, "id-no", organizations=None)).key is None
        everything = await keys.page(store.pool, organizations=None)
        assert [key.name for key in everything.items] == ["root", "ops"]
        mine = await keys.page(store.pool, organizations=["acme", "umbrella"])
        assert [key.name for key in mine.items] == ["ops"]
        assert (await keys.page(store.pool, organizations=["acme"])).items == ()
        await write(store, [world.append(stream, k.KeyRevoked())])
        await _follow(store)
        found = (await keys.by_public_id(store.pool, "id-ops", organizations=None)).key
        assert found is not None
        assert found.revoked_by == "tester"
