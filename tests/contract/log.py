"""What tests write into a log, and what must be true of any log."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from ledger.events import executions as x
from ledger.events.codec import Event
from ledger.events.envelope import Fact
from ledger.store.port import Append, Claim, Context, Release, StreamWrite

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTEXT: Final = Context(organization="acme", actor="test")
STEP: Final = x.StepStarted(index=1)


def progressed(percent: float = 1) -> x.ExecutionProgressed:
    """An event without a number."""
    return x.ExecutionProgressed(progress=x.Progress(percent=percent))


def write(
    stream: str, expected_version: int, *events: Event, due_at: datetime | None = None
) -> StreamWrite:
    """Write events to a stream; none make it a condition."""
    return StreamWrite(
        stream=stream,
        expected_version=expected_version,
        facts=tuple(Fact(event, NOW) for event in events),
        due_at=due_at,
    )


def append(
    *writes: StreamWrite, claims: Sequence[Claim] = (), releases: Sequence[Release] = ()
) -> Append:
    """Write together."""
    return Append(context=CONTEXT, writes=writes, claims=tuple(claims), releases=tuple(releases))


def one(stream: str, expected_version: int = 0, count: int = 1) -> Append:
    """Append a few events to one stream."""
    return append(write(stream, expected_version, *[progressed()] * count))


async def audit(dsn: str) -> int:
    """Check everything that is promised of a log, and give how many events it holds.

    Positions and numbers gapless, versions contiguous, heads right, time never going back,
    and every digest that of the stored bytes.
    """
    connection = await asyncpg.connect(dsn)
    try:
        head = await connection.fetchrow("select * from ledger.head")
        rows = await connection.fetch("select * from ledger.events order by position")
        streams = await connection.fetch("select * from ledger.streams")
    finally:
        await connection.close()
    assert head is not None
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    assert head["position"] == len(rows)
    check_streams(rows, streams)
    for event_type, counter in (
        ("execution.created", "executions"),
        ("step.started", "steps"),
        ("job.defined", "jobs"),
    ):
        numbers = [row["number"] for row in rows if row["type"] == event_type]
        assert numbers == list(range(1, len(numbers) + 1))
        assert head[counter] == len(numbers)
    recorded = [row["recorded_at"] for row in rows]
    assert recorded == sorted(recorded)
    assert len({row["event_id"] for row in rows}) == len(rows)
    for row in rows:
        assert len(row["salt"]) == 16
        assert row["data_digest"] == hashlib.sha256(row["salt"] + row["data"]).digest()
    return len(rows)


def check_streams(rows: Sequence[Any], streams: Sequence[Any]) -> None:
    """Check that each stream's versions are 1, 2, 3 … in position order, and its head is right."""
    seen: dict[str, list[Any]] = {}
    for row in rows:
        seen.setdefault(row["stream"], []).append(row)
    for own in seen.values():
        assert [row["version"] for row in own] == list(range(1, len(own) + 1))
    heads = {row["stream"]: row for row in streams}
    assert heads.keys() == seen.keys()
    for stream, own in seen.items():
        head = heads[stream]
        assert head["version"] == len(own)
        assert head["first_position"] == own[0]["position"]
        assert head["last_position"] == own[-1]["position"]


def later(seconds: float) -> datetime:
    """Give an instant that long after the machine's, which is the database's, clock."""
    return datetime.now(UTC) + timedelta(seconds=seconds)  # noqa: TID251 - the database compares it
