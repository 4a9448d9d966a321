"""Group commit: one writer a process takes everything that waits and commits it in one call.

States of an append: waiting (bounded list) → sent → done or refused; or sent → uncertain, when the
connection was lost during the call. Uncertain ones are sent again with the same event ids: either
they are not in the log and go in now, or their streams have moved on, and reading them tells
whether it was by these very events. A crash of the process at any line leaves either the whole
item in the log or nothing of it.

Limit: a call whose connection was lost may still be running on the server. It takes its turn at the
head row like any other; what it writes then was refused for its version if the repeated call was
written first, and is found by the repeated call otherwise. Only when the repeated call was refused
for a claim can the first one still go in (if that claim ends meanwhile), so such a refusal of an
uncertain item is reported as `StoreUnavailable`, not as `ClaimTaken`.

Other processes hear of the head by NOTIFY: of every batch after which nothing waits, and of one every
`ANNOUNCE_S` under load. Where what waited went away meanwhile, or this process ended, they look by
themselves within a second, see `tail`.

Order: items are committed in the order they were submitted, except that an item which touches a
stream or key of an earlier item in the same batch waits for the next batch.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog

from ledger.errors import (
    AppendQueueFull,
    Conflict,
    Corrupt,
    StoreUnavailable,
    WrongExpectedVersion,
)
from ledger.store.pending import Given, Pending, arrays
from ledger.store.pool import LOST, close, connect, is_lost, is_passing
from ledger.store.port import AnyRecorded, Append
from ledger.store.queries import load
from ledger.store.rows import recorded

MAX_WAITING: Final = 8192
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
MAX_BATCH_EVENTS: Final = 4096
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
DEADLINE_S: Final = 15.0
CALL_TIMEOUT_S: Final = 10.0
ANNOUNCE_S: Final = 0.02
"""How often other processes are told of the head, while one batch follows the other."""
RECONNECT_DELAYS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0)

_SQL: Final = load(Path(__file__).parent / "sql" / "log.sql")
_log = structlog.get_logger(__name__)

Committed = Callable[[list[AnyRecorded]], None]


class Appender:
    """The one writer of this process."""

    def __init__(
        self,
        dsn: str,
        on_commit: Committed,
        *,
        max_waiting: int = MAX_WAITING,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Write to the database at *dsn*; *on_commit* is told each batch's events, in order.

        Units: *max_waiting* in appends; *deadline_s* from when an append was asked for.
        """
        self._max_waiting = max_waiting
        self._deadline_s = deadline_s
        self._dsn = dsn
        self._on_commit = on_commit
        self._waiting: deque[Pending] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._connection: asyncpg.Connection[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._announced_at = 0.0
        self.on_rows: Callable[[list[tuple[Any, ...]]], None] | None = None
        """Told each batch's events as rows, before anybody else knows of them, if somebody asks."""
        self.batches = 0
        self.events = 0

    def start(self) -> None:
        """Begin to write. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="appender")

    async def stop(self) -> None:
        """Write what waits, then end. Idempotent."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
            self._task = None
        if self._connection is not None:
            await close(self._connection)
            self._connection = None

    def drop(self) -> None:
        """Give up the connection, and with it a call that is under way."""
        self._drop_connection()

    @property
    def server_pid(self) -> int | None:
        """The process of PostgreSQL that commits for this appender, while it has one."""
        connection = self._connection
        return None if connection is None else connection.get_server_pid()

    @property
    def waiting(self) -> int:
        """How many appends wait."""
        return len(self._waiting)

    async def append(self, append: Append) -> tuple[AnyRecorded, ...]:
        """See `ledger.store.port.Store.append`."""
        loop = asyncio.get_running_loop()
        if self._stopping:
            message = "the server is shutting down"
            raise StoreUnavailable(message)
        if len(self._waiting) >= self._max_waiting or self._waiting_bytes >= MAX_WAITING_BYTES:
            message = "too many appends are waiting for the database"
            raise AppendQueueFull(message)
        pending = Pending(append, loop.create_future(), loop.time() + self._deadline_s)
        if pending.writes_twice:
            message = "an append writes to one stream in two places"
            raise Corrupt(message)
        self._waiting.append(pending)
        self._waiting_bytes += pending.size_bytes
        self._wake.set()
        return await pending.future

    async def _run(self) -> None:
        while not (self._stopping and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                # Handlers that became runnable with the last commit get to add to this batch.
                await asyncio.sleep(0)
                batch = self._take()
                try:
                    await self._write(batch)
                except Exception as error:  # noqa: BLE001 - a bug; the writer outlives it
                    _log.exception("append failed", items=len(batch))
                    for pending in batch:
                        pending.fail(error)

    def _take(self) -> list[Pending]:
        """Take what can be committed together: no stream or key twice."""
        batch: list[Pending] = []
        left: list[Pending] = []
        written: set[str] = set()
        read: set[str] = set()
        keys: set[str] = set()
        events = size = 0
        while self._waiting:
            pending = self._waiting.popleft()
            if pending.future.done():
                self._waiting_bytes -= pending.size_bytes
                continue  # its caller went away while nothing of it was written
            full = batch and (
                events + len(pending.events) > MAX_BATCH_EVENTS
                or size + pending.size_bytes > MAX_BATCH_BYTES
            )
            if full:
                left.append(pending)
                break
            clash = (
                not written.isdisjoint(pending.streams_written)
                or not written.isdisjoint(pending.streams_read)
                or not read.isdisjoint(pending.streams_written)
                or not keys.isdisjoint(pending.keys)
            )
            # What waits behind an item that waits must not overtake it on the same stream or key.
            written |= pending.streams_written
            read |= pending.streams_read
            keys |= pending.keys
            if clash:
                left.append(pending)
                continue
            batch.append(pending)
            events += len(pending.events)
            size += pending.size_bytes
        self._waiting.extendleft(reversed(left))
        self._waiting_bytes -= size
        return batch

    async def _write(self, batch: list[Pending]) -> None:
        """Commit a batch, trying again for as long as its callers wait."""
        loop = asyncio.get_running_loop()
        attempt = 0
        while batch:
            try:
                await self._settle(batch, await self._call(batch))
            except (*LOST, asyncpg.PostgresError, ValueError, OverflowError) as error:
                if is_lost(error):
                    self._drop_connection()
                    for pending in batch:
                        pending.uncertain = True
                elif not is_passing(error):
                    await self._divide(batch, error)
                    return
                _log.warning("append interrupted", items=len(batch), error=type(error).__name__)
            else:
                return
            delay = RECONNECT_DELAYS_S[min(attempt, len(RECONNECT_DELAYS_S) - 1)]
            attempt += 1
            batch = self._still_wanted(batch, loop.time() + delay)
            if batch:
                await asyncio.sleep(delay)

    def _still_wanted(self, batch: list[Pending], now: float) -> list[Pending]:
        wanted: list[Pending] = []
        for pending in batch:
            if pending.future.done():
                continue
            if pending.deadline > now and not self._stopping:
                wanted.append(pending)
                continue
            known = "it is not known whether it was written" if pending.uncertain else "not written"
            pending.fail(StoreUnavailable(f"the database did not answer in time; {known}"))
        return wanted

    async def _divide(self, batch: list[Pending], error: Exception) -> None:
        """One item of a batch is unacceptable to the database: find it, keep the others."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._write(batch[:middle])
            await self._write(batch[middle:])
            return
        _log.error("append refused by the database", error=type(error).__name__)
        message = f"the database refused the event ({type(error).__name__})"
        refusal = Corrupt(message)
        refusal.__cause__ = error
        batch[0].fail(refusal)

    async def _connected(self) -> "asyncpg.Connection[Any]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._dsn)
        return self._connection

    async def _call(self, batch: list[Pending]) -> list[Any]:
        connection = await self._connected()
        now = asyncio.get_running_loop().time()
        # Where more waits already, its batch comes next and tells of both.
        announce = not self._waiting or now >= self._announced_at + ANNOUNCE_S
        rows = await connection.fetch(
            _SQL["append"], *arrays(batch), announce, timeout=CALL_TIMEOUT_S
        )
        if announce:
            self._announced_at = now
        return rows

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _settle(self, batch: list[Pending], rows: list[Any]) -> None:
        """Give each caller its outcome; what was sent before and is refused now is looked up."""
        given = Given(rows[0])
        refused = {row["item"]: row for row in rows[1:]}
        committed: list[AnyRecorded] = []
        accepted: list[tuple[Pending, tuple[AnyRecorded, ...]]] = []
        doubtful: list[tuple[Pending, Conflict]] = []
        for item, pending in enumerate(batch):
            row = refused.get(item)
            if row is None:
                records = pending.recorded(given)
                accepted.append((pending, records))
                committed.extend(records)
                continue
            refusal: Conflict = pending.refusal(row)
            if pending.uncertain and pending.events:
                doubtful.append((pending, refusal))
            else:
                pending.fail(refusal)
        self.batches += 1
        self.events += len(committed)
        if committed and self.on_rows is not None:
            self.on_rows([row for pending, records in accepted for row in pending.rows(records)])
        if committed:
            self._on_commit(committed)
        for pending, records in accepted:
            pending.resolve(records)
        # Last, because it can fail: the others have their outcome by then.
        for pending, refused_for in doubtful:
            await self._look_up(pending, refused_for)

    async def _look_up(self, pending: Pending, refusal: Conflict) -> None:
        found = await self._find(pending)
        if found is not None:
            pending.resolve(found)
        elif isinstance(refusal, WrongExpectedVersion):
            pending.fail(refusal)
        else:
            message = "the connection was lost, and now a key is taken; it may still be written"
            pending.fail(StoreUnavailable(message))

    async def _find(self, pending: Pending) -> tuple[AnyRecorded, ...] | None:
        """Look for an uncertain item's own events in the log."""
        connection = await self._connected()
        found: list[AnyRecorded] = []
        for write in pending.append.writes:
            if not write.facts:
                continue
            rows = await connection.fetch(
                _SQL["read_stream"], write.stream, write.expected_version, None
            )
            found.extend(recorded(row) for row in rows[: len(write.facts)])
        ours = [event.event_id for event in pending.events]
        return tuple(found) if [record.event_id for record in found] == ours else None
