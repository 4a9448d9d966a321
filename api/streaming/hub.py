"""All streams of one process: one reader of the log, a ring of what is new, groups, and limits.

While anybody follows, what this process commits goes straight into the ring, with the commit. What
others commit is read by one task, whenever the tail tells that there is more; so is whatever the ring
cannot go on with. The ring is moved less often the more clients there are, so that each write to a
client carries more: the pause is what a turn through all of them costs.

A key event makes every stream show its key again: streams of keys that are no longer good end.
Erasure empties the ring, which holds what was erased; the pages of the log no longer do.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from msgspec import Struct

from api.auth.authenticate import Authenticator
from api.streaming.feed import Feed, Wanted
from api.streaming.group import Group
from api.streaming.jobs_of import JobsOf
from api.streaming.lines import StreamLine, stream_lines
from api.streaming.reading import EventFilter, LogReader
from api.streaming.ring import Ring
from api.streaming.session import Limits, Session, Span
from ledger.errors import LedgerError, Unavailable
from ledger.store.append import Appender
from ledger.store.tail import Tail
from ledger.tasks import end

READ_EVENTS: Final = 1000
READ_BYTES: Final = 256 * 1024
PAUSE_S_PER_CLIENT: Final = 25e-6
LONGEST_PAUSE_S: Final = 0.1
RING_BYTES: Final = 16 * 1024 * 1024
RETRY_S: Final = 1.0
RETRY_MS: Final = (1000, 3000)
"""When clients come back after an end: spread, so that a restart is not met by all at once."""
ERASED: Final = "execution.erased"
_EVERYTHING: Final = EventFilter(organizations=None, with_keys=True)

_log = structlog.get_logger(__name__)


class NoRoom(Exception):
    """No further stream is opened now."""

    def __init__(self, whose: Literal["process", "key"]) -> None:
        self.whose = whose
        super().__init__(f"the {whose} has as many streams as it may")


class Room(Struct, frozen=True, kw_only=True):
    """How many streams may be open."""

    streams: int
    streams_per_key: int
    ring_events: int


class Opened(Struct, eq=False):
    """A stream that is open."""

    session: Session
    key: UUID
    form: str
    is_allowed: Callable[[], Awaitable[bool]]
    """Whether its key is still good."""


class Hub:
    """Opens streams; one a process."""

    def __init__(
        self,
        reader: LogReader,
        tail: Tail,
        authenticator: Authenticator,
        jobs: JobsOf,
        appender: Appender,
        *,
        room: Room,
        limits: Limits,
    ) -> None:
        self._reader = reader
        self._tail = tail
        self._room = room
        self._limits = limits
        self._open: set[Opened] = set()
        self._of_key: Counter[UUID] = Counter()
        self._groups: dict[Wanted, Group] = {}
        self._following = 0
        self._reading: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._doubted = asyncio.Event()
        self._is_stopped = False
        self._appender = appender
        self._fresh: list[StreamLine] = []
        """What is to go into the ring at its next move."""
        self._move_at = 0.0
        self._moving: asyncio.TimerHandle | None = None
        self.ring = Ring(room.ring_events, RING_BYTES)
        self._feed = Feed(reader, self.ring, jobs)
        self._frames_sent: Counter[str] = Counter()
        self.cut = 0
        """Clients closed because they did not read."""
        authenticator.on_forget(self._doubted.set)

    def start(self) -> None:
        """Begin to watch over the keys of streams. Idempotent."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch_keys(), name="stream-keys")

    def end_all(self) -> None:
        """End every stream in good order, and open no more. Idempotent."""
        self._is_stopped = True
        for opened in self._open:
            opened.session.end()

    async def stop(self) -> None:
        """End everything. Idempotent."""
        self.end_all()
        for group in self._groups.values():
            group.stop()
        tasks = [task for task in (self._reading, self._watching) if task is not None]
        self._reading = self._watching = None
        self._appender.on_rows = None
        self._restart(self._top)
        for task in tasks:
            await end(task)

    @contextmanager
    def open(
        self, key: UUID, wanted: Wanted, span: Span, is_allowed: Callable[[], Awaitable[bool]]
    ) -> Iterator[Session]:
        """Open a stream for as long as the context lasts.

        Raises:
            NoRoom: there are as many as there may be.
        """
        self._require_room(key)
        follows = span.through is None
        if follows:
            self._follow()
        # A limit counts for one client alone, which no group does.
        group = self._enter(wanted) if follows and span.limit is None else None
        session = Session(wanted, span, self._feed, group, self._limits)
        opened = Opened(session, key, wanted.form.name, is_allowed)
        self._open.add(opened)
        self._of_key[key] += 1
        try:
            yield session
        finally:
            self._open.discard(opened)
            self._of_key -= Counter((key,))  # which forgets a key that has none left
            self._frames_sent[wanted.form.name] += session.frames_sent
            self.cut += session.was_cut
            if group is not None:
                self._quit(wanted, group)
            if follows:
                self._unfollow()

    @property
    def retry_ms(self) -> int:
        """When a client that opens a stream now comes back after its end."""
        return random.randint(*RETRY_MS)

    @property
    def streams(self) -> Counter[str]:
        """How many streams are open, by form."""
        return Counter(opened.form for opened in self._open)

    @property
    def frames_sent(self) -> Counter[str]:
        """How many events were sent so far, by form, to each client counted."""
        sent = self._frames_sent.copy()
        for wanted, group in self._groups.items():
            sent[wanted.form.name] += group.frames_sent
        for opened in self._open:
            sent[opened.form] += opened.session.frames_sent
        return sent

    def _require_room(self, key: UUID) -> None:
        if self._is_stopped or len(self._open) >= self._room.streams:
            raise NoRoom("process")
        if self._of_key[key] >= self._room.streams_per_key:
            raise NoRoom("key")

    def _enter(self, wanted: Wanted) -> Group:
        group = self._groups.get(wanted)
        if group is None or not group.is_running:
            group = self._groups[wanted] = Group(
                wanted,
                self._feed,
                heartbeat_s=self._limits.heartbeat_s,
                mark_every=self._limits.mark_every,
            )
            group.start()
        group.interested += 1
        return group

    def _quit(self, wanted: Wanted, group: Group) -> None:
        group.interested -= 1
        if group.interested:
            return
        group.stop()
        self._frames_sent[wanted.form.name] += group.frames_sent
        if self._groups.get(wanted) is group:
            del self._groups[wanted]

    def _follow(self) -> None:
        self._following += 1
        if self._reading is None:
            self._restart(self._tail.head)
            self._appender.on_rows = self._committed
            self._reading = asyncio.create_task(self._read(), name="stream-reader")
            self._reading.add_done_callback(_tell_failure)

    def _unfollow(self) -> None:
        self._following -= 1
        if not self._following and self._reading is not None:
            self._appender.on_rows = None
            self._reading.cancel()
            self._reading = None
            self._restart(self._top)

    @property
    def _top(self) -> int:
        """The newest position that is in the ring, or will be at its next move."""
        return self._fresh[-1].position if self._fresh else self.ring.top

    def _committed(self, rows: list[tuple[Any, ...]]) -> None:
        """Take in what this process committed, if it goes on where the ring ends.

        Nothing may come of it for the writers, whose events are committed.
        """
        try:
            if rows[0][0] == self._top + 1:
                self._take(stream_lines(rows))
        except Exception:  # noqa: BLE001 - logged; the reader reads it from the log instead
            _log.exception("what was committed cannot be streamed at once")

    async def _read(self) -> None:
        """Keep the ring at the head, for as long as this is the ring's one reader.

        A cancellation that meets a breaking connection can be lost; then this ends by not being it.
        """
        me = asyncio.current_task()
        while self._reading is me:
            await self._tail.wait_past(self._top, timeout_s=60)
            try:
                page = await self._reader.step(
                    _EVERYTHING,
                    self._top,
                    through=self._tail.head,
                    limit=READ_EVENTS,
                    max_bytes=READ_BYTES,
                )
            except Exception as error:  # noqa: BLE001 - without it every stream would fall silent
                if isinstance(error, Unavailable):
                    _log.warning("the streams' reader was interrupted", error=type(error).__name__)
                else:
                    _log.exception("the streams' reader failed")
                await asyncio.sleep(RETRY_S)
                continue
            if self._reading is not me:
                return
            # Commits of this process may have come in meanwhile.
            self._take([line for line in page.lines if line.position > self._top])

    def _take(self, lines: list[StreamLine]) -> None:
        """Put lines behind the newest, and move the ring, now or in a while."""
        if not lines:
            return
        if any(line.type == ERASED for line in lines):
            self._restart(self._top)
        self._fresh += lines
        loop = asyncio.get_running_loop()
        if loop.time() >= self._move_at or len(self._fresh) >= READ_EVENTS:
            self._move()
        elif self._moving is None:
            self._moving = loop.call_at(self._move_at, self._move)

    def _move(self) -> None:
        """Put what is fresh into the ring."""
        if self._moving is not None:
            self._moving.cancel()
            self._moving = None
        lines, self._fresh = self._fresh, []
        self.ring.append(lines[-1].position, lines)
        pause_s = min(len(self._open) * PAUSE_S_PER_CLIENT, LONGEST_PAUSE_S)
        self._move_at = asyncio.get_running_loop().time() + pause_s

    def _restart(self, top: int) -> None:
        """Empty the ring; who is below goes on from the log."""
        if self._moving is not None:
            self._moving.cancel()
            self._moving = None
        self._fresh = []
        self.ring.restart(top)

    async def _watch_keys(self) -> None:
        """End the streams of keys that are no longer good."""
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            for opened in list(self._open):
                try:
                    if not await opened.is_allowed():
                        opened.session.end()
                except Exception as error:  # noqa: BLE001 - streams of revoked keys must end
                    if isinstance(error, LedgerError):
                        _log.warning("keys cannot be looked up", error=type(error).__name__)
                    else:
                        _log.exception("keys cannot be looked up")
                    self._doubted.set()
                    await asyncio.sleep(RETRY_S)
                    break


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("the streams' reader failed", exc_info=task.exception())
