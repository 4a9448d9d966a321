"""Events as the bytes that reviewers get, made from rows without decoding what they hold.

A row that somebody changed may hold anything. It is still shown, as whatever entry and data it makes
by then, so that whoever checks them finds out where the log was changed.

Order: by position. Where rows are gone there are holes.
"""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from ledger.events.entry import Entry, join_line, render_entry
from ledger.store.pool import store_errors
from ledger.store.queries import load

PAGE_EVENTS: Final = 500
_SQL: Final = load(Path(__file__).parent / "sql" / "raw.sql")
_FIELDS: Final = Entry.__struct_fields__


class RawEvent(Struct, frozen=True):
    """An event as it is stored."""

    position: int
    entry: bytes
    salt: bytes | None
    data: bytes | None

    @property
    def line(self) -> bytes:
        """Its line of the stream, without a newline."""
        return join_line(self.entry, self.salt, self.data)


async def read_raw(
    pool: "asyncpg.Pool[Any]", *, after: int, until: int, page: int = PAGE_EVENTS
) -> AsyncIterator[list[RawEvent]]:
    """Read the log between two positions, page by page.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    while after < until:
        with store_errors():
            rows = await pool.fetch(_SQL["log"], after, until, page)
        if not rows:
            return
        yield [_raw(row) for row in rows]
        after = rows[-1]["position"]


async def read_raw_stream(
    connection: "asyncpg.Connection[Any] | PoolConnectionProxy[Any]", stream: str, until: int
) -> list[RawEvent]:
    """Read a stream's events up to a position.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    with store_errors():
        return [_raw(row) for row in await connection.fetch(_SQL["stream"], stream, until)]


def _raw(row: Mapping[str, Any]) -> RawEvent:
    entry = Entry(**{name: row[name] for name in _FIELDS})
    return RawEvent(row["position"], render_entry(entry), row["salt"], row["data"])
