"""Facts about a job: `job/<organization>/<job id>`. Stored for ever; add, never change."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from ledger.events.definition import Definition, Schedule


class JobDefined(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A job came to be. The envelope's `number` is the job's number."""

    uuid: UUID
    job_id: str
    definition: Definition


class JobChanged(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The definition was replaced; executions that exist keep the one they were created with."""

    definition: Definition


class JobScheduleSet(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The job runs by itself from now on, as the schedule says."""

    schedule: Schedule


class JobScheduleCleared(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The job no longer runs by itself."""


class JobScheduleSkipped(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A due time passed without an execution, for the given reason."""

    due_at: datetime
    reason: str


class JobScheduleFired(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A due time came, and its execution was created in the same append."""

    due_at: datetime
    execution: UUID


class JobFollowSkipped(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An upstream's execution ended well and this job did not follow, for the given reason."""

    upstream: UUID
    """The execution that ended."""
    reason: str


class JobRetired(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The job can no longer be run; its history stays."""

    reason: str = ""


JobEvent = (
    JobDefined
    | JobChanged
    | JobScheduleSet
    | JobScheduleCleared
    | JobScheduleSkipped
    | JobScheduleFired
    | JobFollowSkipped
    | JobRetired
)
