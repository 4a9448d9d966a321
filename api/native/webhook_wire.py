"""Requests and answers of `/v1/webhooks`, as types; see `api.native.wire` for what holds of all."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from api.native.consumer_wire import Description, Position
from api.webhooks.hooks import RETRY_DELAYS_S, TIMEOUT_S
from ledger.events.definition import JobIdText

WebhookName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")]
Url = Annotated[str, Meta(min_length=1, max_length=2000)]
TimeoutS = Annotated[float, Meta(ge=1, le=30)]
RetryDelays = Annotated[tuple[Annotated[float, Meta(ge=0, le=86_400)], ...], Meta(max_length=50)]
SecretText = Annotated[str, Meta(max_length=200)]
Delivered = Literal["delivered", "retrying", "parked", "gone", "lost", "failed"]


class WebhookPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Have events brought to an address."""

    name: WebhookName
    url: Url
    start: Position | Literal["beginning", "end"] = "end"
    """Which events are the first: those behind this position."""
    types: Annotated[tuple[Annotated[str, Meta(max_length=100)], ...], Meta(max_length=100)] = ()
    """Only these event types; for ever."""
    job_id: JobIdText | None = None
    """Only this job's events and its executions'; for ever."""
    description: Description = ""
    timeout_s: TimeoutS = TIMEOUT_S
    retry_delays_s: RetryDelays = RETRY_DELAYS_S
    """Waits between attempts; when they are used up the execution is parked."""
    secret: SecretText | None = None
    """`whsec_…` with 24 to 64 bytes in base64; made up when absent."""


class WebhookPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Change a webhook (RFC 7396); its filter never changes."""

    url: Url | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    timeout_s: TimeoutS | UnsetType = UNSET
    retry_delays_s: RetryDelays | UnsetType = UNSET


class SecretView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That there is a secret which signs; never the secret."""

    made_at: datetime
    expires_at: datetime | None = None


class WebhookView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A webhook and how it fares."""

    name: str
    organization: str
    url: str
    state: Literal["enabled", "disabled"]
    position: int
    """Everything up to here was brought, except for what is set aside."""
    head: int
    lag: int
    parked: int
    retrying: int
    timeout_s: float
    retry_delays_s: tuple[float, ...]
    created_at: datetime
    created_by: str
    modified_at: datetime
    reason: str = ""
    """Why it is disabled: `gone` (410), `failing` (for 5 days), or what somebody said."""
    failures: int = 0
    """In a row, whatever the event."""
    failing_since: datetime | None = None
    paused_s: float | None = None
    """The address failed repeatedly and is left alone for so long yet."""
    last_error: str = ""
    last_success_at: datetime | None = None
    types: tuple[str, ...] = ()
    job_id: str | None = None
    description: str = ""
    secrets: tuple[SecretView, ...] = ()
    """Those that sign, newest first; only when one webhook is shown."""


class WebhookList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of webhooks."""

    webhooks: tuple[WebhookView, ...]
    head: int
    next: str | None = None


class WebhookMade(Struct, frozen=True, kw_only=True):
    """A new webhook; its secret is shown this once."""

    webhook: WebhookView
    secret: str


class SecretPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Give a webhook another secret."""

    secret: SecretText | None = None
    """Made up when absent."""
    expire_others_after_s: Annotated[float, Meta(ge=0, le=30 * 86_400)] = 86_400.0
    """For so long the secrets before it go on signing beside it."""


class SecretMade(Struct, frozen=True, kw_only=True):
    """The new secret, shown this once."""

    secret: str


class DisablePost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stop sending; the position stays."""

    reason: Annotated[str, Meta(max_length=200)] = "by hand"


class ReplayFrom(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bring again all events behind a position."""

    position: Position | Literal["beginning", "end"]


class AttemptView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt, without body and secret."""

    message: str
    """The webhook-id: the event's id."""
    type: str
    attempt: int
    outcome: Delivered
    duration_ms: int
    at: datetime
    position: int | None = None
    """The event's; absent for a test."""
    stream: str = ""
    status: int | None = None
    """What the receiver answered; absent when it did not."""
    error: str = ""
    """`status`, `redirect-refused`, `timeout`, `connect`, `tls`, `name-unknown`, `target-refused`,
    `connection-lost` or `bad-answer`; empty on success."""


class AttemptList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of attempts, newest first."""

    deliveries: tuple[AttemptView, ...]
    next: str | None = None
