"""Jobs that run by themselves, on a real database: each due time once, or a reason why not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.events import jobs as j
from ledger.events.definition import Definition, Parameter, Policies, Schedule, StepDefinition
from ledger.executions import commands as x
from ledger.executions.state import ExecutionState
from ledger.handle.executions import Created, Executions, NewExecution
from ledger.handle.jobs import Jobs
from ledger.handle.streams import Done
from ledger.ids import execution_stream, job_stream, new_uuid
from ledger.jobs import commands as c
from ledger.scheduler import Scheduler
from ledger.store.postgres import PostgresStore
from ledger.timer import Timer
from tests.contract.log import CONTEXT, audit
from tests.waiting import eventually

START = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
MINUTELY = Schedule(cron="* * * * *")


class Process:
    """One process's handles and timer, with a clock that is put forward by hand."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.at = START
        self.jobs = Jobs(store, self.clock)
        self.executions = Executions(store, self.jobs, self.clock)
        self.scheduler = Scheduler(store, self.jobs, self.executions, self.clock)
        self.timer = Timer(store, self.executions, self.clock, self.scheduler)

    def clock(self) -> datetime:
        """Read the clock."""
        return self.at

    async def job(
        self,
        job_id: str = "job",
        schedule: Schedule = MINUTELY,
        definition: Definition | None = None,
        **policies: Any,
    ) -> None:
        """Define a job and set its schedule."""
        steps = (StepDefinition(step_id="a", step_type_id="command"),)
        told = definition or Definition(steps=steps, policies=Policies(**policies))
        for command in (
            c.Define(uuid=new_uuid(), job_id=job_id, definition=told),
            c.SetSchedule(schedule=schedule),
        ):
            assert isinstance(await self.jobs.change(CONTEXT, job_id, command), Done)

    async def after(self, minutes: float, job_id: str = "job") -> None:
        """Let time pass, and the scheduler look."""
        self.at += timedelta(minutes=minutes)
        await self.scheduler.run_due(job_stream("acme", job_id))

    async def told(self, job_id: str = "job") -> list[j.JobScheduleFired | j.JobScheduleSkipped]:
        """List what became of the due times, in order."""
        records = await self.store.read_stream(job_stream("acme", job_id))
        kinds = (j.JobScheduleFired, j.JobScheduleSkipped)
        return [record.event for record in records if isinstance(record.event, kinds)]

    async def fired(self, job_id: str = "job") -> list[ExecutionState]:
        """List the executions that due times made."""
        states = []
        for event in await self.told(job_id):
            if isinstance(event, j.JobScheduleFired):
                loaded = await self.executions.streams.refresh(execution_stream(event.execution))
                assert loaded.state is not None
                states.append(loaded.state)
        return states

    async def reasons(self, job_id: str = "job") -> list[str]:
        """List why due times were skipped."""
        return [e.reason for e in await self.told(job_id) if isinstance(e, j.JobScheduleSkipped)]

    async def end(self, state: ExecutionState) -> None:
        """Run an execution to its good end."""
        started = x.Start(worker="w", lease=new_uuid())
        done = await self.executions.act(CONTEXT, state.uuid, started)
        assert isinstance(done, Done), done
        finished = x.Reports(reports=(x.Finished(outcome="ok"),), fence=done.state.fence)
        assert isinstance(await self.executions.act(CONTEXT, state.uuid, finished), Done)


@pytest.fixture
async def process(database_url: str) -> AsyncIterator[Process]:
    """A process on a database of its own."""
    store = await PostgresStore.open(database_url)
    yield Process(store)
    await store.close()


async def test_each_due_time_once(process: Process, database_url: str) -> None:
    """A due time makes one execution, however often it is looked at, and the next one is noted."""
    await process.job()
    await process.after(0.5)
    assert await process.told() == []
    await process.after(0.5)
    await process.after(0)
    (first,) = await process.fired()
    assert (first.created.trigger, first.status, first.job_id) == ("schedule", "pending", "job")
    (told,) = await process.told()
    assert told.due_at == datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
    due = await process.store.next_due()
    assert due is not None
    await process.end(first)
    await process.after(1)
    assert len(await process.fired()) == 2
    await audit(database_url)


