"""How the projections are doing: for health, the API and metrics."""

from datetime import datetime

from msgspec import Struct

from ledger.store.pool import store_errors
from projections.checkpoint import SQL, read_all
from projections.port import Generation, Reader


class ProjectionStatus(Struct, frozen=True, kw_only=True):
    """One generation of one projection."""

    name: str
    generation: Generation
    version: int
    position: int
    lag: int
    """How many events it is behind the head that was given."""
    state: str
    """`running`, `stalled` (see `error`), or `unowned`: no process advances it."""
    error: str | None
    owner: str | None
    advanced_at: datetime | None
    quarantined: int
    """Streams set aside; list them with `projections.quarantine.quarantined`."""


async def status(reader: Reader, head: int) -> list[ProjectionStatus]:
    """Tell how every projection is doing, given the head of the log.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    with store_errors():
        checkpoints = await read_all(reader)
        rows = await reader.fetch(SQL["quarantine_counts"])
    parked = {(row["name"], row["generation"]): row["parked"] for row in rows}
    return [
        ProjectionStatus(
            name=checkpoint.name,
            generation=checkpoint.generation,
            version=checkpoint.version,
            position=checkpoint.position,
            lag=max(0, head - checkpoint.position),
            state=checkpoint.state if checkpoint.owned else "unowned",
            error=checkpoint.error,
            owner=checkpoint.owner,
            advanced_at=checkpoint.advanced_at,
            quarantined=parked.get((checkpoint.name, checkpoint.generation), 0),
        )
        for checkpoint in checkpoints
    ]
