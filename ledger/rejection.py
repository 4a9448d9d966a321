"""Refusals by rule: values that a decider returns, which every way in must render.

A dispatch over `Rejection` ends in `assert_never`, so that a new refusal fails type-checking
wherever it is not rendered yet. Nothing changes when one is returned, with one exception:
`ReportFenced` may carry a fact to put on record.
"""

from typing import Final, TypeAlias, get_args
from uuid import UUID

from msgspec import Struct

from ledger.events.executions import ReportRefused


class JobUnknown(Struct, frozen=True):
    """There is no job of that id, or it was retired."""

    job_id: str


class JobExists(Struct, frozen=True):
    """A job of that id is defined already."""

    job_id: str


class JobReserved(Struct, frozen=True):
    """The id begins with the prefix kept for jobs that the ledger defines itself."""

    job_id: str


class JobInvalid(Struct, frozen=True):
    """The definition cannot be right by itself; `path` names the part of it."""

    job_id: str
    path: str
    reason: str


class ScheduleInvalid(Struct, frozen=True):
    """The schedule cannot be read; `path` names the part of it."""

    path: str
    reason: str


class AlreadyRunning(Struct, frozen=True):
    """The job allows one open execution at a time, and there is one."""

    job_id: str
    execution: UUID


class NotRestartable(Struct, frozen=True):
    """The job's policy refuses to run again after a failure, or this execution has not failed."""

    job_id: str
    reason: str


class RestartImpossible(Struct, frozen=True):
    """The definition changed so that the failed execution's progress fits it no longer."""

    job_id: str
    reason: str


class ParameterInvalid(Struct, frozen=True):
    """A parameter is missing, of the wrong type, or not declared."""

    name: str
    reason: str


class WrongState(Struct, frozen=True):
    """The execution's status does not allow this."""

    command: str
    status: str
    reason: str = ""


class NotFinished(Struct, frozen=True):
    """Only a closed execution can be deleted or restarted."""

    execution: UUID
    status: str


class NotCancellable(Struct, frozen=True):
    """The job's policy forbids canceling it."""

    job_id: str


class ExecutionGone(Struct, frozen=True):
    """The execution was deleted, or never was."""

    execution: UUID


class ContentErased(Struct, frozen=True):
    """What the execution was is erased; nothing more can be asked of it."""

    execution: UUID


class ReportFenced(Struct, frozen=True):
    """The reporter's hold on the execution has ended; stop working on it."""

    presented: int
    current: int
    record: ReportRefused | None = None
    """The fact to append, once for each fence that came late."""


class ReportInvalid(Struct, frozen=True):
    """A report contradicts what is known; `index` is its place in the batch, 0-based."""

    index: int
    reason: str


class KeyUnknown(Struct, frozen=True):
    """There is no such key."""

    key: str


Rejection: TypeAlias = (
    JobUnknown
    | JobExists
    | JobReserved
    | JobInvalid
    | ScheduleInvalid
    | AlreadyRunning
    | NotRestartable
    | RestartImpossible
    | ParameterInvalid
    | WrongState
    | NotFinished
    | NotCancellable
    | ExecutionGone
    | ContentErased
    | ReportFenced
    | ReportInvalid
    | KeyUnknown
)
REJECTIONS: Final[tuple[type, ...]] = get_args(Rejection)
"""The same, for `isinstance`."""
