"""Erasure in the database: what goes, what stays, and that there is no other way."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from ledger.events import executions as e
from ledger.events.entry import encode_entry
from ledger.events.envelope import Erased
from ledger.executions import commands as x
from ledger.executions.state import ExecutionState
from ledger.handle.erasure import Erasure
from ledger.handle.executions import Created, NewExecution
from ledger.handle.streams import Done, Loaded
from ledger.ids import execution_stream, new_uuid
from ledger.rejection import ContentErased, ExecutionGone, NotFinished
from ledger.store.postgres import PostgresStore
from tests.contract.log import CONTEXT, append, one, write
from tests.integration.test_reactor import Reacting
from tests.waiting import eventually

NOBODY = new_uuid()
NOTHING = Loaded[ExecutionState](None, 0)
REMOVE = "update ledger.events set salt = null, data = null "


class Erasing(Reacting):
    """A process that erases too."""

    def __init__(self, store: PostgresStore) -> None:
        super().__init__(store)
        self.erasure = Erasure(store, self.executions)

    async def closed(self, job_id: str = "job", outcome: str = "ok") -> ExecutionState:
        """Run an execution of a new job to its end."""
        await self.define(job_id)
        state = await self.run(job_id)
        await self.close(state, outcome)
        return await self.now(state)

    async def erase(self, state: ExecutionState) -> Any:
        """Erase it."""
        return await self.erasure.erase(CONTEXT, state.uuid, reason="asked for")

    async def known(self, state: ExecutionState) -> ExecutionState:
        """Give an execution as this process has it in memory."""
        loaded = (await self.executions.streams.load(execution_stream(state.uuid))).state
        assert loaded is not None
        return loaded

    async def erased(self, job_id: str = "job", outcome: str = "ok") -> ExecutionState:
        """Run an execution to its end and erase it."""
        state = await self.closed(job_id, outcome)
        done = await self.erase(state)
        assert isinstance(done, Done), done
        return state


@pytest.fixture
async def process(database_url: str) -> AsyncIterator[Erasing]:
    """A process on a database of its own, its reactor running."""
    store = await PostgresStore.open(database_url)
    process = Erasing(store)
    process.reactor.start()
    yield process
    await process.reactor.stop()
    await store.close()


async def test_content_goes_and_entries_stay(process: Erasing) -> None:
    """Salt and data of every event before the erasure are gone; entries are the same bytes."""
    state = await process.closed()
    stream = execution_stream(state.uuid)
    before = await process.store.read_stream(stream)
    outcome = await process.erase(state)
    assert isinstance(outcome, Done)
    assert outcome.state.erased
    assert (outcome.state.status, outcome.state.outcome) == ("finished", "ok")
    rows = await process.store.pool.fetch(
        "select salt, data, data_digest, actor from ledger.events where stream = $1 order by version",
        stream,
    )
    *gone, last = rows
    assert [(row["salt"], row["data"]) for row in gone] == [(None, None)] * len(before)
    assert last["data_digest"] == hashlib.sha256(last["salt"] + last["data"]).digest()
    after = await process.store.read_stream(stream)
    assert [encode_entry(record) for record in after[:-1]] == [encode_entry(r) for r in before]
    assert all(isinstance(record.event, Erased) for record in after[:-1])
    assert after[-1].event == e.ExecutionErased(
        reason="asked for",
        up_to_version=len(before),
        from_position=before[0].position,
        to_position=before[-1].position,
        outcome="ok",
    )


async def test_twice_is_once(process: Erasing) -> None:
    """Erasing again, also from two callers at once, appends nothing more."""
    state = await process.closed()
    outcomes = await asyncio.gather(*(process.erase(state) for _ in range(4)))
    assert sum(len(outcome.records) for outcome in outcomes) == 1
    assert (await process.erase(state)).records == ()
    records = await process.store.read_stream(execution_stream(state.uuid))
    assert [record.type for record in records].count("execution.erased") == 1


async def test_an_open_one_is_refused(process: Erasing) -> None:
    """An execution that has not ended keeps everything."""
    await process.define("job")
    state = await process.run("job")
    refusal = await process.erase(state)
    assert refusal == NotFinished(execution=state.uuid, status="pending")
    records = await process.store.read_stream(execution_stream(state.uuid))
    assert isinstance(records[0].event, e.ExecutionCreated)


async def test_a_deleted_one_can_be_erased(process: Erasing) -> None:
    """Deletion hides and erasure removes; the one does not stand in the other's way."""
    state = await process.closed()
    await process.executions.act(CONTEXT, state.uuid, x.Delete())
    outcome = await process.erase(state)
    assert isinstance(outcome, Done)
    assert (outcome.state.deleted, outcome.state.erased) == (True, True)
    gone = await process.erasure.erase(CONTEXT, NOBODY)
    assert gone == ExecutionGone(execution=NOBODY)


async def test_nothing_more_can_be_asked_of_it(process: Erasing) -> None:
    """Every later command is refused; the ledger's own have no effect."""
    state = await process.erased()
    refused = ContentErased(execution=state.uuid)
    for command in (
        x.Delete(),
        x.Cancel(),
        x.Pause(),
        x.Resume(),
        x.Describe(name="again"),
        x.Reports(reports=(x.Progressed(progress=e.Progress(percent=1)),)),
        x.Reports(reports=(x.Progressed(progress=e.Progress(percent=1)),), fence=1),
    ):
        assert await process.executions.act(CONTEXT, state.uuid, command) == refused
    old = await process.now(state)
    assert await process.executions.restart(CONTEXT, old, NewExecution(job_id="job")) == refused
    for its_own in (x.Tick(), x.LoseLease(fence=1), x.Release()):
        outcome = await process.executions.act(CONTEXT, state.uuid, its_own)
        assert isinstance(outcome, Done)
        assert outcome.records == ()


