"""Facts about one execution: `execution/<uuid>`. Stored for ever; add, never change.

When a fact happened and when it was recorded stand in its envelope, not in its data.
Steps are named by their place in the plan (`index`, 1-based): step ids may repeat per scope.
"""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from msgspec import Struct, field

from ledger.events.definition import Definition, RetryPolicy

Outcome = Literal["ok", "warning", "error"]
Cause = Literal[
    "user", "upstream_failed", "invalid_input", "timed_out", "lease_lost", "retries_exhausted"
]


class Argument(Struct, frozen=True, kw_only=True, gc=False):
    """A parameter's value in one execution; order is the caller's."""

    name: str
    value: Any = None


class PlannedStep(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One step as it will be run: inclusion expanded, one entry for each scope."""

    index: int
    step_id: str
    step_type_id: str
    step_type_info: str = ""
    description: str = ""
    settings: dict[str, Any] = field(name="with", default_factory=dict)
    scope: str = "Organization"
    included_from: str | None = None
    """Job id whose step this is, when it was included."""
    timeout_s: float | None = None
    retry: RetryPolicy = RetryPolicy()


class Attachment(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something an execution produced that lives elsewhere."""

    name: str
    uri: str
    media_type: str = ""
    size_bytes: int | None = None
    sha256: str | None = None


class Progress(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How far something has come; absent means not told. Counters are totals, not increments."""

    percent: float | None = None
    total_items: int | None = None
    processed_items: int | None = None
    failed_items: int | None = None
    success_count: int | None = None
    failure_count: int | None = None
    counters: dict[str, int] = {}
    message: str = ""


class ExecutionCreated(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An execution came to be. The envelope's `number` is the execution's number.

    `definition` is the job as it was, with `steps` expanded in the order they will be run.
    """

    uuid: UUID
    job_id: str
    job_uuid: UUID
    job_number: int
    definition: Definition
    steps: tuple[PlannedStep, ...]
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    parameters: tuple[Argument, ...] = ()
    input: Any = None
    attributes: dict[str, Any] = {}
    """Facts only one dialect speaks of (storage, workspace, locks …), under that dialect's names."""
    trigger: str = "rest"
    client_id: str = ""
    user: str = ""
    restart_of: UUID | None = None
    first_step: int = 1
    """Index of the first step to run; earlier ones were done by the execution this one restarts."""
    plan: UUID | None = None
    waits_for: tuple[UUID, ...] = ()


class ExecutionScheduled(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The execution waits until an instant."""

    run_at: datetime


class ExecutionReleased(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What it waited for (a time, its upstreams) has come: a worker may take it."""


class ExecutionStarted(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """It runs: dispatched by the ledger (fence 0), or taken by a worker under a new fence."""

    attempt: int = 1
    fence: int = 0
    worker: str = ""
    lease: UUID | None = None
    lease_s: float = 0.0
    slot: int = 0
    """Which of its job's places it takes, from 1 (`max_running`); 0: its job has no such limit."""


class ExecutionProgressed(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """It came further."""

    progress: Progress


class PauseRequested(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Somebody asked it to pause; the worker has until `deadline_at`."""

    deadline_at: datetime
    reason: str = ""


class ExecutionPaused(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """It stands still until resumed, at the latest until `limit_at`."""

    limit_at: datetime
    enforced: bool = False
    """True when the worker did not answer in time and was fenced off."""


class ExecutionResumed(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """It may go on, with the next worker that takes it."""


class CancelRequested(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Somebody asked it to stop; the worker has until `deadline_at`."""

    deadline_at: datetime
    reason: str = ""


class ExecutionCanceled(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """It was stopped for good."""

    cause: Cause = "user"
    message: str = ""
    enforced: bool = False
    """True when the worker did not answer in time and was fenced off."""


class LeaseLost(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The worker's hold ended before the work did."""

    fence: int
    worker: str = ""
    reason: Literal["expired", "handed_back"] = "expired"


class RetryScheduled(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """It will be tried again from its first unfinished step."""

    attempt: int
    run_at: datetime
    reason: Literal["failed", "lease_lost", "handed_back"] = "failed"
    message: str = ""


class ExecutionFinished(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """It came to its end."""

    outcome: Outcome
    exit_code: str
    message: str = ""
    cause: Cause | None = None


class ExecutionDescribed(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Its words were changed; absent fields stay as they were."""

    name: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    labels: dict[str, str] | None = None


class OutputSet(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What it produced; given fields replace what was there."""

    output: Any = None
    attachments: tuple[Attachment, ...] | None = None
    metrics: dict[str, float] | None = None


class ExecutionDeleted(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Hidden from views; its history stays for auditors."""

    reason: str = ""


class ExecutionErased(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The content of its events was removed; entries, digests and proofs stay valid."""

    reason: str = ""
    up_to_version: int = 0
    """Everything up to here in the stream has lost its content: so many events."""
    from_position: int = 0
    to_position: int = 0
    outcome: Outcome | None = None
    """How it had ended, because others may wait for that; None when it was canceled."""
    files: tuple[str, ...] = ()
    """Ids of stored files that nothing else names, and that are removed with it."""


class StepStarted(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A step began. The envelope's `number` is the step execution's number."""

    index: int
    attempt: int = 1


class StepProgressed(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A step came further."""

    index: int
    progress: Progress


class StepFinished(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A step ended."""

    index: int
    outcome: Outcome
    exit_code: str
    attempt: int = 1
    message: str = ""
    progress: Progress | None = None
    log: str = ""
    """Last part of what the step printed."""


class ReportRefused(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A report came from a worker whose hold had ended: refused, but on record."""

    fence: int
    worker: str = ""
    reports: tuple[str, ...] = ()
    """The kinds of the reports that were refused, in order."""


ExecutionEvent = (
    ExecutionCreated
    | ExecutionScheduled
    | ExecutionReleased
    | ExecutionStarted
    | ExecutionProgressed
    | PauseRequested
    | ExecutionPaused
    | ExecutionResumed
    | CancelRequested
    | ExecutionCanceled
    | LeaseLost
    | RetryScheduled
    | ExecutionFinished
    | ExecutionDescribed
    | OutputSet
    | ExecutionDeleted
    | ExecutionErased
    | StepStarted
    | StepProgressed
    | StepFinished
    | ReportRefused
)
CLOSING: Final = (ExecutionFinished, ExecutionCanceled)
"""What ends an execution's life; nothing opens it again."""
