"""What may happen to a job, its schedule, and a key."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.errors import Corrupt
from ledger.events import jobs as j
from ledger.events.definition import Definition, Parameter, Schedule, StepDefinition
from ledger.events.envelope import Fact
from ledger.events.keys import KeyCreated, KeyLookedAcross, KeyRevoked
from ledger.jobs import commands as c
from ledger.jobs import state as jobs
from ledger.jobs.decide import decide
from ledger.jobs.schedule import check, next_due_times
from ledger.jobs.state import JobState
from ledger.keys import state as keys
from ledger.rejection import JobExists, JobInvalid, JobReserved, JobUnknown, ScheduleInvalid
from tests.unit.ledger.spec import NOW, UUID_1, UUID_2, Given, record

STEP = StepDefinition(step_id="a", step_type_id="command")
SIMPLE = Definition(steps=(STEP,))
OTHER = Definition(name="other", steps=(STEP,))
NIGHTLY = Schedule(cron="0 3 * * *")


def job(*events: j.JobEvent, job_id: str = "job") -> Given[JobState]:
    """A job to which this happened."""

    def rule(state: JobState | None, command: c.Command, now: datetime) -> Any:
        return decide(state, command, now, job_id=job_id)

    return Given(rule, jobs.evolve).happened([Fact(event, NOW) for event in events], NOW)


def define(definition: Definition = SIMPLE, *, job_id: str = "job", **more: Any) -> c.Define:
    """Ask for a job."""
    return c.Define(uuid=UUID_1, job_id=job_id, definition=definition, **more)


def defined(job_id: str = "job") -> j.JobDefined:
    """A job that is there."""
    return j.JobDefined(uuid=UUID_1, job_id=job_id, definition=SIMPLE)


class TestJob:
    """A job's definition over time."""

    def test_defined_once(self) -> None:
        """The same again is nothing, another one is refused."""
        life = job().when(define()).then(defined()).leads_to(number=1, version=1)
        life.when(define()).then().when(define(OTHER)).refused(JobExists, job_id="job")

    def test_changed(self) -> None:
        """A change is a fact if it changes something."""
        life = job(defined()).when(c.Change(definition=OTHER)).then(j.JobChanged(definition=OTHER))
        life.when(c.Change(definition=OTHER)).then().leads_to(definition=OTHER, version=2)

    def test_retired(self) -> None:
        """A retired job is unknown, loses its schedule, and its id may be used again."""
        life = job(defined(), j.JobScheduleSet(schedule=NIGHTLY)).when(c.Retire(reason="old"))
        life.then(j.JobRetired(reason="old")).leads_to(retired=True, schedule=None)
        life.when(c.Retire()).then().when(c.Change(definition=OTHER)).refused(JobUnknown)
        life.when(define(OTHER)).leads_to(retired=False, definition=OTHER, version=4)

    @pytest.mark.parametrize(
        "command", [c.Change(definition=OTHER), c.Retire(), c.SetSchedule(schedule=NIGHTLY)]
    )
    def test_unknown(self, command: c.Command) -> None:
        """What was never defined is refused."""
        job().when(command).refused(JobUnknown, job_id="job")

    def test_reserved(self) -> None:
        """System jobs are the ledger's own; users may schedule them and nothing else."""
        name = "sfcc-import"
        life = job(job_id=name).when(define(job_id=name)).refused(JobReserved, job_id=name)
        life.when(define(job_id=name, by_ledger=True)).then(defined(name))
        life.when(c.Change(definition=OTHER)).refused(JobReserved)
        life.when(c.Retire()).refused(JobReserved)
        life.when(c.SetSchedule(schedule=NIGHTLY)).then(j.JobScheduleSet(schedule=NIGHTLY))
        life.when(c.Change(definition=OTHER, by_ledger=True)).leads_to(definition=OTHER)

    @pytest.mark.parametrize(
        ("definition", "path"),
        [
            (Definition(steps=(STEP, STEP)), "steps[1].step_id"),
            (Definition(steps=(StepDefinition(step_id="a"),)), "steps[0]"),
            (
                Definition(steps=(StepDefinition(step_id="a", step_type_id="x", include="b"),)),
                "steps[0]",
            ),
            (Definition(parameters=(Parameter(name="p"),) * 2), "parameters[1].name"),
        ],
    )
    def test_invalid(self, definition: Definition, path: str) -> None:
        """A definition that cannot be right is refused by the part that is wrong."""
        job().when(define(definition)).refused(JobInvalid, path=path)
        job(defined()).when(c.Change(definition=definition)).refused(JobInvalid, path=path)

    def test_scheduled_and_cleared(self) -> None:
        """Setting and clearing twice is nothing."""
        life = job(defined()).when(c.SetSchedule(schedule=NIGHTLY)).leads_to(schedule=NIGHTLY)
        life.when(c.SetSchedule(schedule=NIGHTLY)).then()
        life.when(c.ClearSchedule()).then(j.JobScheduleCleared()).when(c.ClearSchedule()).then()
        life.happened([Fact(j.JobScheduleSkipped(due_at=NOW, reason="late"), NOW)], NOW)
        life.leads_to(schedule=None, version=4)

    def test_a_stream_begins_with_its_definition(self) -> None:
        """Anything else first is damage."""
        with pytest.raises(Corrupt):
            job(j.JobRetired())


