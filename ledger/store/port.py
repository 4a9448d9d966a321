"""What the store takes and gives, in types; `append`, `postgres` and `tail` do the work."""

from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from msgspec import Struct

from ledger.events.codec import Event
from ledger.events.envelope import Fact, Recorded

AnyRecorded: TypeAlias = Recorded[Any]


class Context(Struct, frozen=True, kw_only=True, gc=False):
    """Who asks, for whom, and why: what every event of one append has in common."""

    organization: str
    actor: str
    correlation_id: UUID | None = None
    causation_id: UUID | None = None


class StreamWrite(Struct, frozen=True, kw_only=True, gc=False):
    """Facts to append to one stream, on the condition that it is at `expected_version`.

    No facts make it a condition only: the stream was read at that version and must still be there.
    """

    stream: str
    expected_version: int
    """0: the stream must not exist."""
    facts: tuple[Fact[Event], ...] = ()
    due_at: datetime | None = None
    """When the ledger's timer looks at the stream again; None never. Replaces what was set."""


class Claim(Struct, frozen=True, kw_only=True, gc=False):
    """A key to own from this append on."""

    key: str
    stream: str
    value: bytes | None = None
    expires_at: datetime | None = None


class Release(Struct, frozen=True, kw_only=True, gc=False):
    """A key to give up; nothing happens if the stream does not own it."""

    key: str
    stream: str


class Append(Struct, frozen=True, kw_only=True, gc=False):
    """Everything that is written together, or not at all."""

    context: Context
    writes: tuple[StreamWrite, ...]
    claims: tuple[Claim, ...] = ()
    releases: tuple[Release, ...] = ()


class Store(Protocol):
    """An append-only log with streams.

    Positions are gapless, and a reader that sees position p can see every position below p.
    """

    async def append(self, append: Append) -> tuple[AnyRecorded, ...]:
        """Write everything durably, or nothing.

        Order: the answer holds the events in the order given, with consecutive positions.

        Raises:
            WrongExpectedVersion: a stream is elsewhere; reload and decide again.
            ClaimTaken: another stream owns a key.
            AppendQueueFull: too many appends wait; try again later.
            StoreUnavailable: the outcome could not be learned in time; ask again with care.
        """
        ...

    async def read_stream(
        self, stream: str, *, after: int = 0, until: int | None = None
    ) -> list[AnyRecorded]:
        """Read one stream's events with `after < version`, and `position <= until` if given.

        Order: by version, contiguous. An unknown stream is empty.
        """
        ...

    async def claims_under(self, prefix: str) -> list[Claim]:
        """List the keys that begin with *prefix*, which ends in a slash, and who owns them.

        Order: by key.
        """
        ...

    async def read_log(self, *, after: int, limit: int) -> list[AnyRecorded]:
        """Read events with `after < position`, at most *limit*.

        Order: by position, contiguous.
        """
        ...
