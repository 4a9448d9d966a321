"""Writes the executions view."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ledger.executions.state import ExecutionState
from ledger.ids import oid_of
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import array, document, encode, text
from projections.fold import EXECUTION_TYPES, fold_executions
from projections.port import Connection

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")


class ExecutionsProjector:
    """Keeps one row an execution: the columns that lists filter by, and the folded state."""

    name: Final = "executions"
    version: Final = 1
    interests: Final = EXECUTION_TYPES
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        changes = await fold_executions(connection, batch, _WRITE["load"])
        if changes:
            rows = [_row(change.new) for change in changes]
            await connection.execute(_WRITE["upsert"], *zip(*rows, strict=True))


def _row(state: ExecutionState) -> tuple[Any, ...]:
    created = state.created
    return (
        created.uuid,
        state.number,
        oid_of(created.uuid),
        state.organization,
        text(created.job_id),
        state.status,
        state.outcome,
        state.created_at,
        state.started_at,
        state.ended_at,
        state.modified_at,
        text(created.user),
        text(created.client_id),
        text(created.trigger),
        array(state.tags),
        document(state.labels),
        text(state.name),
        state.deleted,
        state.erased,
        state.position,
        state.created_position,
        state.version,
        encode(state),
    )
