"""Writes the history view."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import encode, text
from projections.fold import LIFE_TYPES, Change, fold_executions
from projections.history.counts import count
from projections.port import Connection

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")
_MILLISECOND: Final = timedelta(milliseconds=1)


class HistoryProjector:
    """Keeps one row an execution, for its job's history, and counts how they ended."""

    name: Final = "history"
    version: Final = 2
    interests: Final = LIFE_TYPES
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        changes = await fold_executions(connection, batch, _WRITE["load"], outlined=True)
        if changes:
            rows = [_row(change) for change in changes]
            await connection.execute(_WRITE["upsert"], *zip(*rows, strict=True))
            await count(connection, changes)


def _row(change: Change) -> tuple[Any, ...]:
    state = change.new
    created = state.created
    duration_ms = None
    if state.started_at is not None and state.ended_at is not None:
        # Both are told by reporters, whose clocks may disagree.
        duration_ms = max(0, (state.ended_at - state.started_at) // _MILLISECOND)
    deletion = next((fact for fact in change.facts if fact.type == "execution.deleted"), None)
    return (
        created.uuid,
        state.number,
        state.organization,
        text(created.job_id),
        state.status,
        state.outcome,
        state.cause,
        text(state.exit_code),
        state.attempt,
        state.created_at,
        state.started_at,
        state.ended_at,
        duration_ms,
        created.restart_of is not None,
        text(created.user),
        text(created.trigger),
        deletion.recorded_at if deletion else None,
        text(deletion.actor) if deletion else None,
        state.erased,
        state.created_position,
        state.version,
        encode(state),
    )