class TestSchedule:
    """When a job runs by itself."""

    @pytest.mark.parametrize(
        ("schedule", "path"),
        [
            (Schedule(), "cron"),
            (Schedule(cron="61 * * * *"), "cron"),
            (Schedule(cron="0 0 30 2 *"), "cron"),
            (Schedule(cron="no"), "cron"),
            (Schedule(cron="0 3 * * *", time_zone="Mars/Base"), "time_zone"),
            (Schedule(cron="0 3 * * *", time_zone="../etc/passwd"), "time_zone"),
            (Schedule(cron="0 3 * * *", time_zone=""), "time_zone"),
            (Schedule(at=(datetime(2026, 1, 1),)), "at"),  # noqa: DTZ001 - the mistake itself
        ],
    )
    def test_unreadable(self, schedule: Schedule, path: str) -> None:
        """What cannot be kept is refused by the part that is wrong."""
        job(defined()).when(c.SetSchedule(schedule=schedule)).refused(ScheduleInvalid, path=path)

    def test_a_skipped_hour_runs_after_the_gap(self) -> None:
        """Clocks go from 2:00 to 3:00; what was due at 2:30 is due right after the gap, once."""
        berlin = Schedule(cron="30 2 * * *", time_zone="Europe/Berlin")
        assert next_due_times(berlin, datetime(2026, 3, 28, 12, tzinfo=UTC), 2) == (
            datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
            datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
        )

    def test_a_repeated_hour_runs_once(self) -> None:
        """Clocks go from 3:00 back to 2:00; what is due at 2:30 is due once."""
        berlin = Schedule(cron="30 2 * * *", time_zone="Europe/Berlin")
        assert next_due_times(berlin, datetime(2026, 10, 24, 12, tzinfo=UTC), 2) == (
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 26, 1, 30, tzinfo=UTC),
        )

    def test_every_hour_runs_in_the_repeated_hour_too(self) -> None:
        """An interval is kept through both changes of the clock."""
        berlin = Schedule(cron="0 * * * *", time_zone="Europe/Berlin")
        for day in (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 23, tzinfo=UTC)):
            dues = next_due_times(berlin, day, 5)
            assert [due.hour for due in dues] == [0, 1, 2, 3, 4]

    def test_instants_and_cron_are_merged(self) -> None:
        """In order, each once, none before `after`."""
        three = datetime(2026, 3, 2, 3, tzinfo=UTC)
        both = Schedule(cron="0 3 * * *", at=(NOW, three, datetime(2026, 3, 1, 20, tzinfo=UTC)))
        assert check(both) is None
        assert [due.hour for due in next_due_times(both, NOW, 3)] == [20, 3, 3]

    def test_only_instants_end(self) -> None:
        """After the last one nothing is due; paused, nothing ever is."""
        once = Schedule(at=(datetime(2026, 3, 1, 20, tzinfo=UTC),))
        assert len(next_due_times(once, NOW, 3)) == 1
        assert next_due_times(Schedule(cron="* * * * *", paused=True), NOW, 3) == ()


class TestKey:
    """A key's life."""

    def test_created_and_revoked(self) -> None:
        """It opens until it is revoked."""
        made = KeyCreated(
            uuid=UUID_2, name="k", public_id="p", secret_sha256="0", roles=(), organizations=("*",)
        )
        state = keys.evolve(None, record(Fact(made, NOW), 1, NOW))
        assert (state.created, state.version, state.revoked_at) == (made, 1, None)
        state = keys.evolve(state, record(Fact(KeyLookedAcross(at="/x"), NOW), 2, NOW))
        assert (state.version, state.revoked_at) == (2, None)
        state = keys.evolve(state, record(Fact(KeyRevoked(), NOW), 3, NOW))
        assert (state.version, state.revoked_at) == (3, NOW)

    def test_a_stream_begins_with_its_creation(self) -> None:
        """Anything else first is damage."""
        with pytest.raises(Corrupt):
            keys.evolve(None, record(Fact(KeyRevoked(), NOW), 1, NOW))
