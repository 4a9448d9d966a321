"""Writes the active view."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from ledger.events import executions as x
from ledger.events.codec import CLOSING_TYPES
from ledger.ids import execution_of
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import encode, text
from projections.fold import LIFE_TYPES, Change, fold_executions
from projections.port import Connection
from projections.writing import insert, update

AGEING: Final = timedelta(minutes=1)
"""What a point of priority counts for: whoever waited so much longer goes first all the same."""

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")


class ActiveProjector:
    """Keeps one row an open execution."""

    name: Final = "active"
    version: Final = 4
    interests: Final = LIFE_TYPES | {"execution.progressed"}
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        # What closed leaves no row, whatever else happened to it.
        closed = {event.stream for event in batch if event.type in CLOSING_TYPES}
        followed = [event for event in batch if event.stream not in closed]
        changes = await fold_executions(
            connection, followed, _WRITE["load"], outlined=True, drops_closed=True
        )
        gone = [change.uuid for change in changes if change.old and not _is_kept(change)]
        gone.extend(uuid for uuid in map(execution_of, closed) if uuid is not None)
        if gone:
            await connection.execute(_WRITE["delete"], gone)
        new = [_row(change) for change in changes if not change.old and _is_kept(change)]
        changed = [_row(change) for change in changes if change.old and _is_kept(change)]
        await insert(connection, "active", new)
        await update(connection, _WRITE["update"], _CHANGING, changed)


def _is_kept(change: Change) -> bool:
    return change.new.is_open and not change.new.erased


def _step_types(change: Change) -> list[str]:
    """Name what a worker must be able to do; nothing is told where the row is there already."""
    first = change.facts[0].event
    if not isinstance(first, x.ExecutionCreated):
        return []
    needed = {step.step_type_id for step in first.steps if step.index >= first.first_step}
    return sorted(text(step_type) for step_type in needed)


class _Row(NamedTuple):
    uuid: UUID
    number: int | None
    organization: str
    job_id: str
    status: str
    ready_at: datetime | None
    step_types: list[str]
    claimable: bool
    timed: bool
    queue_job: str
    slots: int
    holds_slot: bool
    rank_at: datetime
    created_position: int
    version: int
    state: bytes


_CHANGING: Final = (
    "uuid",
    "status",
    "ready_at",
    "claimable",
    "timed",
    "queue_job",
    "slots",
    "holds_slot",
    "rank_at",
    "version",
    "state",
)
"""What `update` takes."""


def _row(change: Change) -> _Row:
    state = change.new
    policies = state.policies
    free = state.status in {"pending", "running"} and not state.is_owned
    started = state.started_at is not None
    slots = policies.max_running or (1 if policies.when_running == "queue" else 0)
    waits_since = max(state.ready_at or state.created_at, state.known_at or state.created_at)
    return _Row(
        change.uuid,
        state.number,
        state.organization,
        text(state.job_id),
        state.status,
        state.ready_at,
        _step_types(change),
        free and state.waiting_for == "worker",
        free and state.waiting_for == "time",
        # One that started has its slot already, also when its worker was lost.
        text(state.job_id) if slots and not started else "",
        slots,
        slots > 0 and started,
        waits_since - policies.priority * AGEING,
        state.created_position,
        state.version,
        encode(state),
    )
