"""Fold the log again beside a live view, and compare the two row by row at one position.

The second fold is a generation of its own (`verify`), with its own schema, checkpoint and quarantine,
and goes away afterwards. The last stretch is folded inside the transaction whose snapshot shows the
live rows, so both sides are at the same position while the live one goes on unhindered. The log is read
as the database holds it, not as this process remembers it. What was erased after the live view's
position is waited for, because the log holds no more what the view is about to forget.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from ledger.errors import ProjectionRebuilding, Unavailable
from ledger.ids import new_uuid
from ledger.store.tail import Tail
from projections import checkpoint as checkpoints
from projections.checkpoint import SQL, Checkpoint
from projections.faults import is_poison
from projections.port import Connection, Pool, Projector, schema_of
from projections.runner import BATCH_EVENTS, Runner

_LEASE_S: Final = 60.0
_COMPARE_TIMEOUT_S: Final = 600.0
_AGAIN_S: Final = 0.1

Told: TypeAlias = Callable[[int, int], None]


class Difference(Struct, frozen=True, kw_only=True):
    """A row that is not what the log says."""

    table: str
    key: dict[str, Any]
    """Its primary key."""
    kind: str
    """`missing` from the live view, `surplus` in it, or `different`."""


class Verified(Struct, frozen=True, kw_only=True):
    """What a verification found."""

    name: str
    position: int
    """Both sides reflected the log up to here."""
    differences: tuple[Difference, ...]
    """At most the limit asked for, for each table."""
    quarantined: tuple[str, ...]
    """Streams set aside in the live view, which explain differences of theirs."""
    unreadable: tuple[str, ...]
    """Streams that could not be folded now."""

    @property
    def is_sound(self) -> bool:
        """Whether the view is exactly what the log says."""
        return not self.differences and not self.quarantined and not self.unreadable


class VerifyRunning(Unavailable):
    """Somebody verifies this view already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is being verified already", retry_after_s=10.0)


async def verify(
    pool: Pool,
    tail: Tail,
    projector: Projector,
    *,
    limit: int = 100,
    told: Told = lambda _position, _of: None,
) -> Verified:
    """Compare a live view with a fresh fold of the log.

    *told* is called now and then with the position reached, and the one to reach.

    Raises:
        VerifyRunning: another verification of this view runs.
        ProjectionRebuilding: the live view is of another version.
        Corrupt: the log has no events where the live view has been.
        StoreUnavailable: the database cannot be reached.
    """
    live = await checkpoints.read_one(pool, projector.name)
    if live.version != projector.version:
        raise ProjectionRebuilding(projector.name)
    async with _scratch(pool, projector) as scratch:
        runner = Runner(projector, scratch, pool=pool, tail=tail, lease_s=_LEASE_S)
        while True:
            live = await checkpoints.read_one(pool, projector.name)
            while runner.position < live.position:
                await runner.step(until=live.position)
                told(runner.position, live.position)
            try:
                found = await _compare(pool, tail, projector, runner, limit)
            except Exception as error:
                if not is_poison(error):
                    raise
                # One of the last events cannot be applied; the runner sets its stream aside.
                await runner.load()
                await runner.step(until=live.position)
                continue
            if found is not None:
                return found
            await asyncio.sleep(_AGAIN_S)


@asynccontextmanager
async def _scratch(pool: Pool, projector: Projector) -> AsyncIterator[Checkpoint]:
    name = projector.name
    owner = str(new_uuid())
    await checkpoints.create(pool, projector, "verify")
    async with pool.acquire() as connection, connection.transaction():
        epoch = await connection.fetchval(SQL["take"], name, "verify", owner, _LEASE_S)
        if epoch is None:
            raise VerifyRunning(name)
        await checkpoints.restart(connection, projector, "verify")
        await connection.fetchval(SQL["take"], name, "verify", owner, _LEASE_S)
    scratch = await checkpoints.read_one(pool, name, "verify")
    try:
        yield scratch
    finally:
        await asyncio.shield(_drop(pool, scratch))


async def _drop(pool: Pool, scratch: Checkpoint) -> None:
    async with pool.acquire() as connection, connection.transaction():
        if (
            await connection.execute(SQL["delete"], scratch.name, scratch.generation, scratch.epoch)
            == "DELETE 1"
        ):
            await connection.execute(SQL["drop_schema"], scratch.schema)


async def _compare(
    pool: Pool, tail: Tail, projector: Projector, runner: Runner, limit: int
) -> Verified | None:
    """Compare in one snapshot; None when the live view went too far ahead meanwhile."""
    name, schema = projector.name, schema_of(projector.name, "live")
    async with pool.acquire() as connection:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        try:
            live = await checkpoints.read_one(connection, name)
            rest = []
            if live.position < runner.position:
                return None
            if live.position > runner.position:
                rest = await tail.read(runner.position, BATCH_EVENTS, stored=True)
                if not rest or rest[-1].position < live.position:
                    return None
                rest = [event for event in rest if event.position <= live.position]
            if await connection.fetchval(SQL["erased_since"], live.position):
                return None  # the log has forgotten what this view is about to forget
            if rest:
                await runner.apply_last(connection, rest)
            parked = await checkpoints.parked(connection, name, "live")
            unreadable = await checkpoints.parked(connection, name, "verify")
            differences = await _differences(connection, schema, runner.checkpoint.schema, limit)
        finally:
            # The last stretch was only for the comparison.
            await transaction.rollback()
        if (await checkpoints.read_one(connection, name)).epoch != live.epoch:
            return None  # a swap may have come between the snapshot and the live tables
    return Verified(
        name=name,
        position=live.position,
        differences=differences,
        quarantined=tuple(sorted(parked)),
        unreadable=tuple(sorted(unreadable)),
    )


async def _differences(
    connection: Connection, live: str, scratch: str, limit: int
) -> tuple[Difference, ...]:
    rows = await connection.fetch(
        SQL["differences"], live, scratch, limit, timeout=_COMPARE_TIMEOUT_S
    )
    return tuple(
        Difference(table=row["table_name"], key=msgspec.json.decode(row["key"]), kind=row["kind"])
        for row in rows
    )
