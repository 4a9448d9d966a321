"""How many executions of each job are open, and how many ended how."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from ledger.executions.state import ExecutionState
from ledger.store.queries import load
from projections.encoded import text
from projections.fold import Change
from projections.port import Connection

_WRITE: Final = load(Path(__file__).parent / "sql" / "endings.sql")
_COUNTED: Final = ("open", "ok", "warning", "error", "aborted")

Key: TypeAlias = tuple[str, str]
"""Organization and job id."""


async def count_endings(connection: Connection, changes: Sequence[Change]) -> None:
    """Move what changed from what it was counted as to what it counts as now."""
    added: defaultdict[Key, Counter[str]] = defaultdict(Counter)
    for change in changes:
        before, after = _counts_for(change.old), _counts_for(change.new)
        if before != after:
            if before is not None:
                added[before[0]][before[1]] -= 1
            if after is not None:
                added[after[0]][after[1]] += 1
    # In one order everywhere, so that no two transactions wait for each other's rows.
    keys = sorted(key for key, counter in added.items() if any(counter.values()))
    if not keys:
        return
    organizations, job_ids = zip(*keys, strict=True)
    columns = [[added[key][name] for key in keys] for name in _COUNTED]
    await connection.execute(_WRITE["add"], organizations, job_ids, *columns)
    if any(change.new.erased for change in changes):
        await connection.execute(_WRITE["drop_zeros"], organizations, job_ids)


def _counts_for(state: ExecutionState | None) -> tuple[Key, str] | None:
    """Tell for which job, and as what, an execution counts."""
    if state is None or state.erased:
        return None
    key = (state.organization, text(state.job_id))
    if state.is_open:
        return key, "open"
    return key, state.outcome or "aborted"
