"""How many executions there are by organization, job, phase and hour of creation."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from ledger.executions.phase import phase_of
from ledger.executions.state import ExecutionState
from ledger.store.queries import load
from projections.encoded import text
from projections.executions.content import pipeline_of
from projections.fold import Change
from projections.instants import HOUR, begin, whole
from projections.port import Connection

_WRITE: Final = load(Path(__file__).parent / "sql" / "counts.sql")

Key: TypeAlias = tuple[str, str, str, str, str, int]
"""Organization, job id, its folded form, pipeline id, phase, hour of creation (since 1970)."""


async def count(connection: Connection, changes: Sequence[Change]) -> None:
    """Move what changed from where it was counted to where it counts now."""
    added: Counter[Key] = Counter()
    for change in changes:
        if change.old is not None and (before := _counted_as(change.old)) is not None:
            added[before] -= 1
        if (after := _counted_as(change.new)) is not None:
            added[after] += 1
    # In one order everywhere, so that no two transactions wait for each other's rows.
    keys = sorted(key for key, count in added.items() if count)
    if not keys:
        return
    *texts, hours = zip(*keys, strict=True)
    counts = [added[key] for key in keys]
    await connection.execute(
        _WRITE["add_counts"], *texts, [begin(HOUR, hour) for hour in hours], counts
    )
    left = [key for key in keys if added[key] < 0]
    if left:
        organizations, job_ids, _, pipelines, phases, hours = zip(*left, strict=True)
        beginnings = [begin(HOUR, hour) for hour in hours]
        await connection.execute(
            _WRITE["drop_zero_counts"], organizations, job_ids, pipelines, phases, beginnings
        )


def _counted_as(state: ExecutionState) -> Key | None:
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
        whole(HOUR, state.created_at),
    )
