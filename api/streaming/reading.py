"""The filtered log reader: which lines a reader wants, and may see, page by page.

One cursor: `after` is a position, exclusive. A page says up to which position the log was looked
through, so that a cursor moves on even where nothing matched.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
from msgspec import Struct

from api.streaming.lines import StreamLine, stream_lines
from ledger.store.pool import store_errors
from ledger.store.queries import load
from ledger.store.tail import Tail

_SQL: Final = load(Path(__file__).parent / "sql" / "events.sql")
SCAN: Final = 20_000
"""Positions looked through by one statement, so that a rare filter cannot hold a connection."""
PAGE_BYTES: Final = 4 * 1024 * 1024
"""Data after which a page is full, whatever its limit. One event may be larger."""


class EventFilter(Struct, frozen=True, kw_only=True):
    """Which events a reader wants, and may see. Equal filters see the same."""

    organizations: tuple[str, ...] | None
    """None for all."""
    types: tuple[str, ...] = ()
    stream: str | None = None
    job_id: str | None = None
    with_keys: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether much of the log may not match."""
        return bool(self.types or self.stream or self.job_id or self.organizations is not None)

    @property
    def is_everything(self) -> bool:
        """Whether every event of the log matches."""
        return self.with_keys and not self.is_narrow

    def admits(self, line: StreamLine, job_of: Callable[[str], str | None]) -> bool:
        """Whether an event matches; *job_of* knows every execution's job, if one is wanted.

        It must say what the statements in `sql/events.sql` say.
        """
        return (
            (self.organizations is None or line.organization in self.organizations)
            and (not self.types or line.type in self.types)
            and (self.stream is None or line.stream == self.stream)
            and (self.with_keys or not line.type.startswith("key."))
            and (
                self.job_id is None
                or line.stream == f"job/{line.organization}/{self.job_id}"
                or job_of(line.stream) == self.job_id
            )
        )


class LinePage(Struct, frozen=True, kw_only=True):
    """Lines in position order, and where to go on."""

    lines: Sequence[StreamLine]
    scanned_through: int
    """Position up to which everything that matches was given."""
    head: int
    """The log's head when the page was read."""


class LogReader:
    """Reads lines out of the log; one a process."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        tail: Tail,
        covered: Callable[[str, int], Awaitable[None]],
    ) -> None:
        self._pool = pool
        self._tail = tail
        self._covered = covered

    async def page(
        self, wanted: EventFilter, after: int, *, limit: int, max_bytes: int = PAGE_BYTES
    ) -> LinePage:
        """Read the next lines that match, looking no further than the head is now.

        Order: by position, none left out up to `scanned_through`; empty only if nothing matches up
        to the head.

        Raises:
            StoreUnavailable: the database cannot be reached.
            ProjectionLagging: which executions are the job's is not known yet.
        """
        head = self._tail.head
        while True:
            page = await self.step(wanted, after, through=head, limit=limit, max_bytes=max_bytes)
            if page.lines or page.scanned_through >= head:
                return page
            after = page.scanned_through

    async def step(
        self,
        wanted: EventFilter,
        after: int,
        *,
        through: int,
        limit: int,
        max_bytes: int = PAGE_BYTES,
    ) -> LinePage:
        """Read like `page` by one statement, which may look through a part without a match.

        Nothing behind *through* is looked at, which no head may be below.
        """
        rows, scanned = await self.rows(wanted, after, through, limit, max_bytes)
        return LinePage(lines=stream_lines(rows), scanned_through=scanned, head=through)

    async def rows(
        self, wanted: EventFilter, after: int, through: int, limit: int, max_bytes: int
    ) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Read like `step`; give the rows, and the position scanned through."""
        if after >= through:
            return (), after
        if wanted.job_id is not None:
            await self._covered("history", through)
        statement: str = _SQL["log"]
        more: tuple[str, ...] = ()
        if wanted.stream is not None:  # found by index, however far apart
            statement, more = _SQL["stream"], (wanted.stream,)
        else:
            through = min(after + (SCAN if wanted.is_narrow else limit), through)
        with store_errors():
            rows = await self._pool.fetch(
                statement,
                after,
                through,
                limit,
                max_bytes,
                wanted.organizations,
                wanted.types or None,
                wanted.with_keys,
                wanted.job_id,
                *more,
            )
        is_full = len(rows) == limit or (rows and rows[-1]["bytes_so_far"] >= max_bytes)
        return rows, rows[-1]["position"] if is_full else through