async def test_a_changed_definition_keeps_the_schedule(process: Process) -> None:
    """The timer survives every other change of the job, and ends with the schedule."""
    await process.job()
    other = Definition(name="n", steps=(StepDefinition(step_id="b", step_type_id="command"),))
    await process.jobs.change(CONTEXT, "job", c.Change(definition=other))
    assert await process.store.next_due() == datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
    await process.after(1)
    assert [state.created.steps[0].step_id for state in await process.fired()] == ["b"]
    await process.jobs.change(CONTEXT, "job", c.ClearSchedule())
    await process.after(1)
    assert len(await process.told()) == 1


class TestOverlap:
    """A due time comes while the schedule's last execution is open."""

    async def test_skip(self, process: Process) -> None:
        """It is left out, on record."""
        await process.job()
        await process.after(1)
        await process.after(1)
        assert len(await process.fired()) == 1
        assert await process.reasons() == ["overlap: execution 1 of the schedule is pending"]

    async def test_queue(self, process: Process) -> None:
        """It waits for the running one, whatever the job says about a second one."""
        await process.job(schedule=Schedule(cron="* * * * *", overlap="queue"))
        await process.after(1)
        await process.after(1)
        one, two = await process.fired()
        await process.executions.act(CONTEXT, one.uuid, x.Start(worker="w", lease=new_uuid()))
        with pytest.raises(Exception, match="running/acme/job"):
            await process.end(two)
        reports = x.Reports(reports=(x.Finished(outcome="ok"),), fence=1)
        await process.executions.act(CONTEXT, one.uuid, reports)
        await process.end(two)

    async def test_cancel_the_old_one(self, process: Process) -> None:
        """The old one is asked to stop in the very append that makes the new one."""
        await process.job(schedule=Schedule(cron="* * * * *", overlap="cancel_old"))
        await process.after(1)
        await process.after(1)
        one, two = await process.fired()
        assert (one.status, two.status) == ("aborted", "pending")
        last = (await process.store.read_stream(execution_stream(one.uuid)))[-1]
        assert last.recorded_at == two.known_at
        await process.executions.act(CONTEXT, two.uuid, x.Start(worker="w", lease=new_uuid()))
        await process.after(1)
        states = await process.fired()
        assert [state.status for state in states] == ["aborted", "aborting", "pending"]

    async def test_what_cannot_be_canceled_is_left(self, process: Process) -> None:
        """The job forbids it, so the new one is skipped."""
        schedule = Schedule(cron="* * * * *", overlap="cancel_old")
        await process.job(schedule=schedule, cancellable=False)
        await process.after(1)
        await process.after(1)
        assert "cannot be canceled" in (await process.reasons())[0]


