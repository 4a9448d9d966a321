"""Writes the executions view."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ledger.executions.phase import phase_of
from ledger.executions.state import ExecutionState
from ledger.ids import oid_of
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import array, document, encode, text
from projections.executions.content import (
    MAX_KEY,
    depends_on,
    document_of,
    storage_of,
    title_of,
)
from projections.executions.counts import count
from projections.fold import EXECUTION_TYPES, fold_executions
from projections.port import Connection

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")


class ExecutionsProjector:
    """Keeps one row an execution: what lists filter by and finds look for, and the folded state."""

    name: Final = "executions"
    version: Final = 2
    interests: Final = EXECUTION_TYPES
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        changes = await fold_executions(connection, batch, _WRITE["load"])
        if changes:
            rows = [_row(change.new) for change in changes]
            await connection.execute(_WRITE["upsert"], *zip(*rows, strict=True))
            await count(connection, changes)


def _row(state: ExecutionState) -> tuple[Any, ...]:
    created = state.created
    job_id = text(created.job_id)
    title = text(title_of(state))
    return (
        created.uuid,
        state.number,
        oid_of(created.uuid),
        state.organization,
        job_id,
        job_id.casefold(),
        oid_of(created.job_uuid),
        state.status,
        phase_of(state),
        state.outcome,
        state.created_at,
        state.started_at,
        state.ended_at,
        title,
        title.casefold(),
        text(created.user)[:MAX_KEY],
        text(created.trigger),
        text(storage_of(state))[:MAX_KEY],
        array(state.tags),
        document(state.labels),
        array(depends_on(state)),
        document_of(created.input, fold=False),
        document_of(created.input, fold=True),
        document_of(state.output, fold=False),
        document_of(state.output, fold=True),
        state.deleted,
        state.deleted or state.erased,
        state.created_position,
        state.version,
        encode(state),
    )
