"""One append that waits for its batch: its events made ready, and who waits for the outcome."""

import asyncio
import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from ledger.errors import ClaimTaken, WrongExpectedVersion
from ledger.events.codec import SCHEMA_VERSION, Counter, Event, counter_of, decode, encode, type_of
from ledger.events.envelope import Fact, Recorded
from ledger.ids import new_uuid
from ledger.store.port import AnyRecorded, Append, StreamWrite

SALT_BYTES = 16
SALTS_DRAWN = 256
"""At once: asking the kernel costs more than what it gives."""


def _salts() -> Iterator[bytes]:
    while True:
        drawn = secrets.token_bytes(SALT_BYTES * SALTS_DRAWN)
        for start in range(0, len(drawn), SALT_BYTES):
            yield drawn[start : start + SALT_BYTES]


_SALTS = _salts()


class Prepared:
    """One event, encoded, salted and digested: what is stored is what was digested."""

    __slots__ = (
        "counter",
        "data",
        "digest",
        "due_at",
        "event",
        "event_id",
        "occurred_at",
        "salt",
        "stream",
        "type",
        "version",
    )

    def __init__(self, write: StreamWrite, version: int, fact: Fact[Event]) -> None:
        event = fact.event
        self.stream = write.stream
        self.version = version
        self.due_at = write.due_at
        self.event_id = new_uuid()
        self.type = type_of(event)
        self.occurred_at = fact.occurred_at
        self.counter: Counter = counter_of(event)
        self.data = encode(event)
        self.event = _as_read(event, self.type, self.data)
        self.salt = next(_SALTS)
        self.digest = hashlib.sha256(self.salt + self.data).digest()


def _as_read(event: Event, event_type: str, data: bytes) -> Event:
    """Give what a reader of the log will decode, as the very object that was put in if it is that.

    The two differ where Python is looser than JSON (an int in a float field, a tuple among JSON).
    What was put in shares its parts with others, so that keeping it takes little.
    """
    read = decode(event_type, SCHEMA_VERSION, data)
    return event if read == event and encode(read) == data else read


class Given:
    """Positions and numbers as `ledger.append_items` gives them out: to what was accepted, in order."""

    __slots__ = ("_numbers", "_position", "recorded_at")

    def __init__(self, row: Any) -> None:
        """Go on from where the log was before the batch."""
        self._position: int = row["position"]
        self._numbers: list[int] = [0, row["executions"], row["steps"], row["jobs"]]
        self.recorded_at: datetime = row["recorded_at"]

    def next_position(self) -> int:
        """Give the next event's."""
        self._position += 1
        return self._position

    def next_number(self, counter: Counter) -> int | None:
        """Give the next event's, if its type has a counter."""
        if not counter:
            return None
        self._numbers[counter] += 1
        return self._numbers[counter]


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
        "writes_twice",
    )

    def __init__(
        self, append: Append, future: "asyncio.Future[tuple[AnyRecorded, ...]]", deadline: float
    ) -> None:
        self.append = append
        self.future = future
        self.deadline = deadline
        self.uncertain = False
        """Whether it was sent before and the answer never came."""
        self.events: list[Prepared] = []
        self.size_bytes = 0
        self.streams_written: set[str] = set()
        self.streams_read: set[str] = set()
        self.writes_twice = False
        """Whether two of its parts want to go on from the same version of a stream."""
        for write in append.writes:
            if not write.facts:
                self.streams_read.add(write.stream)
                continue
            self.writes_twice |= write.stream in self.streams_written
            self.streams_written.add(write.stream)
            for version, fact in enumerate(write.facts, start=write.expected_version + 1):
                event = Prepared(write, version, fact)
                self.events.append(event)
                self.size_bytes += len(event.data)
        self.writes_twice |= not self.streams_read.isdisjoint(self.streams_written)
        self.keys = {claim.key for claim in append.claims}
        self.keys.update([release.key for release in append.releases])

    def recorded(self, given: "Given") -> tuple[AnyRecorded, ...]:
        """Build what the caller gets once the events have their positions."""
        context = self.append.context
        records = [
            Recorded(
                position=given.next_position(),
                stream=event.stream,
                version=event.version,
                event_id=event.event_id,
                type=event.type,
                schema_version=SCHEMA_VERSION,
                organization=context.organization,
                actor=context.actor,
                occurred_at=event.occurred_at,
                recorded_at=given.recorded_at,
                correlation_id=context.correlation_id,
                causation_id=context.causation_id,
                number=given.next_number(event.counter),
                data_digest=event.digest,
                event=event.event,
            )
            for event in self.events
        ]
        return tuple(records)

    def rows(self, records: Sequence[AnyRecorded]) -> Iterator[tuple[Any, ...]]:
        """Give the events as the log's rows hold them, salt and data included; see `log.sql`."""
        for record, event in zip(records, self.events, strict=True):
            yield (
                record.position,
                record.stream,
                record.version,
                record.event_id,
                record.type,
                record.schema_version,
                record.organization,
                record.actor,
                record.occurred_at.astimezone(UTC),
                record.recorded_at,
                record.correlation_id,
                record.causation_id,
                record.number,
                record.data_digest,
                event.salt,
                event.data,
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


def arrays(
    batch: Sequence[Pending],
) -> tuple[list[Any], list[Any], list[Any], list[Any], list[Any]]:
    """Lay a batch out as the arrays of records that `ledger.append_items` takes."""
    items = list(enumerate(batch))
    writes: list[tuple[int, str, int]] = []
    reads: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for item, pending in items:
        for write in pending.append.writes:
            if write.facts:
                writes.append((item, write.stream, write.expected_version))
            else:
                reads[write.stream, write.expected_version].append(item)
    return (
        [row for item, pending in items for row in _events(item, pending)],
        writes,
        [(stream, version, readers) for (stream, version), readers in reads.items()],
        [
            (item, claim.key, claim.stream, claim.value, claim.expires_at)
            for item, pending in items
            for claim in pending.append.claims
        ],
        [
            (item, release.key, release.stream)
            for item, pending in items
            for release in pending.append.releases
        ],
    )


def _events(item: int, pending: Pending) -> list[Any]:
    context = pending.append.context
    return [
        (
            item,
            event.stream,
            event.version,
            event.event_id,
            event.type,
            SCHEMA_VERSION,
            context.organization,
            context.actor,
            event.occurred_at,
            context.correlation_id,
            context.causation_id,
            event.counter,
            event.digest,
            event.salt,
            event.data,
            event.due_at,
        )
        for event in pending.events
    ]
