"""Reading a schedule: whether it can be kept, and when it is due next.

Cron expressions are read by `cronsim`, which treats daylight-saving changes as Debian's cron does:
a fixed time inside a skipped hour runs right after the gap, one inside a repeated hour runs once.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from ledger.events.definition import Schedule
from ledger.jobs.state import JobState
from ledger.rejection import ScheduleInvalid


def check(schedule: Schedule) -> ScheduleInvalid | None:
    """Tell what is wrong with a schedule, or None."""
    try:
        zone = ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ScheduleInvalid(
            path="time_zone", reason=f"{schedule.time_zone!r} is not an IANA time zone"
        )
    if schedule.cron is None and not schedule.at:
        return ScheduleInvalid(path="cron", reason="give a cron expression or instants in `at`")
    if any(instant.tzinfo is None for instant in schedule.at):
        return ScheduleInvalid(path="at", reason="an instant has no time zone offset")
    if schedule.cron is not None:
        try:
            CronSim(schedule.cron, datetime.min.replace(year=2000, tzinfo=zone))
        except CronSimError as error:
            return ScheduleInvalid(path="cron", reason=f"{schedule.cron!r}: {error}")
    return None


def due_times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield the due times later than *after*, ascending, in UTC; also while paused."""
    instants = sorted(instant.astimezone(UTC) for instant in schedule.at if instant > after)
    if schedule.cron is None:
        yield from instants
        return
    for due in CronSim(schedule.cron, after.astimezone(ZoneInfo(schedule.time_zone))):
        at = due.astimezone(UTC)
        if at <= after:
            continue  # inside a repeated hour a wall clock's time names an earlier instant too
        while instants and instants[0] < at:
            yield instants.pop(0)
        if instants and instants[0] == at:
            instants.pop(0)
        yield at
    yield from instants


def next_due_times(schedule: Schedule, after: datetime, count: int) -> tuple[datetime, ...]:
    """Give the first *count* due times later than *after* that will be fired: none while paused."""
    return () if schedule.paused else tuple(islice(due_times(schedule, after), count))


def due_until(state: JobState, now: datetime, limit: int) -> tuple[datetime, ...]:
    """Give the due times of a job that have come and were neither fired nor skipped yet."""
    if state.schedule is None or state.schedule_after is None:
        return ()
    dues = due_times(state.schedule, state.schedule_after)
    return tuple(islice(takewhile(lambda due: due <= now, dues), limit))


def look_again_at(state: JobState) -> datetime | None:
    """Say when the timer is to look at a job: at its next due time, paused or not."""
    if state.schedule is None or state.schedule_after is None:
        return None
    return next(due_times(state.schedule, state.schedule_after), None)
