"""What can be asked of an execution."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct

from ledger.events import executions as x
from ledger.events.definition import Labels, Tags, Text

Index = Annotated[int, Meta(ge=1, le=10_000, description="Place of a step in the plan, from 1.")]
Instant = Annotated[datetime, Meta(tz=True)]
ExitCode = Annotated[str, Meta(max_length=100)]


class StepStarted(
    Struct, frozen=True, kw_only=True, tag="step.started", forbid_unknown_fields=True
):
    """A step began."""

    index: Index
    occurred_at: Instant | None = None


class StepProgressed(
    Struct, frozen=True, kw_only=True, tag="step.progressed", forbid_unknown_fields=True
):
    """A step came further."""

    index: Index
    progress: x.Progress
    occurred_at: Instant | None = None


class StepFinished(
    Struct, frozen=True, kw_only=True, tag="step.finished", forbid_unknown_fields=True
):
    """A step ended."""

    index: Index
    outcome: x.Outcome
    exit_code: ExitCode | None = None
    message: Text = ""
    progress: x.Progress | None = None
    log: Annotated[str, Meta(max_length=65_536)] = ""
    occurred_at: Instant | None = None


class Progressed(
    Struct, frozen=True, kw_only=True, tag="progressed", forbid_unknown_fields=True, gc=False
):
    """The execution came further."""

    progress: x.Progress
    occurred_at: Instant | None = None


class Produced(
    Struct, frozen=True, kw_only=True, tag="output", forbid_unknown_fields=True, gc=False
):
    """The execution produced something."""

    output: Any = None
    attachments: tuple[x.Attachment, ...] | None = None
    metrics: dict[str, float] | None = None
    occurred_at: Instant | None = None


class Paused(Struct, frozen=True, kw_only=True, tag="paused", forbid_unknown_fields=True, gc=False):
    """The worker stopped where it was asked to pause, and lets go."""

    occurred_at: Instant | None = None


class Canceled(
    Struct, frozen=True, kw_only=True, tag="canceled", forbid_unknown_fields=True, gc=False
):
    """The worker stopped because it was asked to cancel, and lets go."""

    message: Text = ""
    occurred_at: Instant | None = None


class HandedBack(
    Struct, frozen=True, kw_only=True, tag="handed_back", forbid_unknown_fields=True, gc=False
):
    """The worker lets go of unfinished work (it is being stopped itself)."""

    occurred_at: Instant | None = None


class Finished(
    Struct, frozen=True, kw_only=True, tag="finished", forbid_unknown_fields=True, gc=False
):
    """The work ended; without an outcome the worst of the steps' counts."""

    outcome: x.Outcome | None = None
    exit_code: ExitCode | None = None
    message: Text = ""
    input_at_fault: bool = False
    occurred_at: Instant | None = None


Report: TypeAlias = (
    StepStarted
    | StepProgressed
    | StepFinished
    | Progressed
    | Produced
    | Paused
    | Canceled
    | HandedBack
    | Finished
)


class Create(Struct, frozen=True, kw_only=True, gc=False):
    """Bring an execution into being; its plan is expanded already."""

    created: x.ExecutionCreated
    run_at: Instant | None = None
    upstreams_done: bool = False
    """Everything in `waits_for` has ended well already."""
    dispatch_at_once: bool = False
    """Record the start in the same append; a worker takes it later."""
    slot: int = 0
    """The place among its job's running ones that a start in the same append takes."""
    occurred_at: Instant | None = None


class Start(Struct, frozen=True, kw_only=True, gc=False):
    """Give the execution to a worker, under a new lease."""

    worker: str
    lease: UUID
    slot: int = 0
    """The place among its job's running ones that it takes, if it has none yet."""


class Release(Struct, frozen=True, kw_only=True, gc=False):
    """What it waited for has come."""


class Reports(Struct, frozen=True, kw_only=True, gc=False):
    """What the owner of a lease, or a recorder (`fence` None), tells; taken whole or not at all."""

    reports: tuple[Report, ...]
    fence: int | None = None
    worker: str = ""


class Pause(Struct, frozen=True, kw_only=True, gc=False):
    """Ask it to pause."""

    reason: str = ""


class Resume(Struct, frozen=True, kw_only=True, gc=False):
    """Let it go on."""


class Cancel(Struct, frozen=True, kw_only=True, gc=False):
    """Ask it to stop."""

    reason: str = ""
    cause: Literal["user", "upstream_failed"] = "user"


class Describe(Struct, frozen=True, kw_only=True, gc=False):
    """Change its words; None leaves a field as it is."""

    name: Annotated[str, Meta(max_length=256)] | None = None
    description: Text | None = None
    tags: Tags | None = None
    labels: Labels | None = None


class Delete(Struct, frozen=True, kw_only=True, gc=False):
    """Hide it from views."""

    reason: str = ""


class Erase(Struct, frozen=True, kw_only=True, gc=False):
    """Remove for good what its events say; that it was, and when, stays."""

    reason: str = ""
    files: tuple[str, ...] = ()
    """Ids of stored files to remove with it."""


class LoseLease(Struct, frozen=True, kw_only=True, gc=False):
    """The lease of this fence has expired."""

    fence: int


class Tick(Struct, frozen=True, kw_only=True, gc=False):
    """Time passed: do what is due."""


OnExisting: TypeAlias = (
    Start
    | Release
    | Reports
    | Pause
    | Resume
    | Cancel
    | Describe
    | Delete
    | Erase
    | LoseLease
    | Tick
)
"""What can be asked of an execution that is there."""

Command: TypeAlias = Create | OnExisting
