"""The store on PostgreSQL, put together: append, read, tail, leases and timers of one database."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from msgspec import Struct

from ledger.errors import StoreUnavailable
from ledger.store.append import MAX_WAITING, Appender
from ledger.store.pool import close_pool, open_pool, store_errors
from ledger.store.port import AnyRecorded, Append, Claim
from ledger.store.queries import load
from ledger.store.reading import StreamReads
from ledger.store.rows import recorded
from ledger.store.tail import RING_EVENTS, Tail
from ledger.tasks import end

SILENCE_S: Final = 2.0
_LOG: Final = load(Path(__file__).parent / "sql" / "log.sql")
_LEASES: Final = load(Path(__file__).parent / "sql" / "leases.sql")
_log = structlog.get_logger(__name__)


class ClaimOwner(Struct, frozen=True):
    """Who owns a key, and what was put with it."""

    stream: str
    value: bytes | None


class Renewed(Struct, frozen=True):
    """A lease that goes on."""

    stream: str
    fence: int
    worker: str
    expires_at: datetime


class PostgresStore:
    """Implements `ledger.store.port.Store`; one a process."""

    def __init__(
        self,
        dsn: str,
        pool: "asyncpg.Pool[Any]",
        *,
        max_waiting: int = MAX_WAITING,
        ring_events: int = RING_EVENTS,
    ) -> None:
        self._pool = pool
        self.tail = Tail(
            dsn,
            lambda after, limit: self.read_log(after=after, limit=limit),
            self.head,
            ring_events=ring_events,
            is_own=lambda pid: pid == self.appender.server_pid,
        )
        self.appender = Appender(dsn, self.tail.committed, max_waiting=max_waiting)
        self._reads = StreamReads(self._read_after)

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        max_connections: int = 10,
        max_waiting: int = MAX_WAITING,
        ring_events: int = RING_EVENTS,
    ) -> "PostgresStore":
        """Connect to a migrated database and begin to write and tail; the caller closes it.

        *ring_events*: how many of the newest events stay in memory for those who follow the log.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        with store_errors():
            pool = await open_pool(dsn, max_size=max_connections)
        store = cls(dsn, pool, max_waiting=max_waiting, ring_events=ring_events)
        try:
            await store.tail.start()
        except BaseException:
            pool.terminate()
            raise
        store.appender.start()
        return store

    async def drop_if_silent(self) -> None:
        """Let go of a database that does not answer, so that nothing waits for it while all stops.

        Whoever is in a call then is told at once that it was lost.
        """
        asking = asyncio.create_task(self._answers(), name="is-it-there")
        await asyncio.wait((asking,), timeout=SILENCE_S)
        if not asking.done() or not asking.result():
            _log.warning("the database does not answer while the process stops")
            self._pool.terminate()
            self.appender.drop()
            self.tail.drop()
        await end(asking)

    async def _answers(self) -> bool:
        try:
            await self.head()
        except StoreUnavailable:
            return False
        return True

    async def close(self) -> None:
        """Write what waits and let go of the database, which need not answer. Idempotent."""
        await self.appender.stop()
        await self._reads.stop()
        await self.tail.stop()
        await close_pool(self._pool)

    @property
    def pool(self) -> "asyncpg.Pool[Any]":
        """Connections for reading models."""
        return self._pool

    async def append(self, append: Append) -> tuple[AnyRecorded, ...]:
        """See the port."""
        return await self.appender.append(append)

    async def head(self) -> int:
        """Read the highest committed position."""
        with store_errors():
            position: int = await self._pool.fetchval(_LOG["head"])
        return position

    async def read_log(self, *, after: int, limit: int) -> list[AnyRecorded]:
        """See the port."""
        with store_errors():
            rows = await self._pool.fetch(_LOG["read_log"], after, limit)
            if not rows:
                rows = await self._pool.fetch(_LOG["read_beyond"], after, limit)
        return [recorded(row) for row in rows]

    async def read_stream(
        self, stream: str, *, after: int = 0, until: int | None = None
    ) -> list[AnyRecorded]:
        """See the port."""
        if until is None:
            return await self._reads.read(stream, after)
        with store_errors():
            rows = await self._pool.fetch(_LOG["read_stream"], stream, after, until)
        return [recorded(row) for row in rows]

    async def _read_after(self, streams: list[str], versions: list[int]) -> list[Any]:
        with store_errors():
            return await self._pool.fetch(_LOG["read_after"], streams, versions)

    async def read_streams(self, streams: Sequence[str], *, until: int) -> list[AnyRecorded]:
        """Read the events of several streams with `position <= until`.

        Order: by stream and version.
        """
        with store_errors():
            rows = await self._pool.fetch(_LOG["read_streams"], list(streams), until)
        return [recorded(row) for row in rows]

    async def claim_owner(self, key: str) -> ClaimOwner | None:
        """Read who owns a key."""
        with store_errors():
            row = await self._pool.fetchrow(_LOG["claim_owner"], key)
        return ClaimOwner(row["stream"], row["value"]) if row is not None else None

    async def claims_under(self, prefix: str) -> list[Claim]:
        """See the port."""
        with store_errors():
            rows = await self._pool.fetch(_LOG["claims_under"], prefix, _beyond(prefix))
        return [Claim(key=row["key"], stream=row["stream"], value=row["value"]) for row in rows]

    async def prefixes_in_use(self, prefixes: Collection[str]) -> set[str]:
        """Give those of *prefixes*, each ending in a slash, that some key begins with."""
        told = list(prefixes)
        with store_errors():
            rows = await self._pool.fetch(
                _LOG["prefixes_in_use"], told, [_beyond(prefix) for prefix in told]
            )
        return {row["prefix"] for row in rows}

    async def position_at(self, instant: datetime) -> int:
        """Give the last position that was recorded at or before an instant."""
        with store_errors():
            position: int = await self._pool.fetchval(_LOG["position_at"], instant)
        return position

    async def take_due(self, *, limit: int, hold_s: float) -> list[str]:
        """Take streams whose timer has passed; nobody else is given them for *hold_s*."""
        with store_errors():
            rows = await self._pool.fetch(_LOG["take_due"], limit, hold_s)
        return [row["stream"] for row in rows]

    async def set_due(self, stream: str, version: int, at: datetime | None) -> None:
        """Correct a stream's timer, unless the stream has moved on from *version*."""
        with store_errors():
            await self._pool.execute(_LOG["set_due"], stream, version, at)

    async def next_due(self) -> datetime | None:
        """Read when the next timer passes."""
        with store_errors():
            at: datetime | None = await self._pool.fetchval(_LOG["next_due"])
        return at

    async def keep_house(self) -> None:
        """Forget expired claims, and make partitions ahead of the head. Idempotent."""
        with store_errors():
            await self._pool.execute(_LOG["purge_claims"])
            await self._pool.execute(_LOG["ensure_partitions"])

    async def grant_lease(
        self,
        stream: str,
        *,
        lease: UUID,
        fence: int,
        worker: str,
        lease_s: float,
        organization: str,
    ) -> datetime | None:
        """Note who holds a stream under a fence; None when a newer fence is there already."""
        with store_errors():
            expires_at: datetime | None = await self._pool.fetchval(
                _LEASES["grant"], stream, lease, fence, worker, lease_s, organization
            )
        return expires_at

    async def renew_lease(self, lease: UUID, organizations: list[str] | None) -> Renewed | None:
        """Prolong a hold; None when it has ended."""
        with store_errors():
            row = await self._pool.fetchrow(_LEASES["renew"], lease, organizations)
        if row is None:
            return None
        return Renewed(row["stream"], row["fence"], row["worker"], row["expires_at"])

    async def end_lease(self, stream: str, fence: int) -> None:
        """Forget a hold. Idempotent."""
        with store_errors():
            await self._pool.execute(_LEASES["end"], stream, fence)

    async def withdraw_lease(self, lease: UUID) -> None:
        """Take back a hold that led to nothing. Idempotent."""
        with store_errors():
            await self._pool.execute(_LEASES["withdraw"], lease)

    async def is_leased(self, stream: str, fence: int) -> bool:
        """Whether a hold under a fence is noted, expired or not."""
        with store_errors():
            noted: bool = await self._pool.fetchval(_LEASES["is_leased"], stream, fence)
        return noted

    async def expired_leases(self, limit: int) -> list[tuple[str, int]]:
        """List holds whose time has passed, as stream and fence."""
        with store_errors():
            rows = await self._pool.fetch(_LEASES["expired"], limit)
        return [(row["stream"], row["fence"]) for row in rows]


def _beyond(prefix: str) -> str:
    """Give the first key that does not begin with a prefix, which ends in a slash."""
    # The byte after a slash is a zero: keys are compared byte by byte.
    return prefix.removesuffix("/") + "0"
