"""What can be asked of a job."""

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


OnExisting: TypeAlias = Change | SetSchedule | ClearSchedule | Retire
"""What can be asked of a job that is there."""

Command: TypeAlias = Define | OnExisting
