"""How many executions there are by organization, job, phase and hour of creation."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

from ledger.executions.phase import phase_of
from ledger.executions.state import ExecutionState
from ledger.store.queries import load
from projections.encoded import text
from projections.executions.content import pipeline_of
from projections.port import Connection

_WRITE: Final = load(Path(__file__).parent / "sql" / "counts.sql")

Key: TypeAlias = tuple[str, str, str, str, str, datetime]
"""Organization, job id, its folded form, pipeline id, phase, hour of creation."""


async def count(
    connection: Connection, before: Iterable[Key | None], after: Iterable[Key | None]
) -> None:
    """Move what changed from where it was counted to where it counts now."""
    added: Counter[Key] = Counter(key for key in after if key is not None)
    added.subtract(key for key in before if key is not None)
    # In one order everywhere, so that no two transactions wait for each other's rows.
    keys = sorted(key for key, count in added.items() if count)
    if not keys:
        return
    columns = list(zip(*keys, strict=True))
    await connection.execute(_WRITE["add_counts"], *columns, [added[key] for key in keys])
    left = [key for key in keys if added[key] < 0]
    if left:
        organizations, job_ids, _, pipelines, phases, hours = zip(*left, strict=True)
        await connection.execute(
            _WRITE["drop_zero_counts"], organizations, job_ids, pipelines, phases, hours
        )


def counted_as(state: ExecutionState) -> Key | None:
    """Tell where an execution is counted; what no find looks for is not."""
    if state.deleted or state.erased:
        return None
    job_id = text(state.job_id)
    return (
        state.organization,
        job_id,
        job_id.casefold(),
        pipeline_of(state.created.job_uuid),
        phase_of(state),
        hour_of(state.created_at),
    )


def hour_of(instant: datetime) -> datetime:
    """Give the beginning of an instant's hour."""
    return instant.replace(minute=0, second=0, microsecond=0)
