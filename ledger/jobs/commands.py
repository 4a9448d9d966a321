"""What can be asked of a job."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from msgspec import Struct

from ledger.events.definition import Definition, Schedule


class Define(Struct, frozen=True, kw_only=True):
    """Bring a job into being; refused if it is there, unless its definition is the same."""

    uuid: UUID
    job_id: str
    definition: Definition
    by_ledger: bool = False
    """The ledger itself defines its system jobs, whose ids nobody else may take."""


class Change(Struct, frozen=True, kw_only=True):
    """Replace the definition."""

    definition: Definition
    by_ledger: bool = False


class SetSchedule(Struct, frozen=True, kw_only=True):
    """Let the job run by itself."""

    schedule: Schedule


class ClearSchedule(Struct, frozen=True, kw_only=True):
    """Let the job no longer run by itself."""


class Retire(Struct, frozen=True, kw_only=True):
    """Let the job never run again; what is open runs to its end."""

    reason: str = ""
    by_ledger: bool = False


class Fire(Struct, frozen=True, kw_only=True):
    """Record that a due time has its execution."""

    due_at: datetime
    execution: UUID


class Skip(Struct, frozen=True, kw_only=True):
    """Record that due times pass without an execution."""

    due_at: tuple[datetime, ...]
    reason: str


class NotFollow(Struct, frozen=True, kw_only=True):
    """Record that the job does not follow an upstream's execution."""

    upstream: UUID
    reason: str


OnExisting: TypeAlias = Change | SetSchedule | ClearSchedule | Fire | Skip | NotFollow | Retire
"""What can be asked of a job that is there."""

Command: TypeAlias = Define | OnExisting
