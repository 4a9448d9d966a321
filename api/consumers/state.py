"""A consumer at one moment: who is there, what the shards are at, what is out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import asyncpg
from msgspec import Struct

from api.consumers.shards import Moves, moves
from api.consumers.terms import Consumer, Filter, Terms
from ledger.store.queries import load

CONSUMERS: Final = load(Path(__file__).parent / "sql" / "consumers.sql")
MEMBERS: Final = load(Path(__file__).parent / "sql" / "members.sql")
HANDING: Final = load(Path(__file__).parent / "sql" / "handing.sql")
_RENEW_BELOW: Final = 2 / 3
"""A stay is prolonged when less than this part of a lease is left of it."""

Connection: TypeAlias = (
    "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any] | asyncpg.Pool[Any]"
)
"""Whatever takes statements; a pool takes single ones."""


class Member(Struct, frozen=True):
    """One stay of a member."""

    id: int
    name: str
    is_alive: bool
    left_s: float


class Shard(Struct, frozen=True):
    """A shard; see the package's docstring for what the positions mean."""

    shard: int
    member: int | None
    epoch: int
    acked: int
    latest: int
    handed: int | None
    careful: int
    is_over: bool
    """Something of it is out, and its lease has ended."""

    @property
    def is_behind(self) -> bool:
        """Whether an event of it waits, or is out."""
        return self.acked < self.latest


class Out(Struct, frozen=True):
    """A stream set aside that is handed out."""

    shard: int
    member: int | None
    alone: bool
    is_over: bool


class Held(Struct, frozen=True):
    """A stream set aside whose time has come."""

    id: int
    stream: str
    shard: int
    after: int
    position: int
    attempts: int
    alone: bool
    epoch: int

    @property
    def is_tried(self) -> bool:
        """Whether the next event failed before, so that it is handed out by itself."""
        return self.attempts > 0 and self.after < self.position


class Look(Struct, frozen=True):
    """All of it, in one moment if the consumer is locked and nearly so if not."""

    consumer: Consumer
    members: tuple[Member, ...]
    shards: tuple[Shard, ...]
    out: tuple[Out, ...]

    def member(self, name: str) -> Member | None:
        """Find a member that is there."""
        return next((m for m in self.members if m.name == name and m.is_alive), None)

    def moves(self, member: Member) -> Moves:
        """Say which shards a member should give back or take over."""
        alive = [m.id for m in self.members if m.is_alive]
        out = {s.shard for s in self.shards if s.handed is not None} | {o.shard for o in self.out}
        return moves([s.member for s in self.shards], frozenset(out), alive, member.id)

    def needs_arrival(self, name: str) -> bool:
        """Whether the member must be noted, shards must move, or leases must be ended."""
        member = self.member(name)
        if member is None or member.left_s < self.consumer.terms.lease_s * _RENEW_BELOW:
            return True
        if not all(m.is_alive for m in self.members):
            return True
        if any(s.is_over for s in self.shards) or any(o.is_over for o in self.out):
            return True
        wanted = self.moves(member)
        return bool(wanted.give or wanted.take)

    @property
    def done(self) -> int:
        """The position up to which nothing waits, except for what is set aside."""
        scanned = self.consumer.scanned
        return min(s.acked if s.is_behind else max(s.acked, scanned) for s in self.shards)


def consumer_of(row: Mapping[str, Any]) -> Consumer:
    """Read a row of `consumers.consumer`."""
    return Consumer(
        id=row["id"],
        organization=row["organization"],
        kind=row["kind"],
        name=row["name"],
        filter=Filter(
            types=tuple(row["types"] or ()), job_id=row["job_id"], with_keys=row["with_keys"]
        ),
        terms=Terms(
            description=row["description"],
            lease_s=row["lease_s"],
            max_attempts=row["max_attempts"],
            backoff_s=row["backoff_s"],
            backoff_max_s=row["backoff_max_s"],
        ),
        scanned=row["scanned"],
        created_at=row["created_at"],
        created_by=row["created_by"],
    )


async def look(connection: Connection, consumer: int, *, lock: bool = False) -> Look | None:
    """Read all of it, a few small rows; None when the consumer is gone.

    With *lock* nobody else changes anything of it until the transaction ends.
    """
    row = await connection.fetchrow(CONSUMERS["lock" if lock else "by_id"], consumer)
    if row is None:
        return None
    members = await connection.fetch(MEMBERS["members"], consumer)
    shards = await connection.fetch(MEMBERS["shards"], consumer)
    out = await connection.fetch(MEMBERS["out"], consumer)
    return Look(
        consumer=consumer_of(row),
        members=tuple(_structs(Member, members)),
        shards=tuple(_structs(Shard, shards)),
        out=tuple(_structs(Out, out)),
    )


async def due(
    connection: Connection, consumer: int, shards: Sequence[int], limit: int
) -> list[Held]:
    """Read which of the streams set aside are to be tried now."""
    return _structs(Held, await connection.fetch(MEMBERS["due"], consumer, shards, limit))


def _structs(kind: Any, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    names = kind.__struct_fields__
    return [kind(*(row[name] for name in names)) for row in rows]
