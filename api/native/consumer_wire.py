"""Requests and answers of `/v1/consumers`, as types; see `api.native.wire` for what holds of all."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from api.native.wire import EventView, Reason
from ledger.events.definition import JobIdText

MAX_LEASES = 1000

Description = Annotated[str, Meta(max_length=1000)]
LeaseS = Annotated[float, Meta(ge=1, le=3600)]
Attempts = Annotated[int, Meta(ge=1, le=1000)]
BackoffS = Annotated[float, Meta(ge=0, le=86_400)]
Position = Annotated[int, Meta(ge=0, le=2**63 - 1)]
MemberName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@:-]{0,199}\Z", description="A member's own name.")
]
LeaseText = Annotated[str, Meta(min_length=3, max_length=60)]
StreamName = Annotated[str, Meta(min_length=1, max_length=400)]


class ConsumerPut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make a consumer, or set the terms of one that is there."""

    start: Position | Literal["beginning", "end"] = "beginning"
    """Where a new one begins: behind this position. Nothing to one that is there already."""
    types: Annotated[tuple[Annotated[str, Meta(max_length=100)], ...], Meta(max_length=100)] = ()
    """Only these event types; for ever."""
    job_id: JobIdText | None = None
    """Only this job's events and its executions'; for ever."""
    with_keys: bool = False
    """Events of access keys too (auditors); for ever."""
    description: Description = ""
    lease_s: LeaseS = 30.0
    """How long a member may keep what it was handed without a sign of life."""
    max_attempts: Attempts = 5
    """Attempts after which an execution is parked."""
    backoff_s: BackoffS = 1.0
    """Wait after the first failed attempt; it doubles with each further one."""
    backoff_max_s: BackoffS = 300.0


class ConsumerPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Change the terms; the filter never changes, since positions mean something only under it."""

    description: Description | UnsetType = UNSET
    lease_s: LeaseS | UnsetType = UNSET
    max_attempts: Attempts | UnsetType = UNSET
    backoff_s: BackoffS | UnsetType = UNSET
    backoff_max_s: BackoffS | UnsetType = UNSET


class MemberView(Struct, frozen=True, kw_only=True):
    """A member that is there."""

    name: str
    shards: int
    """How many of the 64 it reads."""
    left_s: float
    """Without a sign of life it is gone in so many seconds."""


class ConsumerView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A consumer and how far it is."""

    name: str
    organization: str
    position: int
    """Nothing waits up to here, except for what is set aside."""
    scanned: int
    """The log was looked through up to here."""
    head: int
    lag: int
    """Positions from `position` to `head`."""
    member_count: int
    shards_out: int
    """Shards of which something is handed out at the moment."""
    parked: int
    """Executions (streams) that wait for somebody's decision."""
    retrying: int
    """Streams that are tried again by themselves."""
    lease_s: float
    max_attempts: int
    backoff_s: float
    backoff_max_s: float
    created_at: datetime
    created_by: str
    types: tuple[str, ...] = ()
    job_id: str | None = None
    with_keys: bool = False
    description: str = ""
    members: tuple[MemberView, ...] = ()
    """Only when one consumer is shown."""


class ConsumerList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of consumers."""

    consumers: tuple[ConsumerView, ...]
    head: int
    next: str | None = None


class PollPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for events."""

    member: MemberName = "default"
    """Who asks. Members share the executions among them."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    wait_s: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """How long to wait when nothing is there."""
    fresh: bool = False
    """The member has started anew: what it was handed before is lost to it."""


class DeliveryView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Events under one lease, in order."""

    lease: str
    """Names the delivery in acknowledgements."""
    shard: int
    attempt: int
    """How often the first event was handed out, this time included."""
    position: int
    """The last event: acknowledging up to here ends the lease."""
    lease_until: datetime
    events: tuple[EventView, ...]
    stream: str | None = None
    """Set when these are events of one stream that had been set aside."""


class Batch(Struct, frozen=True, kw_only=True):
    """What a member is handed."""

    member: str
    shards: int
    """How many of the 64 the member reads."""
    members: int
    position: int
    scanned: int
    head: int
    lag: int
    deliveries: tuple[DeliveryView, ...]


class AckPart(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done of one delivery."""

    lease: LeaseText
    position: Position | None = None
    """Up to and with this event; all of it when absent."""


class AckPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say what is done."""

    leases: Annotated[tuple[AckPart, ...], Meta(min_length=1, max_length=MAX_LEASES)]


class Acked(Struct, frozen=True, kw_only=True):
    """Which leases were acknowledged."""

    acked: tuple[str, ...]
    open: tuple[str, ...]
    """Those of them of which something is still out."""


class NackPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say that an event could not be handled.

    Its execution is set aside and tried again later, or parked; skip what the delivery holds of that
    execution behind it, it comes again. All else goes on and is acknowledged as usual.
    """

    lease: LeaseText
    position: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    reason: Reason = ""
    park: bool = False
    """At once, without further attempts."""
    retry_after_s: BackoffS | None = None
    """Instead of the consumer's own back-off."""


class Nacked(Struct, frozen=True, kw_only=True):
    """What becomes of the event."""

    outcome: Literal["retrying", "parked"]
    attempts: int


class MemberPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name a member."""

    member: MemberName = "default"


class Beat(Struct, frozen=True, kw_only=True):
    """A member is there for another lease's time."""

    lease_s: float
    leases: tuple[str, ...]
    """What it still has; whatever else it holds is lost."""


class Released(Struct, frozen=True, kw_only=True):
    """Whether the member was there."""

    released: bool


class ResetPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Go on from elsewhere: behind a position, earlier or later."""

    position: Position | Literal["beginning", "end"]


class ParkedView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stream that is set aside."""

    stream: str
    position: int
    """The event that stands in the way."""
    attempts: int
    waiting: int
    """Events of the stream behind it, which wait in order."""
    held_at: datetime
    parked_at: datetime | None = None
    retry_at: datetime | None = None
    """When it is tried again by itself; absent when parked."""
    reason: str = ""


class ParkedList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of what is set aside, oldest first."""

    streams: tuple[ParkedView, ...]
    next: str | None = None


class ReplayPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Try streams anew."""

    streams: Annotated[tuple[StreamName, ...], Meta(max_length=MAX_LEASES)] | None = None
    """All of them when absent."""


class DiscardPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Give up the event that stands in the way of each of these streams."""

    streams: Annotated[tuple[StreamName, ...], Meta(min_length=1, max_length=MAX_LEASES)]


class Treated(Struct, frozen=True, kw_only=True):
    """The streams that go on."""

    streams: tuple[str, ...]
