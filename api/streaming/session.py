"""One client of a stream: a cursor, and a connection to write to.

    behind    it reads for itself: from the ring if that goes back far enough, else pages of the
              log, one ahead of what is being written once it has shown that it reads fast
    live      it is a member of its group, which writes to it; nothing here runs
    ended     it has all that it asked for, its key was revoked, the process stops, or it did not
              read for too long: then the connection is cut, and the client can resume

Nothing is queued for a client but what its connection holds unread: at most `HIGH_WATER` bytes and
what was written last.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from aiohttp import ClientConnectionResetError
from aiohttp.abc import AbstractStreamWriter
from msgspec import Struct

from api.streaming.feed import Feed, Wanted
from api.streaming.frames import http_chunk
from api.streaming.group import RETRY_S, Group
from api.streaming.ring import Chunk
from ledger.errors import Unavailable

T = TypeVar("T")

HIGH_WATER: Final = 64 * 1024
"""Bytes a client may leave unread before it is on its own."""
FIRST_PAGE_BYTES: Final = 64 * 1024
"""A page grows with each that is read without a pause, so that who does not read costs little."""
LAST_PAGE_BYTES: Final = 1024 * 1024
READ_AHEAD_BYTES: Final = 256 * 1024
FAST_S: Final = 0.5
"""A page that is read within this time was read fast."""

_log = structlog.get_logger(__name__)


class Span(Struct, frozen=True, kw_only=True):
    """Which part of the log a client asked for."""

    after: int
    through: int | None
    """Where a finite stream ends; None follows for ever."""
    limit: int | None
    """Events after which it ends."""


class Limits(Struct, frozen=True, kw_only=True):
    """How long, and how often."""

    heartbeat_s: float
    client_timeout_s: float
    mark_every: int
    """Positions looked through without a match after which a client is told."""


class Session:
    """Writes to one client until it has all that it asked for, or is told to end."""

    __slots__ = (
        "_ahead",
        "_beat_at",
        "_chunked",
        "_cursor",
        "_drain",
        "_feed",
        "_group",
        "_is_live",
        "_left",
        "_limits",
        "_loop",
        "_over",
        "_page_bytes",
        "_seat",
        "_told",
        "_transport",
        "_until",
        "_wanted",
        "frames_sent",
        "was_cut",
    )

    def __init__(
        self, wanted: Wanted, span: Span, feed: Feed, group: Group | None, limits: Limits
    ) -> None:
        self._wanted = wanted
        self._feed = feed
        self._group = group
        self._limits = limits
        self._cursor = self._told = span.after
        self._until = span.through
        self._left = span.limit
        self._page_bytes = FIRST_PAGE_BYTES
        self._is_live = False
        self._ahead: asyncio.Task[Chunk] | None = None
        self._seat: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._beat_at = self._loop.time() + limits.heartbeat_s
        self.frames_sent = 0
        self.was_cut = False
        """Whether it was closed because it did not read."""

    async def run(self, writer: AbstractStreamWriter, opening: bytes, *, chunked: bool) -> None:
        """Write until the end; the caller has sent the headers, and ends the body.

        Raises:
            ClientConnectionResetError: the client has gone.
        """
        transport = writer.transport
        if transport is None:
            raise ClientConnectionResetError("gone before it began")
        self._transport = transport
        self._drain: Callable[[], Awaitable[None]] = writer.drain
        self._chunked = chunked
        try:
            self._write(opening)
            while not self._is_done:
                group = self._group
                if group is not None and group.is_running and self._may_join(group):
                    await self._live_in(group)
                else:
                    await self._read_on()
                await self._until_read()
        finally:
            if self._ahead is not None:
                self._ahead.cancel()

    def end(self) -> None:
        """End in good order, soon. Idempotent."""
        if not self._over.done():
            self._over.set_result(None)
        self._rise()

    def give(self, payload: bytes) -> bool:
        """See `Member`."""
        transport = self._transport
        if transport.is_closing() or transport.get_write_buffer_size() > HIGH_WATER:
            return False
        transport.write(payload)
        return True

    def leave(self, position: int) -> None:
        """See `Member`."""
        self._cursor = self._told = position
        self._is_live = False
        self._rise()

    @property
    def _is_done(self) -> bool:
        return (
            self._over.done()
            or self.was_cut
            or self._left == 0
            or (self._until is not None and self._cursor >= self._until)
        )

    def _may_join(self, group: Group) -> bool:
        return self._ahead is None and self._cursor == group.position

    async def _live_in(self, group: Group) -> None:
        """Be a member until the group or the end says otherwise."""
        self._mark()
        self._seat = self._loop.create_future()
        group.join(self, chunked=self._chunked)
        try:
            await self._seat
        finally:
            self._seat = None
            group.part(self)

    def _rise(self) -> None:
        if self._seat is not None and not self._seat.done():
            self._seat.set_result(None)

    async def _read_on(self) -> None:
        """Read one chunk behind the cursor, and write it."""
        reading = self._ahead or asyncio.ensure_future(self._next(self._cursor, self._left))
        self._ahead = reading  # canceled at the end, whatever that is
        if not await self._beating_until(reading):
            return
        self._ahead = None
        chunk = reading.result()
        if self._left is not None:
            self._left -= chunk.count
        if self._page_bytes >= READ_AHEAD_BYTES and chunk.scanned_through < self._bound():
            following = self._next(chunk.scanned_through, self._left)
            self._ahead = asyncio.ensure_future(following) if self._left != 0 else None
        self._cursor = chunk.scanned_through
        if chunk.count:
            self.frames_sent += chunk.count
            self._told = chunk.last
            self._write(chunk.payload)
        self._mark_if_needed()

    async def _next(self, after: int, limit: int | None) -> Chunk:
        """Get the next chunk; at the head, wait; the loss of the database is waited out."""
        while True:
            if self._until is None:
                await self._feed.ring.past(after)
            bound = self._bound(after)
            try:
                if self._feed.ring.holds(after) and bound <= self._feed.ring.top:
                    through = min(bound, self._feed.ring.reach(after, self._page_bytes))
                    return await self._feed.recent(self._wanted, after, through, limit)
                return await self._feed.older(self._wanted, after, bound, limit, self._page_bytes)
            except Unavailable as error:
                _log.info("a stream waits", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)

    def _bound(self, after: int | None = None) -> int:
        """Give how far to read: not past the group, so that it can be joined there."""
        if self._until is not None:
            return self._until
        group = self._group
        place = self._cursor if after is None else after
        if group is not None and group.is_running and group.position > place:
            return group.position
        return self._feed.ring.top

    async def _beating_until(self, task: "asyncio.Future[Chunk]") -> bool:
        """Wait for a chunk, with heartbeats meanwhile; False at the end."""
        while not task.done():
            left_s = max(self._beat_at - self._loop.time(), 0)
            await asyncio.wait(
                (task, self._over), timeout=left_s, return_when=asyncio.FIRST_COMPLETED
            )
            if self._over.done():
                return False
            if not task.done() and self._loop.time() >= self._beat_at:
                self._beat()
                await self._until_read()
                if self.was_cut:
                    return False
        return True

    def _mark_if_needed(self) -> None:
        """Tell a follower how far its filter was looked through: now and then, and at the head."""
        if self._until is not None:
            return
        is_live = self._cursor >= self._bound()
        if (is_live and not self._is_live) or (
            self._cursor - self._told >= self._limits.mark_every
        ):
            self._mark()
        self._is_live = is_live

    def _mark(self) -> None:
        if self._told < self._cursor:
            self._beat()

    def _beat(self) -> None:
        self._told = self._cursor
        self._write(self._wanted.form.heartbeat(self._cursor, self._feed.ring.top))

    def _write(self, payload: bytes) -> None:
        if not payload:
            return
        if self._transport.is_closing():
            raise ClientConnectionResetError("the client has gone")
        self._transport.write(http_chunk(payload) if self._chunked else payload)
        self._beat_at = self._loop.time() + self._limits.heartbeat_s

    async def _until_read(self) -> None:
        """Wait until the client has read most of what was written; cut it off after a while."""
        if self._transport.get_write_buffer_size() <= HIGH_WATER:
            return
        begun, is_read = self._loop.time(), False
        draining = asyncio.ensure_future(self._drain())
        try:
            await asyncio.wait(
                (draining, self._over),
                timeout=self._limits.client_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if draining.done():
                draining.result()
                is_read = True
        finally:
            draining.cancel()
            waited_s = self._loop.time() - begun
            # The kernel gives up on the connection at about the same time, and may be first.
            self.was_cut = (
                not is_read
                and not self._over.done()
                and waited_s > self._limits.client_timeout_s / 2
            )
        if is_read:
            is_fast = waited_s < FAST_S
            self._page_bytes = (
                min(self._page_bytes * 2, LAST_PAGE_BYTES)
                if is_fast
                else max(self._page_bytes // 2, FIRST_PAGE_BYTES)
            )
            return
        # What is unread cannot be taken back, and nobody waits for it to be read.
        self._transport.abort()