@pytest.mark.parametrize(
    "statement",
    [
        REMOVE,
        REMOVE + "where type = 'execution.finished' and data is not null",
        "update ledger.events set data = null where type = 'job.defined'",
        "update ledger.events set data = null, salt = null where type = 'execution.erased'",
        "update ledger.events set data = '{}' where data is null",
        "update ledger.events set actor = 'me', salt = null, data = null where data is null",
        "update ledger.events set data_digest = '', salt = null, data = null where data is null",
        "update ledger.events set type = 'execution.erased' where type = 'execution.finished'",
        "delete from ledger.events where data is null",
        "truncate ledger.events",
    ],
)
async def test_there_is_no_other_way(process: Erasing, statement: str) -> None:
    """Statements by hand remove and change nothing, also when something was erased before."""
    await process.erased()
    await process.closed("other")
    before = await process.store.pool.fetch("select * from ledger.events order by position")
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await process.store.pool.execute(statement)
    assert refusal.value.sqlstate == "JL001"
    after = await process.store.pool.fetch("select * from ledger.events order by position")
    assert [tuple(row) for row in before] == [tuple(row) for row in after]


async def test_keys_and_leases_are_forgotten(process: Erasing) -> None:
    """The idempotency key of its request and the note of its worker go; other keys stay."""
    await process.define("job")
    made = [
        await process.executions.create(
            CONTEXT, NewExecution(job_id="job", idempotency_key=f"secret {number}")
        )
        for number in range(2)
    ]
    first, second = (creation.state for creation in made if isinstance(creation, Created))
    await process.close(first)
    assert isinstance(await process.erase(first), Done)
    owners = await process.store.pool.fetch("select stream from ledger.claims")
    assert [row["stream"] for row in owners] == [execution_stream(second.uuid)]
    assert await process.store.pool.fetchval("select count(*) from ledger.leases") == 0


@pytest.mark.parametrize("outcome", ["ok", "error"])
async def test_who_waits_learns_how_it_ended(process: Erasing, outcome: str) -> None:
    """An erased upstream counts as it ended, for who waits for it and for others besides."""
    await process.define("up")
    await process.define("down")
    first, second = await process.run("up"), await process.run("up")
    waiting = await process.run("down", first, second)
    await process.close(first)
    await process.close(second, outcome) if outcome == "error" else None
    assert isinstance(await process.erase(first), Done)
    if outcome == "ok":
        await process.close(second)

    async def settled() -> bool:
        state = await process.now(waiting)
        ready = state.waiting_for == "worker" and state.is_open
        return ready if outcome == "ok" else state.cause == "upstream_failed"

    await eventually(settled)
    if outcome == "ok":
        later = await process.run("down", first)
        assert (later.status, later.waiting_for) == ("pending", "worker")


async def test_another_process_forgets_too(process: Erasing, database_url: str) -> None:
    """What another process keeps in memory, folded or as events, goes when it hears of it."""
    state = await process.closed()
    stream = execution_stream(state.uuid)
    store = await PostgresStore.open(database_url)
    try:
        other = Erasing(store)
        head = store.tail.head
        assert not (await other.known(state)).erased
        kept = await store.tail.read(0, head)
        assert any(isinstance(record.event, e.ExecutionFinished) for record in kept)
        assert isinstance(await process.erase(state), Done)

        async def forgotten() -> bool:
            loaded = await other.known(state)
            ring = await store.tail.read(0, head)
            own = [record for record in ring if record.stream == stream]
            blank = all(isinstance(record.event, Erased) for record in own)
            return loaded.erased and len(ring) == len(kept) and blank

        await eventually(forgotten)
        # What was read before the erasure and comes in only now is not kept either.
        late = [record for record in kept if record.stream == stream]
        other.executions.streams.fold(stream, NOTHING, late)
        assert (await other.known(state)).erased
    finally:
        await store.close()


async def test_states_as_they_were_are_husks(process: Erasing) -> None:
    """Read at any earlier position it is erased there too, and tells what envelopes tell."""
    state = await process.erased()
    stream = execution_stream(state.uuid)
    records = await process.store.read_stream(stream)
    seen = [(await process.executions.streams.as_of(stream, r.position)).state for r in records]
    assert all(one is not None and one.erased for one in seen)
    assert [one.status for one in seen if one][-2:] == ["finished", "finished"]
    assert {one.job_id for one in seen if one} == {""}


async def test_a_long_execution_can_be_erased(process: Erasing) -> None:
    """The work grows with the number of its events, not with its square."""
    stream = execution_stream(new_uuid())
    for first in range(0, 20_000, 2_000):
        await process.store.append(one(stream, first, 2_000))
    await process.store.append(append(write(stream, 20_000, e.ExecutionErased())))
    left = await process.store.pool.fetchval(
        "select count(*) from ledger.events where stream = $1 and data is not null", stream
    )
    assert left == 1
