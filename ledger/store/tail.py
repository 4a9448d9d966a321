"""Following the log: who wants to know what comes next waits here.

A wake-up is a hint, the log is the truth. Hints come from this process's own commits, from NOTIFY
of other processes (on a connection of its own, because a pool would lose the LISTEN), and from a
poll every second, which alone would be enough.

Recent events are kept decoded in a ring, so that several followers near the head cost one read.
The ring never has a hole. A commit of this process that does not continue it (another process
committed in between) is left out, and the next follower that reads from the ring's end fills the
gap. A follower that reads beyond its end shows that nobody will: then the ring starts anew there.

Who follows for the sake of a few types of events sleeps through what this process commits of others.

What was erased is forgotten here too, and whoever keeps more of the log in memory is told of it: at
once for an erasure of this process, within a second for those of others. Content that was read before
and arrives after is taken for erased.

Followers that are far behind, as views are that are built anew, read pages. The last few are kept for
the others that come along behind the first one, and dropped soon after nobody reads that way any more.

A log with holes (somebody deleted rows) is followed over them; such a stretch is not kept in the ring.

On loss of the database followers keep waiting; the listener reconnects and looks at the head again.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import asyncpg
import structlog
from msgspec import Struct
from msgspec.structs import replace

from ledger.events.envelope import Erased
from ledger.store.pool import LOST, connect
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from ledger.tasks import end

CHANNEL: Final = "jobledger"
ERASED_CHANNEL: Final = "jobledger_erased"
POLL_S: Final = 1.0
RING_EVENTS: Final = 8192
"""Enough for several followers that each take batches of some thousands."""
PAGES: Final = 3
PAGES_KEPT_S: Final = 5.0
MAX_ERASURES: Final = 10_000
"""How many erasures are remembered, for content that arrives after its erasure was told."""

Forget: TypeAlias = Callable[[str, int], None]
"""Is told a stream, and the version of its erasure: what is below has no content any more."""

_SQL: Final = load(Path(__file__).parent / "sql" / "log.sql")

_log = structlog.get_logger(__name__)


class _Waiter(Struct, eq=False):
    """Somebody who waits for what follows a position, or for events of some types that do."""

    woken: "asyncio.Future[None]"
    after: int
    types: frozenset[str] | None

    def sleeps_through(self, records: list[AnyRecorded], types: set[str]) -> bool:
        """Whether nothing is missed by not being woken for *records*, which are of *types*."""
        if self.types is None or not self.types.isdisjoint(types):
            return False
        if records[0].position > self.after + 1:
            return False
        self.after = max(self.after, records[-1].position)
        return True


class Tail:
    """The head of the log as this process knows it, and the events just below it."""

    def __init__(
        self,
        dsn: str,
        read_log: Callable[[int, int], Awaitable[list[AnyRecorded]]],
        read_head: Callable[[], Awaitable[int]],
        *,
        ring_events: int = RING_EVENTS,
        is_own: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """Follow the log of the database at *dsn*.

        *is_own* knows by the number of a process of PostgreSQL whether it commits for this one. Then
        `committed` tells of it, with the events; its NOTIFY may come first and tells nothing more.
        """
        self._dsn = dsn
        self._is_own = is_own
        self._ring_events = ring_events
        self._read_log = read_log
        self._read_head = read_head
        self._ring: deque[AnyRecorded] = deque()
        self._waiters: set[_Waiter] = set()
        self._reading = asyncio.Lock()
        self._pages: OrderedDict[tuple[int, int], list[AnyRecorded]] = OrderedDict()
        self._paging = asyncio.Lock()
        self._paged_at = 0.0
        self._listener: asyncio.Task[None] | None = None
        self._heard: dict[str, Callable[[str], None]] = {}
        self._stops = 0
        self._erased: OrderedDict[str, int] = OrderedDict()
        self._erasures_seen = 0
        self._forgetful: list[Forget] = []
        self._look = asyncio.Event()
        self._connection: asyncpg.Connection[Any] | None = None
        self.head = 0
        """Highest position known to be committed; every position up to it is visible."""

    async def start(self) -> None:
        """Learn the head and begin to listen. Idempotent."""
        if self._listener is None:
            head = await self._read_head()
            self._erasures_seen = max(self._erasures_seen, head)
            self.seen(head)
            self._listener = asyncio.create_task(self._listen(), name="tail-listener")

    async def stop(self) -> None:
        """End listening and wake everybody who waits now. Idempotent."""
        self._stops += 1
        if self._listener is not None:
            await end(self._listener)
            self._listener = None
        self._wake()

    def drop(self) -> None:
        """Give up the connection; unless `stop` follows, there will be another."""
        if self._connection is not None:
            self._connection.terminate()

    def hear(self, channel: str, told: Callable[[str], None]) -> None:
        """Have *told* called with what other processes say on a channel, within a second.

        What is said while the listener reconnects is lost: it may only ever be a hint.
        """
        self._heard[channel] = told

    def on_erasure(self, forget: Forget) -> None:
        """Have *forget* called with every erasure; it may be called twice with one."""
        self._forgetful.append(forget)

    def committed(self, records: list[AnyRecorded]) -> None:
        """Take in a batch that this process committed, in position order."""
        self._extend(records)
        for record in records:
            if record.type == "execution.erased":
                self._forget(record.stream, record.version)
        if records[-1].position > self.head:
            self.head = records[-1].position
            types = {record.type for record in records}
            self._wake(lambda waiter: waiter.sleeps_through(records, types))

    def seen(self, position: int) -> None:
        """Learn that everything up to *position* is committed."""
        if position > self.head:
            self.head = position
            self._wake()

    async def wait_past(self, position: int, timeout_s: float) -> int:
        """Wait until the head is past *position*, and give it; at the timeout, give it as it is.

        `stop` ends a wait that is under way like a timeout.
        """
        await self._wait(position, None, timeout_s)
        return self.head

    async def wait_for(self, types: frozenset[str], after: int, timeout_s: float) -> int:
        """Wait until an event of *types* may have followed the position *after*, or for the time given.

        Gives the position up to which none did, to read on from: *after*, or a later one.
        """
        return await self._wait(after, types, timeout_s)

    async def _wait(self, after: int, types: frozenset[str] | None, timeout_s: float) -> int:
        if self.head > after or timeout_s <= 0:
            return after
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        stops = self._stops
        while self.head <= after and stops == self._stops:
            left = deadline - loop.time()
            if left <= 0:
                break
            waiter = _Waiter(loop.create_future(), after, types)
            self._waiters.add(waiter)
            try:
                await asyncio.wait((waiter.woken,), timeout=left)
            finally:
                self._waiters.discard(waiter)
            after = waiter.after
        return after

    async def read(self, after: int, limit: int, *, stored: bool = False) -> list[AnyRecorded]:
        """Read events with `after < position`, at most *limit*.

        *stored*: as the database holds them now, for whoever checks what others remember.

        Order: by position, contiguous.
        """
        if not stored and (known := self._known(after, limit)):
            return known
        if after >= self.head:
            return []
        if stored:
            return await self._read(after, limit)
        if not self._ring or after < self._ring[-1].position:
            return await self._page(after, limit)
        # Followers that came to the ring's end together read what follows once.
        async with self._reading:
            return self._known(after, limit) or await self._read(after, limit)

    def _known(self, after: int, limit: int) -> list[AnyRecorded]:
        """Give what the ring has; nothing when that does not begin right after a position."""
        if not self._ring or self._ring[0].position > after + 1:
            return []
        wanted = self._ring[-1].position - after
        if wanted <= 0:
            return []
        skip = len(self._ring) - wanted
        if skip < wanted:
            return list(islice(self._ring, skip, skip + limit))
        # A deque is walked from the end where one begins, and most followers are near its last one.
        known = list(islice(reversed(self._ring), wanted))
        known.reverse()
        return known[:limit]

    async def _page(self, after: int, limit: int) -> list[AnyRecorded]:
        """Read far below the head, or give what another follower has read there just now."""
        async with self._paging:
            self._paged_at = asyncio.get_running_loop().time()
            page = self._pages.get((after, limit))
            if page is None:
                page = await self._read(after, limit)
                if len(page) == limit:  # whole, so it will never be another
                    self._pages[after, limit] = page
                    while len(self._pages) > PAGES:
                        self._pages.popitem(last=False)
            return page

    async def _read(self, after: int, limit: int) -> list[AnyRecorded]:
        records = await self._read_log(after, limit)
        if not records:
            # The log's end was cut off, and the head still tells of it: nobody shall spin on that.
            _log.error("the log has no events up to its head", after=after, head=self.head)
            await asyncio.sleep(POLL_S)
            return []
        if self._erased:
            records = self._without_erased(records)
        if self._ring and records[0].position > self._ring[-1].position + 1:
            self._ring.clear()
        self._extend(records)
        return records

    def _extend(self, records: list[AnyRecorded]) -> None:
        """Continue the ring if *records* do; start it if it is empty."""
        if not records:
            return
        if records[-1].position - records[0].position >= len(records):
            self._ring.clear()
            return
        last = self._ring[-1].position if self._ring else records[0].position - 1
        if records[0].position > last + 1:
            return
        fresh = [record for record in records if record.position > last]
        self._ring.extend(fresh)
        while len(self._ring) > self._ring_events:
            self._ring.popleft()

    def _without_erased(self, records: list[AnyRecorded]) -> list[AnyRecorded]:
        return [
            replace(record, event=Erased())
            if record.version < self._erased.get(record.stream, 0)
            else record
            for record in records
        ]

    def _forget(self, stream: str, version: int) -> None:
        """Take an erasure into account. Idempotent."""
        self._erased[stream] = version
        self._erased.move_to_end(stream)
        while len(self._erased) > MAX_ERASURES:
            self._erased.popitem(last=False)
        self._pages.clear()
        if any(record.stream == stream for record in self._ring):
            self._ring = deque(self._without_erased(list(self._ring)))
        for forget in self._forgetful:
            forget(stream, version)

    def _wake(self, sleeps: Callable[[_Waiter], bool] = lambda _: False) -> None:
        for waiter in [waiter for waiter in self._waiters if not sleeps(waiter)]:
            self._waiters.discard(waiter)
            if not waiter.woken.done():
                waiter.woken.set_result(None)

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except LOST as error:
                _log.warning("tail lost the database", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - without it nobody learns what others commit
                _log.exception("tail failed")
            await asyncio.sleep(POLL_S / 2)

    async def _listen_once(self) -> None:
        self._connection = connection = await connect(self._dsn)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda *_: lost.set())
            connection.add_termination_listener(lambda *_: self._look.set())
            listened_to: set[str] = set()
            while not lost.is_set():
                for channel in {CHANNEL, ERASED_CHANNEL, *self._heard} - listened_to:
                    await connection.add_listener(channel, self._notified)
                    listened_to.add(channel)
                self._look.clear()
                if asyncio.get_running_loop().time() - self._paged_at > PAGES_KEPT_S:
                    self._pages.clear()
                head = await connection.fetchval("select position from ledger.head", timeout=5)
                self.seen(head)
                erasures = await connection.fetch(
                    _SQL["erasures"], self._erasures_seen, MAX_ERASURES, timeout=5
                )
                for erasure in erasures:
                    self._forget(erasure["stream"], erasure["version"])
                    self._erasures_seen = erasure["position"]
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._look.wait(), POLL_S)
        finally:
            connection.terminate()

    def _notified(self, _connection: Any, pid: int, channel: str, payload: Any) -> None:
        if not isinstance(payload, str):
            return
        if channel == CHANNEL and payload.isdigit():
            if not self._is_own(pid):
                self.seen(int(payload))
        elif channel == ERASED_CHANNEL:
            self._look.set()
        elif channel in self._heard:
            self._heard[channel](payload)