class TestSkipped:
    """Due times that pass without an execution."""

    async def test_paused(self, process: Process) -> None:
        """Each is on record, and after the pause it goes on."""
        await process.job(schedule=Schedule(cron="* * * * *", paused=True))
        await process.after(3)
        assert await process.reasons() == ["the schedule is paused"] * 3
        await process.jobs.change(CONTEXT, "job", c.SetSchedule(schedule=MINUTELY))
        await process.after(1)
        assert len(await process.fired()) == 1

    async def test_missed(self, process: Process) -> None:
        """What is older than the catch-up window is skipped, the rest is made up for."""
        schedule = Schedule(cron="* * * * *", catch_up_s=150, overlap="queue")
        await process.job(schedule=schedule)
        await process.after(600)
        told = await process.told()
        assert len(told) == 600
        assert [type(event) for event in told[-4:]] == [
            j.JobScheduleSkipped,
            j.JobScheduleFired,
            j.JobScheduleFired,
            j.JobScheduleFired,
        ]
        assert set(await process.reasons()) == {"missed by more than 150 s"}
        assert [event.due_at for event in told] == sorted(event.due_at for event in told)

    async def test_running_already(self, process: Process) -> None:
        """A job that allows one at a time is running by somebody's hand."""
        await process.job(when_running="reject")
        mine = await process.executions.create(CONTEXT, NewExecution(job_id="job"))
        assert isinstance(mine, Created)
        await process.after(1)
        assert "running already" in (await process.reasons())[0]

    async def test_coalesced(self, process: Process) -> None:
        """One that waits does for the due time too."""
        await process.job(when_running="coalesce")
        await process.executions.create(CONTEXT, NewExecution(job_id="job"))
        await process.after(1)
        assert "waiting already" in (await process.reasons())[0]

    async def test_refused(self, process: Process) -> None:
        """What can't be created says why."""
        steps = (StepDefinition(step_id="a", step_type_id="command"),)
        parameter = Parameter(name="p", required=True)
        await process.job(definition=Definition(steps=steps, parameters=(parameter,)))
        await process.job("bare", definition=Definition())
        await process.after(1)
        await process.after(0, "bare")
        assert await process.reasons() == ["parameter invalid: p, is required"]
        assert "the job has no steps" in (await process.reasons("bare"))[0]

    async def test_instants_that_had_passed(self, process: Process) -> None:
        """An instant that was over when the schedule was set is on record, the other one fires."""
        at = (START - timedelta(minutes=1), START + timedelta(minutes=1))
        await process.job(schedule=Schedule(at=at))
        await process.after(2)
        assert [event.due_at for event in await process.told()] == list(at)
        assert await process.reasons() == ["it had passed when the schedule was set"]
        assert await process.store.next_due() != at[1]


async def test_after_a_failure(process: Process) -> None:
    """A job that refuses to run after a failure looks at its schedule's own last execution."""
    await process.job(when_failed="refuse")
    await process.after(1)
    (one,) = await process.fired()
    await process.executions.act(CONTEXT, one.uuid, x.Start(worker="w", lease=new_uuid()))
    failed = x.Reports(reports=(x.Finished(outcome="error"),), fence=1)
    await process.executions.act(CONTEXT, one.uuid, failed)
    await process.after(1)
    assert await process.reasons() == ["not restartable: job, its last execution failed"]


async def test_many_processes_share_what_is_due(database_url: str) -> None:
    """Three processes look at the same jobs all the time; each due time still has one outcome."""
    async with AsyncExitStack() as stack:
        processes = []
        for _ in range(3):
            store = await PostgresStore.open(database_url)
            stack.push_async_callback(store.close)
            processes.append(Process(store))
        names = [f"job{n}" for n in range(12)]
        overlaps: tuple[Any, ...] = ("skip", "queue", "cancel_old")
        for n, name in enumerate(names):
            overlap = overlaps[n % 3]
            await processes[0].job(name, Schedule(cron="* * * * * *", overlap=overlap))
        for second in range(1, 6):
            for process in processes:
                process.at = START + timedelta(seconds=second)
            await asyncio.gather(
                *(
                    process.scheduler.run_due(job_stream("acme", name))
                    for name in names
                    for process in processes
                )
            )
        first = processes[0]
        dues = [START.replace(microsecond=0) + timedelta(seconds=s) for s in range(1, 6)]
        for name in names:
            assert [event.due_at for event in await first.told(name)] == dues
        made = await first.store.pool.fetchval(
            "select count(*) from ledger.events where type = 'execution.created'"
        )
        fired = await first.store.pool.fetchval(
            "select count(*) from ledger.events where type = 'job.schedule_fired'"
        )
        assert made == fired
        keys = await first.store.pool.fetchval(
            "select count(*) from ledger.claims where starts_with(key, 'schedule/acme/')"
        )
        assert keys == fired
    await audit(database_url)


async def test_the_timer_wakes_jobs(process: Process) -> None:
    """A schedule that is due by the database's clock is handled without anybody asking."""
    process.at = datetime.now(UTC)  # noqa: TID251 - the database compares it
    await process.job(schedule=Schedule(cron="* * * * * *"))
    process.at += timedelta(seconds=1)

    async def looked() -> bool:
        await process.timer.pass_once()
        return bool(await process.told())

    await eventually(looked)
