"""What was set aside in which projection, and how it comes back after a fix."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from ledger.errors import NotFound, ProjectionRebuilding
from ledger.store.port import AnyRecorded
from projections import checkpoint as checkpoints
from projections.checkpoint import SQL, Checkpoint
from projections.faults import is_poison
from projections.interests import is_followed, require_readable
from projections.port import Generation, Pool, Projector, Reader

ReadStream: TypeAlias = Callable[[str], Awaitable[list[AnyRecorded]]]
"""Reads one stream from its beginning; `PostgresStore.read_stream` is one."""


class Quarantined(Struct, frozen=True, kw_only=True):
    """A stream that one projection could not follow."""

    name: str
    generation: Generation
    stream: str
    from_position: int
    """The first of its events that was not applied."""
    attempts: int
    parked: bool
    """False while it is still being tried."""
    error: str
    at: datetime


class Replayed(Struct, frozen=True, kw_only=True):
    """What a replay came to."""

    events: int
    """How many events were applied; 0 when it failed again."""
    position: int
    """The view reflects the stream up to here, like all others."""
    error: str | None = None
    """Why it failed again; the stream stays set aside."""


async def quarantined(
    reader: Reader, *, name: str | None = None, after: str = "", limit: int = 100
) -> list[Quarantined]:
    """List what is set aside or on trial.

    Order: by stream; *after* is exclusive.
    """
    rows = await reader.fetch(SQL["quarantine"], name, after, limit)
    return [Quarantined(**dict(row)) for row in rows]


async def replay_quarantined(
    pool: Pool,
    read_stream: ReadStream,
    projector: Projector,
    stream: str,
    *,
    generation: Generation = "live",
) -> Replayed:
    """Apply a stream's events from where it was set aside; from then on it is followed again.

    May run on any node: the owner is kept waiting by the row's lock, and looks at the quarantine
    again before it goes on.

    Raises:
        NotFound: the stream is not set aside in this projection.
        ProjectionRebuilding: the tables are of another version of the projector; rebuild instead.
    """
    events = await read_stream(stream)
    checkpoint, from_position = await _parked(pool, projector, stream, generation)
    try:
        async with pool.acquire() as connection, connection.transaction():
            # From here on nobody advances, so what is missed is known.
            await checkpoints.lock(connection, projector.name, generation)
            checkpoint, from_position = await _parked(connection, projector, stream, generation)
            if not events or events[-1].position < checkpoint.position:
                events = await read_stream(stream)
            missed = [
                event
                for event in events
                if from_position <= event.position <= checkpoint.position
                and is_followed(projector, event)
            ]
            require_readable(projector, missed)
            await connection.execute(SQL["work_in"], f"{checkpoint.schema},pg_catalog")
            if missed:
                await projector.apply(connection, missed)
            await connection.execute(SQL["clear"], projector.name, generation, stream)
            await connection.execute(SQL["touch"], projector.name, generation)
    except Exception as error:
        if isinstance(error, (NotFound, ProjectionRebuilding)) or not is_poison(error):
            raise
        described = checkpoints.describe(error)
        await pool.execute(SQL["count_replay"], projector.name, generation, stream, described)
        return Replayed(events=0, position=from_position - 1, error=described)
    return Replayed(events=len(missed), position=checkpoint.position)


async def _parked(
    reader: Reader, projector: Projector, stream: str, generation: Generation
) -> tuple[Checkpoint, int]:
    """Give the checkpoint, and from which position on the stream is set aside."""
    checkpoint = await checkpoints.read_one(reader, projector.name, generation)
    if checkpoint.version != projector.version:
        raise ProjectionRebuilding(projector.name)
    parked = await checkpoints.parked(reader, projector.name, generation)
    if stream not in parked:
        raise NotFound("quarantined stream", stream)
    return checkpoint, parked[stream]
