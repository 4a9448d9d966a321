"""Writes the executions view."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from ledger.events.codec import CLOSING_TYPES
from ledger.executions.phase import phase_of
from ledger.ids import oid_of
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import document, encode, text
from projections.executions.content import (
    MAX_KEY,
    depends_on,
    document_of,
    pipeline_of,
    storage_of,
    title_of,
)
from projections.executions.counts import count
from projections.executions.endings import count_endings
from projections.fold import EXECUTION_TYPES, Change, fold_executions
from projections.instants import MILLISECOND, whole
from projections.port import Connection
from projections.writing import insert, update

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")
_DELETION: Final = frozenset(("execution.deleted",))


class ExecutionsProjector:
    """Keeps one row an execution: what is asked for by lists, finds and histories, and the folded state."""

    name: Final = "executions"
    version: Final = 4
    interests: Final = EXECUTION_TYPES
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        changes = await fold_executions(connection, batch, _WRITE["load"])
        new = [_row(change) for change in changes if change.old is None]
        changed = [_row(change) for change in changes if change.old is not None]
        await insert(connection, "executions", new)
        await update(connection, _WRITE["update"], _CHANGING, changed)
        await count(connection, changes)
        await count_endings(connection, changes)


class _Row(NamedTuple):
    uuid: UUID
    number: int | None
    oid: str
    organization: str
    job_id: str
    job_key: str
    pipeline_id: str
    status: str
    phase: str
    outcome: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    created_ms: int
    started_ms: int | None
    ended_ms: int | None
    title: str
    title_key: str
    user: str
    trigger: str
    storage_id: str
    tags: list[str] | None
    labels: str
    depends_on: list[str] | None
    input: str | None
    input_key: str | None
    output: str | None
    output_key: str | None
    exit_code: str
    duration_ms: int | None
    deleted: bool
    deleted_at: datetime | None
    deleted_by: str | None
    hidden: bool
    created_position: int
    closed_position: int | None
    version: int
    state: bytes


_CHANGING: Final = (
    "uuid",
    "job_id",
    "job_key",
    "pipeline_id",
    "status",
    "phase",
    "outcome",
    "started_at",
    "ended_at",
    "started_ms",
    "ended_ms",
    "title",
    "title_key",
    "user",
    "trigger",
    "storage_id",
    "tags",
    "labels",
    "depends_on",
    "input",
    "input_key",
    "output",
    "output_key",
    "exit_code",
    "duration_ms",
    "deleted",
    "deleted_at",
    "deleted_by",
    "hidden",
    "closed_position",
    "version",
    "state",
)
"""What `update` takes."""


def _row(change: Change) -> _Row:
    state = change.new
    created = state.created
    job_id = text(created.job_id)
    title = text(title_of(state))
    duration_ms = None
    if state.started_at is not None and state.ended_at is not None:
        # Both are told by reporters, whose clocks may disagree.
        duration_ms = max(0, (state.ended_at - state.started_at) // MILLISECOND)
    deletion = _first(change.facts, _DELETION)
    closing = _first(change.facts, CLOSING_TYPES)
    return _Row(
        change.uuid,
        state.number,
        oid_of(change.uuid),
        state.organization,
        job_id,
        job_id.casefold(),
        pipeline_of(created.job_uuid),
        state.status,
        phase_of(state),
        state.outcome,
        state.created_at,
        state.started_at,
        state.ended_at,
        whole(MILLISECOND, state.created_at),
        None if state.started_at is None else whole(MILLISECOND, state.started_at),
        None if state.ended_at is None else whole(MILLISECOND, state.ended_at),
        title,
        title.casefold(),
        text(created.user)[:MAX_KEY],
        text(created.trigger),
        text(storage_of(state))[:MAX_KEY],
        [text(tag) for tag in state.tags] or None,
        document(state.labels),
        [text(name) for name in depends_on(state)] or None,
        document_of(created.input, fold=False),
        document_of(created.input, fold=True),
        document_of(state.output, fold=False),
        document_of(state.output, fold=True),
        text(state.exit_code),
        duration_ms,
        state.deleted,
        deletion.recorded_at if deletion else None,
        text(deletion.actor) if deletion else None,
        state.deleted or state.erased,
        state.created_position,
        closing.position if closing else None,
        state.version,
        encode(state),
    )


def _first(facts: Sequence[AnyRecorded], types: frozenset[str]) -> AnyRecorded | None:
    for fact in facts:
        if fact.type in types:
            return fact
    return None
