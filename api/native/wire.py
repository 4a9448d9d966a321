"""Requests and answers of the native API, as types; OpenAPI is generated from them.

Unknown fields in a request are refused. In answers absent and null mean the same: not known.
Instants are RFC 3339 in UTC; durations are seconds.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ledger.events.definition import (
    Definition,
    JobIdText,
    Labels,
    RetryPolicy,
    Schedule,
    Tags,
    Text,
)
from ledger.events.executions import Argument, Attachment, Cause, Outcome, Progress
from ledger.events.keys import Role
from ledger.executions.changes import Change
from ledger.executions.commands import Report
from ledger.executions.state import Status, StepStatus, WaitingFor

ShortText = Annotated[str, Meta(max_length=256)]
Reason = Annotated[str, Meta(max_length=1000)]
WorkerName = Annotated[str, Meta(min_length=1, max_length=200)]
OrganizationName = Annotated[
    str,
    Meta(
        pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._@:-]{0,99})\Z",
        description="An organization's name; `*` stands for all.",
    ),
]
Requests: TypeAlias = tuple[Literal["cancel", "pause"], ...]


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    request_id: str = ""
    path: str | None = None
    """Where in the request the fault lies, for example `$.steps[2].with`."""
    execution: UUID | None = None
    job_id: str | None = None
    retry_after_s: float | None = None
    current: Any = None


class JobPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Define a job under the id it carries."""

    job_id: JobIdText
    definition: Definition
    schedule: Schedule | None = None


class JobCounts(Struct, frozen=True, kw_only=True):
    """How many of a job's executions stand how."""

    open: int = 0
    ok: int = 0
    warning: int = 0
    error: int = 0
    aborted: int = 0


