"""A job as its events say it is."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from ledger.errors import Corrupt
from ledger.events import jobs as j
from ledger.events.definition import Definition, Schedule
from ledger.events.envelope import Recorded
from ledger.events.jobs import JobEvent


class JobState(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One job, folded up to `version`."""

    uuid: UUID
    number: int
    job_id: str
    organization: str
    definition: Definition
    created_at: datetime
    modified_at: datetime
    position: int
    version: int
    schedule: Schedule | None = None
    schedule_after: datetime | None = None
    """Due times up to here were fired, skipped, or before the schedule."""
    scheduled: UUID | None = None
    """The last execution that the schedule made."""
    retired: bool = False


def evolve(state: JobState | None, fact: Recorded[JobEvent]) -> JobState:
    """Take one more event into account.

    Order: facts of one stream, by version, without a gap; the first is `job.defined`.
    """
    event = fact.event
    if isinstance(event, j.JobDefined):
        return JobState(
            uuid=event.uuid,
            number=fact.number or 0,
            job_id=event.job_id,
            organization=fact.organization,
            definition=event.definition,
            created_at=fact.occurred_at,
            modified_at=fact.recorded_at,
            position=fact.position,
            version=fact.version,
        )
    if state is None:
        message = f"{fact.type} is out of place in stream {fact.stream}"
        raise Corrupt(message)
    state = replace(
        state, position=fact.position, version=fact.version, modified_at=fact.recorded_at
    )
    match event:
        case j.JobChanged():
            return replace(state, definition=event.definition)
        case j.JobScheduleSet():
            after = max(state.schedule_after or fact.occurred_at, fact.occurred_at)
            return replace(state, schedule=event.schedule, schedule_after=after)
        case j.JobScheduleCleared():
            return replace(state, schedule=None)
        case j.JobScheduleSkipped():
            after = max(state.schedule_after or event.due_at, event.due_at)
            return replace(state, schedule_after=after)
        case j.JobScheduleFired():
            return replace(state, schedule_after=event.due_at, scheduled=event.execution)
        case j.JobFollowSkipped():
            return state
        case j.JobRetired():
            return replace(state, retired=True, schedule=None)
        case _:
            assert_never(event)
