"""Writes the history view."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from ledger.events.codec import CLOSING_TYPES
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import encode, text
from projections.fold import LIFE_TYPES, Change, fold_executions
from projections.history.counts import count
from projections.instants import MILLISECOND
from projections.port import Connection
from projections.writing import insert, update

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")
_DELETION: Final = frozenset(("execution.deleted",))


class HistoryProjector:
    """Keeps one row an execution, for its job's history, and counts how they ended."""

    name: Final = "history"
    version: Final = 3
    interests: Final = LIFE_TYPES
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        changes = await fold_executions(connection, batch, _WRITE["load"], outlined=True)
        new = [_row(change) for change in changes if change.old is None]
        changed = [_row(change) for change in changes if change.old is not None]
        await insert(connection, "history", new)
        await update(connection, _WRITE["update"], _CHANGING, changed)
        await count(connection, changes)


class _Row(NamedTuple):
    uuid: UUID
    number: int | None
    organization: str
    job_id: str
    status: str
    outcome: str | None
    cause: str | None
    exit_code: str
    attempt: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration_ms: int | None
    is_restart: bool
    user: str
    trigger: str
    deleted_at: datetime | None
    deleted_by: str | None
    erased: bool
    created_position: int
    closed_position: int | None
    version: int
    state: bytes


_CHANGING: Final = (
    "uuid",
    "job_id",
    "status",
    "outcome",
    "cause",
    "exit_code",
    "attempt",
    "started_at",
    "ended_at",
    "duration_ms",
    "is_restart",
    "user",
    "trigger",
    "deleted_at",
    "deleted_by",
    "erased",
    "closed_position",
    "version",
    "state",
)
"""What `update` takes."""


def _row(change: Change) -> _Row:
    state = change.new
    created = state.created
    duration_ms = None
    if state.started_at is not None and state.ended_at is not None:
        # Both are told by reporters, whose clocks may disagree.
        duration_ms = max(0, (state.ended_at - state.started_at) // MILLISECOND)
    deletion = _first(change.facts, _DELETION)
    closing = _first(change.facts, CLOSING_TYPES)
    return _Row(
        change.uuid,
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
        closing.position if closing else None,
        state.version,
        encode(state),
    )


def _first(facts: Sequence[AnyRecorded], types: frozenset[str]) -> AnyRecorded | None:
    for fact in facts:
        if fact.type in types:
            return fact
    return None