class LastRun(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job's newest execution that was not deleted."""

    uuid: UUID
    number: int
    status: Status
    created_at: datetime
    outcome: Outcome | None = None
    ended_at: datetime | None = None


class JobView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job as it is now."""

    job_id: str
    uuid: UUID
    number: int
    oid: str
    organization: str
    definition: Definition
    created_at: datetime
    modified_at: datetime
    version: int
    position: int
    schedule: Schedule | None = None
    next_due_at: tuple[datetime, ...] = ()
    retired: bool = False
    last: LastRun | None = None
    """Told in lists."""
    counts: JobCounts | None = None
    """Told in lists."""


class ExecutionPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Run a job."""

    parameters: Annotated[tuple[Argument, ...], Meta(max_length=200)] = ()
    input: Any = None
    name: ShortText = ""
    description: Text = ""
    tags: Tags | UnsetType = UNSET
    """The job's tags when absent."""
    labels: Labels | UnsetType = UNSET
    run_at: datetime | None = None
    waits_for: Annotated[tuple[UUID, ...], Meta(max_length=1000)] = ()
    """Executions that must end well before this one may start."""
    attributes: dict[str, Any] = {}


class ExecutionPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Change the words of an execution (RFC 7396); null empties a field."""

    name: ShortText | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    tags: Tags | UnsetType | None = UNSET
    labels: dict[str, str | None] | UnsetType | None = UNSET


class ReasonPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why something is asked."""

    reason: Reason = ""


class Next(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who must act next, by when, and what the ledger does when that passes."""

    who: str
    at: datetime
    otherwise: str = ""


class StepView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of an execution."""

    index: int
    step_id: str
    step_type_id: str
    status: StepStatus
    scope: str
    step_type_info: str = ""
    description: str = ""
    settings: dict[str, Any] = field(name="with", default_factory=dict)
    included_from: str | None = None
    timeout_s: float | None = None
    retry: RetryPolicy = RetryPolicy()
    number: int | None = None
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    modified_at: datetime | None = None
    outcome: Outcome | None = None
    exit_code: str = ""
    message: str = ""
    progress: Progress = Progress()
    log: str = ""


class ExecutionView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An execution as it is at `position` of the log."""

    uuid: UUID
    number: int
    oid: str
    job_id: str
    organization: str
    status: Status
    created_at: datetime
    modified_at: datetime
    attempt: int
    version: int
    position: int
    previous_status: Status | None = None
    waiting_for: WaitingFor | None = None
    ready_at: datetime | None = None
    next: Next | None = None
    outcome: Outcome | None = None
    exit_code: str = ""
    message: str = ""
    cause: Cause | None = None
    is_restart: bool = False
    restart_of: UUID | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: int | None = None
    worker: str = ""
    fence: int = 0
    progress: Progress = Progress()
    steps: tuple[StepView, ...] = ()
    parameters: tuple[Argument, ...] = ()
    input: Any = None
    output: Any = None
    attachments: tuple[Attachment, ...] = ()
    metrics: dict[str, float] = {}
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    attributes: dict[str, Any] = {}
    trigger: str = ""
    client_id: str = ""
    user: str = ""
    plan: UUID | None = None
    waits_for: tuple[UUID, ...] = ()
    deleted: bool = False
    erased: bool = False


class ActiveView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An open execution, in short."""

    uuid: UUID
    number: int
    oid: str
    job_id: str
    organization: str
    status: Status
    created_at: datetime
    waiting_for: WaitingFor | None = None
    ready_at: datetime | None = None
    started_at: datetime | None = None
    worker: str = ""
    attempt: int = 1
    progress: Progress = Progress()
    waits_for: tuple[UUID, ...] = ()
    """Executions that must end well before it may start, while it waits for them."""
    seconds_left: float | None = None
    """Estimated from the job's own finished executions; absent when there are none."""
    next: Next | None = None
    erased: bool = False
    """As of then it was open; since then it was erased, and this is what is left."""
    damaged: bool = False
    """Not all of its events can be read; this is how it stood as far as they can."""


class HistoryView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a job's history; deleted executions are marked, for auditors."""

    uuid: UUID
    number: int
    oid: str
    job_id: str
    status: Status
    created_at: datetime
    attempt: int = 1
    outcome: Outcome | None = None
    cause: Cause | None = None
    exit_code: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: int | None = None
    is_restart: bool = False
    user: str = ""
    trigger: str = ""
    deleted: bool = False


class EventView(Struct, frozen=True, kw_only=True):
    """An event with its envelope, as its line in the stream says it; `data` as it was recorded."""

    position: int
    stream: str
    version: int
    event_id: UUID
    type: str
    schema_version: int
    organization: str
    actor: str
    occurred_at: datetime
    recorded_at: datetime
    correlation_id: UUID | None
    causation_id: UUID | None
    number: int | None
    data_digest: str
    """Hex SHA-256 over salt and data."""
    salt: str | None = None
    """Hex; null, with the data, once erased."""
    data: Any


class CloudEvent(Struct, frozen=True, kw_only=True):
    """An event as CloudEvents 1.0 has it."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    """The stream."""
    time: datetime
    """When it happened."""
    sequence: str
    """The position in twenty digits."""
    datacontenttype: str
    data: EventView


class EventPage(Struct, frozen=True, kw_only=True):
    """Events in position order, and where to go on."""

    events: tuple[EventView, ...]
    next_after: int
    head: int


class ChangeView(Struct, kw_only=True, omit_defaults=True):
    """An event of an execution, and what it changed; the newest value of a part is its `to`."""

    position: int
    """Ask for the execution `as_of` this to see it whole."""
    version: int
    type: str
    actor: str
    occurred_at: datetime
    recorded_at: datetime
    number: int | None = None
    changes: tuple[Change, ...] = ()
    problem: str = ""
    """Why nothing can be told of what it changed."""


class ChangePage(Struct, frozen=True, kw_only=True):
    """Events of one execution, oldest first, and where to go on."""

    events: tuple[ChangeView, ...]
    next_after: int
    more: bool
    """Whether there are more events already."""


class JobList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of jobs."""

    jobs: tuple[JobView, ...]
    position: int
    next: str | None = None


class ExecutionList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of executions, newest first."""

    executions: tuple[ExecutionView, ...]
    position: int
    next: str | None = None
    total: int | None = None


class ActiveList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Open executions, newest first."""

    executions: tuple[ActiveView, ...]
    position: int
    next: str | None = None


class HistoryList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job's executions, newest first."""

    executions: tuple[HistoryView, ...]
    position: int
    next: str | None = None


class ReportsPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reports of one execution, taken whole or not at all.

    Under a lease `fence` is required; a recorder, for work run elsewhere, gives none.
    """

    reports: Annotated[tuple[Report, ...], Meta(min_length=1, max_length=1000)]
    fence: Annotated[int, Meta(ge=1)] | None = None
    worker: Annotated[str, Meta(max_length=200)] = ""


class ReportsTaken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reports were taken, or were known already."""

    execution: UUID
    status: Status
    version: int
    position: int
    requests: Requests = ()
    """What users asked of the worker meanwhile."""


class ClaimPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A worker asks for work it can do."""

    worker: WorkerName
    step_types: Annotated[tuple[ShortText, ...], Meta(min_length=1, max_length=500)]
    wait_s: Annotated[float, Meta(ge=0, le=30)] = 0
    limit: Annotated[int, Meta(ge=1, le=50)] = 1


class Lease(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A claimed execution: whoever reports must show its fence."""

    lease: UUID
    fence: int
    expires_at: datetime
    lease_s: float
    execution: ExecutionView


class Claimed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The work handed out; empty when there is none."""

    leases: tuple[Lease, ...]


class Heartbeat(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The lease was renewed."""

    lease: UUID
    expires_at: datetime
    requests: Requests = ()


class BulkLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of `POST /v1/reports`: what to do, and to what."""

    op: Literal["create", "report", "cancel", "pause", "resume", "delete"]
    job_id: JobIdText | None = None
    """For `create`."""
    execution: str | None = None
    """For all others: uuid, number or oid."""
    run: ExecutionPost = ExecutionPost()
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    reports: Annotated[tuple[Report, ...], Meta(max_length=1000)] = ()
    fence: Annotated[int, Meta(ge=1)] | None = None
    worker: Annotated[str, Meta(max_length=200)] = ""
    reason: Reason = ""


class BulkOutcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one line; `line` counts from 1."""

    line: int
    status: int
    execution: UUID | None = None
    number: int | None = None
    position: int | None = None
    problem: Problem | None = None


class KeyPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make an access key."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=7)]
    organizations: Annotated[tuple[OrganizationName, ...], Meta(min_length=1, max_length=100)] = (
        "default",
    )
    public_id: Annotated[str, Meta(max_length=200, pattern=r"^[A-Za-z0-9._@-]*\Z")] = ""
    """Client id or user name; made up when empty."""


class KeyView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An access key, without its secret."""

    uuid: UUID
    name: str
    public_id: str
    roles: tuple[Role, ...]
    organizations: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None


class KeyMade(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A new key; the secret is shown this once."""

    key: KeyView
    secret: str


class KeyList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of keys, newest first."""

    keys: tuple[KeyView, ...]
    position: int
    next: str | None = None


class MeView(Struct, frozen=True, kw_only=True):
    """Whose key was shown, and what it may."""

    key: UUID
    name: str
    public_id: str
    roles: tuple[Role, ...]
    organizations: tuple[str, ...]
    """`*` stands for all."""
    default_organization: str
    """Where it acts when a request does not say."""


class QuarantineView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stream that a projection could not take in."""

    stream: str
    from_position: int
    attempts: int
    error: str


class ProjectionView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a projection has come."""

    name: str
    version: int
    position: int
    lag: int
    state: str
    owner: str = ""
    error: str = ""
    rebuilding_at: int | None = None
    quarantined: int = 0
    """How many streams are set aside."""
    quarantine: tuple[QuarantineView, ...] = ()


class ProjectionList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All projections."""

    projections: tuple[ProjectionView, ...]
    head: int


class DifferenceView(Struct, frozen=True, kw_only=True):
    """A row of a view that is not what the log says: missing, surplus, or different."""

    table: str
    key: dict[str, Any]
    kind: str


class ProjectionVerified(Struct, frozen=True, kw_only=True):
    """A live view compared with a fresh fold of the log, both at `position`."""

    name: str
    position: int
    sound: bool
    differences: tuple[DifferenceView, ...]
    """At most the limit asked for, for each table."""
    quarantined: tuple[str, ...]
    """Streams set aside in the live view, which explain differences of theirs."""
    unreadable: tuple[str, ...]
    """Streams that could not be folded now."""


class VerifyLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of a verification's answer: how far it is, and in the last one what came of it."""

    position: int
    of: int
    result: ProjectionVerified | None = None
    problem: Problem | None = None


class ReplayPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take in again what was set aside: one stream, or all of them."""

    stream: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None


class ReplayedView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the replay of one stream came to."""

    stream: str
    events: int
    """How many events were applied; none if it failed again."""
    position: int
    error: str = ""
    """Why it failed again; the stream stays set aside."""


class ReplayedList(Struct, frozen=True, kw_only=True):
    """What the replays came to."""

    replayed: tuple[ReplayedView, ...]


class RebuildStarted(Struct, frozen=True, kw_only=True):
    """A projection is being built anew."""

    name: str
    state: str
