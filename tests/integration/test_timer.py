"""What the ledger does by itself when time passes, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from ledger.events.codec import type_of
from ledger.events.definition import Definition, Policies, StepDefinition
from ledger.executions import commands as c
from ledger.executions.state import ExecutionState
from ledger.handle.executions import Created, Executions, NewExecution
from ledger.handle.jobs import Jobs
from ledger.handle.streams import Done
from ledger.ids import execution_stream, new_uuid
from ledger.jobs.commands import Change, Define
from ledger.rejection import AlreadyRunning, ReportFenced
from ledger.store.postgres import PostgresStore
from ledger.timer import Timer
from tests.contract.log import CONTEXT, append, audit, later, progressed, write
from tests.waiting import eventually


class Ledger:
    """One process's handles and timer, with a clock that can be put forward."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.ahead = timedelta()
        self.jobs = Jobs(store, self.clock)
        self.executions = Executions(store, self.jobs, self.clock)
        self.timer = Timer(store, self.executions, self.clock)

    def clock(self) -> datetime:
        """Read the clock."""
        return later(0) + self.ahead

    async def job(self, **policies: Any) -> None:
        """Define the job."""
        steps = (StepDefinition(step_id="a", step_type_id="command"),)
        definition = Definition(steps=steps, policies=Policies(**policies))
        done = await self.jobs.change(
            CONTEXT, "job", Define(uuid=new_uuid(), job_id="job", definition=definition)
        )
        assert isinstance(done, Done)

    async def create(self, **wish: Any) -> ExecutionState:
        """Create an execution of the job."""
        created = await self.executions.create(CONTEXT, NewExecution(job_id="job", **wish))
        assert isinstance(created, Created), created
        return created.state

    async def start(self, state: ExecutionState, *, lease_s: float = 60) -> ExecutionState:
        """Give it to a worker, as the API does."""
        lease = new_uuid()
        await self.store.grant_lease(
            execution_stream(state.uuid),
            lease=lease,
            fence=state.fence + 1,
            worker="w",
            lease_s=lease_s,
            organization="acme",
        )
        return await self.act(state, c.Start(worker="w", lease=lease))

    async def act(self, state: ExecutionState, command: c.Command) -> ExecutionState:
        """Put a command that is accepted."""
        done = await self.executions.act(CONTEXT, state.uuid, command)
        assert isinstance(done, Done), done
        return done.state

    async def now(self, state: ExecutionState) -> ExecutionState:
        """Read an execution as it is."""
        loaded = await self.executions.streams.refresh(execution_stream(state.uuid))
        assert loaded.state is not None
        return loaded.state

    async def types(self, state: ExecutionState) -> list[str]:
        """List what happened to an execution."""
        records = await self.store.read_stream(execution_stream(state.uuid))
        return [type_of(record.event) for record in records]

    async def hurry(self) -> None:
        """Let every timer pass at once."""
        await self.store.pool.execute(
            "update ledger.streams set due_at = now() - interval '1 s' where due_at is not null"
        )


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    """A ledger on a database of its own."""
    store = await PostgresStore.open(database_url)
    yield Ledger(store)
    await store.close()


