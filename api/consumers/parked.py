"""Streams that are set aside: listed, tried anew, or given up event by event."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from api.consumers.state import CONSUMERS, Connection
from api.consumers.terms import Consumer
from ledger.store.queries import load

_SQL: Final = load(Path(__file__).parent / "sql" / "parked.sql")


class Aside(Struct, frozen=True, kw_only=True):
    """A stream that is set aside, and what stands in its way."""

    id: int
    stream: str
    shard: int
    position: int
    attempts: int
    retry_at: datetime | None
    parked_at: datetime | None
    reason: str
    held_at: datetime
    waiting: int
    """Events of the stream that wait behind this one."""


async def page(
    connection: Connection, consumer: Consumer, *, parked_only: bool, after: int, limit: int
) -> list[Aside]:
    """List what is set aside, oldest first."""
    rows = await connection.fetch(
        _SQL["page"],
        consumer.id,
        after,
        limit,
        parked_only,
        list(consumer.filter.types) or None,
    )
    return [msgspec.convert(dict(row), Aside) for row in rows]


async def replay(connection: Connection, consumer: int, streams: Sequence[str] | None) -> list[str]:
    """Try streams anew, all of them if None, with all their attempts; say which.

    Runs in a transaction of the caller's. What is out with a member at the moment is left alone.
    """
    await connection.fetchrow(CONSUMERS["lock"], consumer)
    rows = await connection.fetch(_SQL["replay"], consumer, streams)
    return [row["stream"] for row in rows]


async def discard(connection: Connection, consumer: int, streams: Sequence[str]) -> list[str]:
    """Give up the event that stands in the way of each stream, and go on with those behind it.

    Runs in a transaction of the caller's.
    """
    await connection.fetchrow(CONSUMERS["lock"], consumer)
    rows = await connection.fetch(_SQL["discard"], consumer, streams)
    return [row["stream"] for row in rows]
