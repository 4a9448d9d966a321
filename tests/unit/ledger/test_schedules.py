"""When a job is due: daylight saving, what has been handled, and what is on record."""

from datetime import UTC, datetime, timedelta

from hypothesis import given as over
from hypothesis import strategies as st

from ledger.events import jobs as j
from ledger.events.definition import Schedule
from ledger.jobs import commands as c
from ledger.jobs.schedule import due_times, due_until, look_again_at, next_due_times
from tests.unit.ledger.spec import NOW, UUID_1, after
from tests.unit.ledger.test_jobs import defined, job

MINUTELY = Schedule(cron="* * * * *")
BERLIN = "Europe/Berlin"


def test_fired_and_skipped_once() -> None:
    """Each due time has one outcome; repeating is nothing, and the next one is due."""
    life = job(defined()).when(c.SetSchedule(schedule=MINUTELY))
    first, second = after(60), after(120)
    assert look_again_at(life.state) == first
    assert due_until(life.state, after(130), 10) == (first, second)
    life.when(c.Fire(due_at=first, execution=UUID_1), at_s=60)
    life.then(j.JobScheduleFired(due_at=first, execution=UUID_1))
    life.when(c.Fire(due_at=first, execution=UUID_1), at_s=61).then()
    life.when(c.Skip(due_at=(first, second), reason="r"), at_s=121)
    life.then(j.JobScheduleSkipped(due_at=second, reason="r"))
    life.when(c.Skip(due_at=(second,), reason="r"), at_s=122).then()
    life.leads_to(schedule_after=second, scheduled=UUID_1)
    assert due_until(life.state, after(130), 10) == ()
    assert look_again_at(life.state) == after(180)


def test_without_a_schedule_nothing_is_due() -> None:
    """Neither before one is set, nor after it is cleared."""
    life = job(defined())
    assert look_again_at(life.state) is None
    life.when(c.Fire(due_at=NOW, execution=UUID_1)).then()
    life.when(c.SetSchedule(schedule=MINUTELY)).when(c.ClearSchedule())
    assert (look_again_at(life.state), due_until(life.state, after(600), 5)) == (None, ())


def test_paused_is_due_but_not_shown() -> None:
    """Due times of a paused schedule pass on record, and none is announced."""
    paused = Schedule(cron="* * * * *", paused=True)
    life = job(defined()).when(c.SetSchedule(schedule=paused))
    assert look_again_at(life.state) == after(60)
    assert next_due_times(paused, NOW, 3) == ()


def test_an_instant_that_has_passed() -> None:
    """It is on record at once, unless the schedule had it before."""
    old, new = after(-60), after(60)
    life = job(defined()).when(c.SetSchedule(schedule=Schedule(at=(new, old))))
    reason = "it had passed when the schedule was set"
    life.then(
        j.JobScheduleSet(schedule=Schedule(at=(new, old))),
        j.JobScheduleSkipped(due_at=old, reason=reason),
    )
    again = Schedule(at=(new, old), overlap="queue")
    life.when(c.SetSchedule(schedule=again)).then(j.JobScheduleSet(schedule=again))
    assert look_again_at(life.state) == new


def test_set_inside_a_repeated_hour() -> None:
    """A wall clock's time names two instants then; the one that has passed is not due again."""
    schedule = Schedule(cron="30 2 * * *", time_zone=BERLIN)
    second_pass = datetime(2026, 10, 25, 1, 20, tzinfo=UTC)  # 2:20 for the second time
    assert next_due_times(schedule, second_pass, 1) == (datetime(2026, 10, 26, 1, 30, tzinfo=UTC),)


def test_a_follower_says_why_not() -> None:
    """Each upstream's end may leave a reason."""
    skip = c.NotFollow(upstream=UUID_1, reason="r")
    life = job(defined()).when(skip).then(j.JobFollowSkipped(upstream=UUID_1, reason="r"))
    life.leads_to(version=2)


@over(
    st.sampled_from(["30 2 * * *", "*/15 * * * *", "0 */6 * * *", "*/30 * * * * *", "59 23 L * *"]),
    st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_due_times_ascend(cron: str, zone: str, start: datetime) -> None:
    """Later than asked for, each later than the one before, and the same from anywhere between."""
    schedule = Schedule(cron=cron, time_zone=zone)
    dues = next_due_times(schedule, start, 6)
    assert all(one < other for one, other in zip((start, *dues), dues, strict=False))
    between = dues[2] + timedelta(microseconds=1)
    assert next(due_times(schedule, between)) == dues[3]
    assert next(due_times(schedule, dues[2])) == dues[3]