class TestLeases:
    """A worker that falls silent."""

    async def test_taken_over_then_closed(self, ledger: Ledger) -> None:
        """The policy says how often; the lost worker is fenced."""
        await ledger.job(max_lease_losses=1)
        state = await ledger.start(await ledger.create(), lease_s=-1)
        assert await ledger.timer.pass_once() == 1
        state = await ledger.now(state)
        assert (state.status, state.waiting_for) == ("pending", "worker")
        late = c.Reports(reports=(c.Finished(outcome="ok"),), fence=1)
        refused = await ledger.executions.act(CONTEXT, state.uuid, late)
        assert isinstance(refused, ReportFenced)
        await ledger.start(await ledger.now(state), lease_s=-1)
        await ledger.timer.pass_once()
        state = await ledger.now(state)
        assert (state.status, state.cause) == ("finished", "lease_lost")
        assert (await ledger.types(state)).count("report.refused") == 1
        assert await ledger.store.expired_leases(9) == []

    async def test_an_owner_without_a_lease_is_recovered(self, ledger: Ledger) -> None:
        """If the hold is nowhere noted nobody would see it expire; the timer does."""
        await ledger.job()
        state = await ledger.start(await ledger.create())
        await ledger.store.end_lease(execution_stream(state.uuid), state.fence)
        await ledger.hurry()
        await ledger.timer.pass_once()
        state = await ledger.now(state)
        assert (state.is_owned, state.status, state.lease_losses) == (False, "pending", 1)

    async def test_an_owner_with_a_lease_is_left_alone(self, ledger: Ledger) -> None:
        """Looking in between changes nothing, and the timer looks again."""
        await ledger.job()
        state = await ledger.start(await ledger.create())
        await ledger.hurry()
        assert await ledger.timer.pass_once() == 1
        assert (await ledger.now(state)).version == state.version
        again = await ledger.store.next_due()
        assert again is not None
        assert later(0) < again <= later(61)

    async def test_a_grant_that_led_to_nothing_is_forgotten(self, ledger: Ledger) -> None:
        """A process that died between grant and start leaves an execution as it was."""
        await ledger.job()
        state = await ledger.create()
        await ledger.store.grant_lease(
            execution_stream(state.uuid),
            lease=new_uuid(),
            fence=1,
            worker="w",
            lease_s=-1,
            organization="acme",
        )
        await ledger.timer.pass_once()
        assert (await ledger.now(state)).version == 1
        assert await ledger.store.expired_leases(9) == []


class TestDeadlines:
    """What runs out of time."""

    async def test_closed_released_and_deleted(self, ledger: Ledger) -> None:
        """Each deadline is kept by the running timer, whoever set it."""
        await ledger.job(queue_timeout_s=3600, retention_s=7200)
        waits = await ledger.create()
        timed = await ledger.create(run_at=later(600))
        ledger.timer.start()
        ledger.ahead = timedelta(seconds=1800)

        # Hurried at each look: a pass that was under way may put back what it found before.
        async def released() -> bool:
            await ledger.hurry()
            return (await ledger.now(timed)).waiting_for == "worker"

        await eventually(released)
        ledger.ahead = timedelta(seconds=3700)

        async def closed() -> bool:
            await ledger.hurry()
            return (await ledger.now(waits)).cause == "timed_out"

        await eventually(closed)
        ledger.ahead = timedelta(seconds=20_000)

        async def deleted() -> bool:
            await ledger.hurry()
            return (await ledger.now(waits)).deleted

        await eventually(deleted)
        await ledger.timer.stop()
        assert await ledger.types(waits) == [
            "execution.created", "execution.finished", "execution.deleted",
        ]  # fmt: skip

    async def test_two_timers_do_it_once(self, ledger: Ledger, database_url: str) -> None:
        """Two processes on one database record each consequence one time."""
        other = Ledger(await PostgresStore.open(database_url))
        await ledger.job(max_lease_losses=5, queue_timeout_s=60)
        lost = [await ledger.start(await ledger.create(), lease_s=-1) for _ in range(10)]
        late = [await ledger.create() for _ in range(10)]
        lates = [execution_stream(state.uuid) for state in late]
        ledger.ahead = other.ahead = timedelta(seconds=61)
        await ledger.store.pool.execute(
            "update ledger.streams set due_at = now() - interval '1 s' where stream = any($1)",
            lates,
        )
        await asyncio.gather(
            *(each.timer.pass_once() for each in (ledger, other) for _ in range(2))
        )
        for state in lost:
            assert (await ledger.types(state)).count("execution.lease_lost") == 1
        for state in late:
            assert await ledger.types(state) == ["execution.created", "execution.finished"]
        await other.store.close()
        await audit(database_url)

    async def test_one_damaged_stream_leaves_the_others_alone(
        self, ledger: Ledger, database_url: str
    ) -> None:
        """What cannot be handled is passed over, the rest is done in the same pass."""
        await ledger.job(queue_timeout_s=1)
        state = await ledger.create()
        damaged = execution_stream(new_uuid())
        for stream in ("execution/no-uuid", "other/kind", damaged):
            await ledger.store.append(append(write(stream, 0, progressed(), due_at=later(-1))))
        ledger.ahead = timedelta(seconds=61)
        await ledger.hurry()
        assert await ledger.timer.pass_once() == 4
        assert (await ledger.now(state)).cause == "timed_out"


