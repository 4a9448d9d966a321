"""What surrounds every fact: who, when, where in the log, and the digest of its data."""

from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from msgspec import Struct

from ledger.errors import Corrupt

E = TypeVar("E", covariant=True)


class Fact(Struct, Generic[E], frozen=True, gc=False):
    """An event that was decided and is not yet in the log."""

    event: E
    occurred_at: datetime


class Recorded(Struct, Generic[E], frozen=True, kw_only=True, gc=False):
    """An event in the log, decoded."""

    position: int
    """Place in the whole log: 1-based, gapless."""
    stream: str
    version: int
    """Place in its stream: 1-based, gapless."""
    event_id: UUID
    type: str
    schema_version: int
    organization: str
    actor: str
    """Who did it: the name of the key that was shown, or `ledger` itself."""
    occurred_at: datetime
    """When it happened, as told by the reporter; defaults to when it was decided."""
    recorded_at: datetime
    """The ledger's clock; never decreases with position."""
    correlation_id: UUID | None
    """The request that led to it."""
    causation_id: UUID | None
    """The event that led to it."""
    number: int | None
    """Ledger-wide ordinal of what the event brings into being (execution, step, job), if it does."""
    data_digest: bytes
    """SHA-256(salt ‖ data)."""
    event: E
    """The fact; in a row of the log it may also be `Erased` or `Unreadable`."""


class Erased(Struct, frozen=True, gc=False):
    """Stands for an event whose data was removed: only the envelope is left."""


class Unreadable(Struct, frozen=True):
    """Stands for an event whose data this process cannot decode, and says why."""

    error: Corrupt
