"""One append that waits for its batch: its events made ready, and who waits for the outcome."""

import asyncio
import hashlib
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ledger.errors import ClaimTaken, WrongExpectedVersion
from ledger.events.codec import SCHEMA_VERSION, Counter, Event, counter_of, decode, encode, type_of
from ledger.events.envelope import Recorded
from ledger.ids import new_uuid
from ledger.store.port import AnyRecorded, Append

SALT_BYTES = 16


class Prepared:
    """One event, encoded, salted and digested: what is stored is what was digested."""

    __slots__ = (
        "counter",
        "data",
        "digest",
        "event",
        "event_id",
        "occurred_at",
        "salt",
        "stream",
        "type",
        "version",
    )

    def __init__(self, stream: str, version: int, event: Event, occurred_at: datetime) -> None:
        self.stream = stream
        self.version = version
        self.event_id = new_uuid()
        self.type = type_of(event)
        self.occurred_at = occurred_at
        self.counter: Counter = counter_of(event)
        self.data = encode(event)
        # What is handed on is what a reader of the log will decode, not what was put in: the two
        # differ where Python is looser than JSON (an int in a float field, a tuple among JSON).
        self.event = decode(self.type, SCHEMA_VERSION, self.data)
        self.salt = secrets.token_bytes(SALT_BYTES)
        self.digest = hashlib.sha256(self.salt + self.data).digest()


class Pending:
    """An append on its way into the log."""

    __slots__ = (
        "append",
        "deadline",
        "events",
        "future",
        "keys",
        "size_bytes",
        "streams_read",
        "streams_written",
        "uncertain",
    )

    def __init__(
        self, append: Append, future: "asyncio.Future[tuple[AnyRecorded, ...]]", deadline: float
    ) -> None:
        self.append = append
        self.future = future
        self.deadline = deadline
        self.uncertain = False
        """Whether it was sent before and the answer never came."""
        self.events = tuple(
            Prepared(write.stream, version, fact.event, fact.occurred_at)
            for write in append.writes
            for version, fact in enumerate(write.facts, start=write.expected_version + 1)
        )
        self.size_bytes = sum(len(event.data) for event in self.events)
        self.streams_written = frozenset(w.stream for w in append.writes if w.facts)
        self.streams_read = frozenset(w.stream for w in append.writes if not w.facts)
        self.keys = frozenset(c.key for c in append.claims) | frozenset(
            r.key for r in append.releases
        )

    def recorded(
        self, position: int, numbers: list[int | None], at: datetime
    ) -> tuple[AnyRecorded, ...]:
        """Build what the caller gets once the events have their positions."""
        context = self.append.context
        return tuple(
            Recorded(
                position=position + offset,
                stream=event.stream,
                version=event.version,
                event_id=event.event_id,
                type=event.type,
                schema_version=SCHEMA_VERSION,
                organization=context.organization,
                actor=context.actor,
                occurred_at=event.occurred_at,
                recorded_at=at,
                correlation_id=context.correlation_id,
                causation_id=context.causation_id,
                number=number,
                data_digest=event.digest,
                event=event.event,
            )
            for offset, (event, number) in enumerate(zip(self.events, numbers, strict=True))
        )

    def resolve(self, records: tuple[AnyRecorded, ...]) -> None:
        """Give the caller its events; a caller that went away is no error."""
        if not self.future.done():
            self.future.set_result(records)

    def fail(self, error: BaseException) -> None:
        """Give the caller an error."""
        if not self.future.done():
            self.future.set_exception(error)

    def refusal(self, row: Any) -> WrongExpectedVersion | ClaimTaken:
        """Read a refused item's row."""
        if row["stream"] is not None:
            return WrongExpectedVersion(row["stream"], row["expected"], row["actual"])
        return ClaimTaken(row["key"], row["owner"], row["value"])


def columns(batch: list[Pending]) -> Iterator[list[Any]]:
    """Lay a batch out as the parallel arrays that `ledger.append` takes, in its order."""
    events = [(item, event) for item, pending in enumerate(batch) for event in pending.events]
    contexts = [pending.append.context for pending in batch]
    yield [item for item, _ in events]
    yield [event.stream for _, event in events]
    yield [event.version for _, event in events]
    yield [event.event_id for _, event in events]
    yield [event.type for _, event in events]
    yield [SCHEMA_VERSION] * len(events)
    yield [contexts[item].organization for item, _ in events]
    yield [contexts[item].actor for item, _ in events]
    yield [event.occurred_at for _, event in events]
    yield [contexts[item].correlation_id for item, _ in events]
    yield [contexts[item].causation_id for item, _ in events]
    yield [int(event.counter) for _, event in events]
    yield [event.digest for _, event in events]
    yield [event.salt for _, event in events]
    yield [event.data for _, event in events]
    writes = [(item, w) for item, pending in enumerate(batch) for w in pending.append.writes]
    yield [item for item, _ in writes]
    yield [write.stream for _, write in writes]
    yield [write.expected_version for _, write in writes]
    yield [write.due_at for _, write in writes]
    claims = [(item, c) for item, pending in enumerate(batch) for c in pending.append.claims]
    yield [item for item, _ in claims]
    yield [claim.key for _, claim in claims]
    yield [claim.stream for _, claim in claims]
    yield [claim.value for _, claim in claims]
    yield [claim.expires_at for _, claim in claims]
    releases = [(item, r) for item, pending in enumerate(batch) for r in pending.append.releases]
    yield [item for item, _ in releases]
    yield [release.key for _, release in releases]
    yield [release.stream for _, release in releases]