class TestCreation:
    """Rules that span streams hold under races."""

    async def test_one_running_at_a_time(self, ledger: Ledger, database_url: str) -> None:
        """Of many creations on two processes one succeeds; closing it makes room."""
        await ledger.job(when_running="reject")
        other = Ledger(await PostgresStore.open(database_url))
        found = await asyncio.gather(
            *(
                each.executions.create(CONTEXT, NewExecution(job_id="job"))
                for each in (ledger, other)
                for _ in range(8)
            )
        )
        created = [each for each in found if isinstance(each, Created)]
        refused = [each for each in found if isinstance(each, AlreadyRunning)]
        assert (len(created), len(refused)) == (1, 15)
        assert {each.execution for each in refused} == {created[0].state.uuid}
        await ledger.act(created[0].state, c.Cancel())
        await ledger.create()
        await other.store.close()

    async def test_a_repeated_request_learns_what_it_made(self, ledger: Ledger) -> None:
        """Also when the job allows one at a time, and the first one holds that place."""
        await ledger.job(when_running="reject")
        wanted = NewExecution(job_id="job", idempotency_key="k", dispatch_at_once=True)
        found = await asyncio.gather(*(ledger.executions.create(CONTEXT, wanted) for _ in range(6)))
        uuids = {each.state.uuid for each in found if isinstance(each, Created)}
        assert len(uuids) == 1
        assert [each.is_new for each in found if isinstance(each, Created)].count(True) == 1
        assert all(isinstance(each, Created) for each in found)

    async def test_a_dispatched_one_queues_when_the_slot_is_taken(self, ledger: Ledger) -> None:
        """A job whose executions wait for each other does not refuse the second."""
        await ledger.job(when_running="queue")
        wish = {"dispatch_at_once": True}
        first, second = await ledger.create(**wish), await ledger.create(**wish)
        assert (first.status, second.status) == ("running", "pending")

    async def test_never_from_a_definition_that_had_changed(
        self, ledger: Ledger, database_url: str
    ) -> None:
        """A process that remembers an old definition finds out when it appends."""
        await ledger.job()
        other = Ledger(await PostgresStore.open(database_url))
        await other.create()
        steps = (StepDefinition(step_id="new", step_type_id="command"),)
        await ledger.jobs.change(CONTEXT, "job", Change(definition=Definition(steps=steps)))
        state = await other.create()
        assert [step.plan.step_id for step in state.steps] == ["new"]
        await other.store.close()

    async def test_a_restart_goes_on_where_it_failed(self, ledger: Ledger) -> None:
        """Steps that went well are skipped; a job that changed meanwhile cannot go on."""
        steps = [StepDefinition(step_id=name, step_type_id="command") for name in "abc"]
        await ledger.jobs.change(
            CONTEXT,
            "job",
            Define(uuid=new_uuid(), job_id="job", definition=Definition(steps=tuple(steps))),
        )
        state = await ledger.start(await ledger.create())
        told = (
            c.StepStarted(index=1),
            c.StepFinished(index=1, outcome="ok"),
            c.StepStarted(index=2),
            c.StepFinished(index=2, outcome="error"),
            c.StepStarted(index=3),
            c.StepFinished(index=3, outcome="ok"),
            c.Finished(),
        )
        failed = await ledger.act(state, c.Reports(reports=told, fence=1))
        again = await ledger.executions.restart(CONTEXT, failed, NewExecution(job_id="job"))
        assert isinstance(again, Created)
        assert [step.status for step in again.state.steps] == ["skipped", "pending", "pending"]
        assert again.state.created.restart_of == failed.uuid


async def test_many_on_one_execution(ledger: Ledger, database_url: str) -> None:
    """Commands that race are decided one after the other; none is lost, none counts twice."""
    await ledger.job()
    state = await ledger.create()
    named = [c.Describe(tags=(f"t{n}",)) for n in range(8)]
    done = await asyncio.gather(
        *(ledger.executions.act(CONTEXT, state.uuid, command) for command in named)
    )
    assert all(isinstance(each, Done) for each in done)
    assert (await ledger.now(state)).version == 9
    assert await audit(database_url) == 10
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("select count(*) from ledger.leases") == 0
    await connection.close()
