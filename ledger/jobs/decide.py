"""What may happen to a job next. Pure and total."""

from datetime import UTC, datetime
from typing import TypeAlias, assert_never

from ledger.events import jobs as j
from ledger.events.definition import Definition, Schedule
from ledger.events.envelope import Fact
from ledger.events.jobs import JobEvent
from ledger.jobs import commands as c
from ledger.jobs import schedule as schedules
from ledger.jobs.state import JobState
from ledger.rejection import JobExists, JobInvalid, JobReserved, JobUnknown, Rejection

Facts: TypeAlias = tuple[Fact[JobEvent], ...]
Decision: TypeAlias = Facts | Rejection

RESERVED_PREFIX = "sfcc-"


def decide(state: JobState | None, command: c.Command, now: datetime, *, job_id: str) -> Decision:
    """Rule on a command to the job *job_id*.

    Idempotent: repeating a command whose effect is there yields no facts.
    """
    if isinstance(command, c.Define):
        return _define(state, command, now)
    if state is None or state.retired:
        if isinstance(command, c.Retire) and state is not None:
            return ()
        return JobUnknown(job_id=job_id)
    return _on_known(state, command, now)


def _on_known(  # noqa: C901 - one case for each command
    state: JobState, command: c.OnExisting, now: datetime
) -> Decision:
    job_id = state.job_id
    match command:
        case c.Change() | c.Retire() if is_reserved(job_id) and not command.by_ledger:
            return JobReserved(job_id=job_id)
        case c.Change(definition=definition):
            if definition == state.definition:
                return ()
            return flaw(job_id, definition) or _facts(now, j.JobChanged(definition=definition))
        case c.SetSchedule(schedule=schedule):
            if schedule == state.schedule:
                return ()
            return schedules.check(schedule) or _facts(now, *_scheduled(state, schedule, now))
        case c.Fire():
            if not _is_due(state, command.due_at):
                return ()
            fired = j.JobScheduleFired(due_at=command.due_at, execution=command.execution)
            return _facts(now, fired)
        case c.Skip():
            left = (due for due in command.due_at if _is_due(state, due))
            return _facts(
                now, *(j.JobScheduleSkipped(due_at=due, reason=command.reason) for due in left)
            )
        case c.NotFollow():
            skipped = j.JobFollowSkipped(upstream=command.upstream, reason=command.reason)
            return _facts(now, skipped)
        case c.ClearSchedule():
            return _facts(now, j.JobScheduleCleared()) if state.schedule is not None else ()
        case c.Retire():
            return _facts(now, j.JobRetired(reason=command.reason))
        case _:
            assert_never(command)


def _scheduled(state: JobState, schedule: Schedule, now: datetime) -> list[JobEvent]:
    """Set a schedule; its new instants that have passed already will not be fired."""
    known = state.schedule.at if state.schedule is not None else ()
    past = sorted(at.astimezone(UTC) for at in schedule.at if at <= now and at not in known)
    reason = "it had passed when the schedule was set"
    skipped = (j.JobScheduleSkipped(due_at=at, reason=reason) for at in past)
    return [j.JobScheduleSet(schedule=schedule), *skipped]


def _is_due(state: JobState, due_at: datetime) -> bool:
    """Whether a due time of the schedule is still to be handled."""
    handled = state.schedule_after
    return state.schedule is not None and (handled is None or due_at > handled)


def is_reserved(job_id: str) -> bool:
    """Whether only the ledger itself may define, change or retire this job."""
    return job_id.startswith(RESERVED_PREFIX)


def _define(state: JobState | None, command: c.Define, now: datetime) -> Decision:
    if is_reserved(command.job_id) and not command.by_ledger:
        return JobReserved(job_id=command.job_id)
    if state is not None and not state.retired:
        same = state.definition == command.definition
        return () if same else JobExists(job_id=command.job_id)
    defined = j.JobDefined(uuid=command.uuid, job_id=command.job_id, definition=command.definition)
    return flaw(command.job_id, command.definition) or _facts(now, defined)


def flaw(job_id: str, definition: Definition) -> JobInvalid | None:
    """Name what no set of other jobs could make right in a definition."""
    seen: set[str] = set()
    for place, step in enumerate(definition.steps):
        if step.step_id in seen:
            reason = f"step id {step.step_id!r} is used twice"
            return JobInvalid(job_id=job_id, path=f"steps[{place}].step_id", reason=reason)
        seen.add(step.step_id)
        if (step.include is None) == (not step.step_type_id):
            reason = "give either step_type_id or include"
            return JobInvalid(job_id=job_id, path=f"steps[{place}]", reason=reason)
    names = [parameter.name for parameter in definition.parameters]
    for place, name in enumerate(names):
        if name in names[:place]:
            reason = f"parameter {name!r} is declared twice"
            return JobInvalid(job_id=job_id, path=f"parameters[{place}].name", reason=reason)
    return None


def _facts(now: datetime, *events: JobEvent) -> Facts:
    return tuple(Fact(event, now) for event in events)
