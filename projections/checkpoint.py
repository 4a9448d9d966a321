"""How far each generation of a projection is, who may advance it, and what it has set aside.

Invariants:

- A checkpoint moves by compare-and-set on (position, epoch, revision), in the transaction that
  writes the rows. Zero rows means that the caller is not the owner, or looked at an old quarantine.
- `epoch` changes with every change of owner, with a restart and with a swap: it fences.
- `revision` changes when anybody but the owner changed the quarantine.
- The lease is by PostgreSQL's clock; every advance prolongs it.

On a crash the lease runs out and another process takes the row; what was not committed is
applied again from the log.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast

from msgspec import Struct

from ledger.errors import NotFound
from ledger.store.queries import load
from projections.port import Connection, Generation, Pool, Projector, Reader, schema_of

SQL: Final = load(Path(__file__).parent / "sql" / "checkpoint.sql")
_ERROR_LIMIT: Final = 2000


class Checkpoint(Struct, frozen=True, kw_only=True):
    """One generation of one projection, as its row says."""

    name: str
    generation: Generation
    version: int
    """The projector's version whose tables these are."""
    position: int
    """Everything up to here is in the tables."""
    revision: int
    owner: str | None
    epoch: int
    until: datetime | None
    owned: bool
    """Whether the owner's lease was running when this was read."""
    takeovers: int
    """Owners in a row that were lost before they could advance."""
    state: str
    """`running` or `stalled`."""
    error: str | None
    advanced_at: datetime | None

    @property
    def schema(self) -> str:
        """Where the tables are."""
        return schema_of(self.name, self.generation)


class Superseded(Exception):
    """The checkpoint is not where the caller left it: somebody else owns it, or changed it."""


def _checkpoint(row: Any) -> Checkpoint:
    return Checkpoint(**dict(row))


def describe(error: BaseException) -> str:
    """Say what went wrong, for a row that operators read. Bounded."""
    return f"{type(error).__name__}: {error}".replace("\x00", "\ufffd")[:_ERROR_LIMIT]


async def read_all(reader: Reader) -> list[Checkpoint]:
    """Read every generation's checkpoint, by name."""
    return [_checkpoint(row) for row in await reader.fetch(SQL["all"])]


async def read_one(reader: Reader, name: str, generation: Generation = "live") -> Checkpoint:
    """Read one checkpoint.

    Raises:
        NotFound: there is no such generation.
    """
    row = await reader.fetchrow(SQL["one"], name, generation)
    if row is None:
        raise NotFound("projection", f"{name} ({generation})")
    return _checkpoint(row)


async def lock(connection: Connection, name: str, generation: Generation) -> Checkpoint | None:
    """Keep anybody from advancing a generation until the transaction ends."""
    row = await connection.fetchrow(SQL["lock"], name, generation)
    return _checkpoint(row) if row is not None else None


async def create(pool: Pool, projector: Projector, generation: Generation) -> bool:
    """Make a generation's tables and its checkpoint at position 0; False if it is there.

    Idempotent: yes, also when several processes start at once.
    """
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            SQL["create"], projector.name, generation, projector.version
        )
        if row is None:
            return False
        await make_tables(connection, projector, generation)
        return True


async def restart(connection: Connection, projector: Projector, generation: Generation) -> None:
    """Begin a generation again with this projector's version; its owner is fenced."""
    await connection.execute(SQL["restart"], projector.name, generation, projector.version)
    await connection.execute(SQL["forget_quarantine"], projector.name, generation)
    await make_tables(connection, projector, generation)


async def make_tables(connection: Connection, projector: Projector, generation: Generation) -> None:
    """Make a generation's tables, empty."""
    schema = schema_of(projector.name, generation)
    await connection.execute(SQL["fresh_schema"], schema)
    await connection.execute(SQL["work_in"], schema)
    await connection.execute(projector.schema_sql)


async def acquire(
    pool: Pool, owner: str, lease_s: float, versions: dict[str, int]
) -> list[Checkpoint]:
    """Take or keep what may be owned with these projectors' versions; give all checkpoints.

    Units: *lease_s* in seconds, by PostgreSQL's clock.
    """
    await pool.execute(SQL["acquire"], owner, lease_s, list(versions), list(versions.values()))
    return await read_all(pool)


async def release(pool: Pool, owner: str) -> None:
    """Give up everything, so that another process need not wait for the lease to end."""
    await pool.execute(SQL["release"], owner)


async def advance(
    connection: Connection, checkpoint: Checkpoint, position: int, lease_s: float
) -> None:
    """Move a checkpoint and prepare the transaction for the rows that go with it.

    Raises:
        Superseded: roll back and read the checkpoint again.
    """
    row = await connection.fetchrow(
        SQL["advance"],
        checkpoint.name,
        checkpoint.generation,
        checkpoint.position,
        checkpoint.epoch,
        checkpoint.revision,
        position,
        lease_s,
        f"{checkpoint.schema},pg_catalog",
    )
    if row is None or row["advanced"] != 1:
        raise Superseded


async def parked(reader: Reader, name: str, generation: Generation) -> dict[str, int]:
    """Read which streams are left aside, and from which position on."""
    rows = await reader.fetch(SQL["parked"], name, generation)
    return {row["stream"]: row["from_position"] for row in rows}


async def count_attempt(pool: Pool, checkpoint: Checkpoint, stream: str, position: int) -> int:
    """Count a try of one event before it is made, durably, so that a crash counts as well.

    Raises:
        Superseded: the caller is not the owner any more.
    """
    attempts = await pool.fetchval(
        SQL["count_attempt"],
        checkpoint.name,
        checkpoint.generation,
        checkpoint.epoch,
        stream,
        position,
    )
    if attempts is None:
        raise Superseded
    return cast("int", attempts)


async def stall(pool: Pool, checkpoint: Checkpoint, error: BaseException) -> None:
    """Put on record why a generation does not go on; its next advance clears it."""
    await pool.execute(
        SQL["stall"],
        checkpoint.name,
        checkpoint.generation,
        checkpoint.epoch,
        describe(error),
    )
