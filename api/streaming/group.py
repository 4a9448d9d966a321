"""Clients that want the same: what is new is chosen, joined and framed once for all of them.

A member is at the group's position, whatever happens: it has been given everything that it wants up
to there. Each time the ring moves on, every member is given the same bytes object; its transport
keeps what the client has not read yet. Who leaves too much unread leaves the group, and comes back
when it has caught up by itself.
"""

import asyncio
from typing import Final, Protocol

import structlog

from api.streaming.feed import Feed, Wanted
from api.streaming.frames import http_chunk
from api.streaming.ring import Chunk
from ledger.errors import Unavailable

WRITES_AT_ONCE: Final = 250
"""Clients written to before others of the process have a turn."""
TURN_BYTES: Final = 256 * 1024
"""Lines that members are given at once: as much more than `HIGH_WATER` may lie unread."""
RETRY_S: Final = 0.5

_log = structlog.get_logger(__name__)


class Member(Protocol):
    """A client, as its group sees it."""

    def give(self, payload: bytes) -> bool:
        """Write bytes, or refuse them: it has too much unread, or has gone."""
        ...

    def leave(self, position: int) -> None:
        """Go on alone from a position."""
        ...


class Group:
    """The members that are at the head, under one filter and in one form."""

    def __init__(self, wanted: Wanted, feed: Feed, *, heartbeat_s: float, mark_every: int) -> None:
        self._wanted = wanted
        self._feed = feed
        self._heartbeat_s = heartbeat_s
        self._mark_every = mark_every
        self._members: dict[Member, bool] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._told = feed.ring.top
        self.position = feed.ring.top
        self.interested = 0
        """Clients that are members, or will be."""
        self.frames_sent = 0

    def start(self) -> None:
        """Begin to follow the ring."""
        self._task = asyncio.create_task(self._run(), name="stream-group")
        self._task.add_done_callback(self._ended)

    def stop(self) -> None:
        """End following; nobody is interested any more. Idempotent."""
        self._is_stopped = True
        if self._task is not None:
            self._task.cancel()

    @property
    def is_running(self) -> bool:
        """Whether members are given what is new."""
        return self._task is not None and not self._task.done()

    def join(self, member: Member, *, chunked: bool) -> None:
        """Take a client in that is at the group's position."""
        self._members[member] = chunked

    def part(self, member: Member) -> None:
        """Let a member go. Idempotent."""
        self._members.pop(member, None)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        ring = self._feed.ring
        beat_at = loop.time() + self._heartbeat_s
        while not self._is_stopped:
            try:
                async with asyncio.timeout_at(beat_at):
                    await ring.past(self.position)
                    chunk = await self._next()
            except TimeoutError:
                chunk = Chunk(b"", 0, 0, self.position)
            before, payload = self.position, chunk.payload
            if not chunk.count and self._is_silent(chunk, is_late=loop.time() >= beat_at):
                payload = self._wanted.form.heartbeat(chunk.scanned_through, ring.top)
            self.position = chunk.scanned_through
            if payload:
                self._told = chunk.last or chunk.scanned_through
                beat_at = loop.time() + self._heartbeat_s
                await self._give(payload, chunk.count, before)

    async def _next(self) -> Chunk:
        """Choose what is new; the loss of the database is waited out."""
        while True:
            if not self._feed.ring.holds(self.position):
                self._let_all_go()
            through = self._feed.ring.reach(self.position, TURN_BYTES)
            try:
                return await self._feed.recent(self._wanted, self.position, through)
            except Unavailable as error:
                if self._is_stopped:
                    raise asyncio.CancelledError from error  # the cancellation was lost in it
                _log.info("a stream waits", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)

    def _is_silent(self, chunk: Chunk, *, is_late: bool) -> bool:
        """Whether members have to be told how far the log was looked through."""
        return is_late or chunk.scanned_through - self._told >= self._mark_every

    async def _give(self, payload: bytes, count: int, before: int) -> None:
        framed = http_chunk(payload)
        for turn, (member, is_chunked) in enumerate(list(self._members.items()), 1):
            if member not in self._members:
                continue  # left while others were written to
            if member.give(framed if is_chunked else payload):
                self.frames_sent += count
            else:
                self.part(member)
                member.leave(before)
            if turn % WRITES_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _let_all_go(self) -> None:
        """Send everybody to the pages of the log: the ring has moved on without this group."""
        for member in list(self._members):
            self.part(member)
            member.leave(self.position)
        self.position = self._feed.ring.top

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._is_stopped:
            return
        _log.error("a group of streams failed", exc_info=task.exception())
        for member in list(self._members):
            self.part(member)
            member.leave(self.position)
