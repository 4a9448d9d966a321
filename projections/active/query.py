"""Reads the active view; see `projections.executions.query` for what all queries have in common.

The time left of an execution comes from its job's history: see `projections.outlook`.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from ledger.executions.deadlines import next_due
from ledger.store.queries import load
from projections.active.projector import ActiveProjector
from projections.encoded import text
from projections.fold import DECODE
from projections.port import Pool, Reader
from projections.reading import listing, newest, reading

_SQL: Final = load(Path(__file__).parent / "sql" / "read.sql")
_NAME: Final = ActiveProjector.name
_VERSION: Final = ActiveProjector.version


class ActiveRow(Struct, frozen=True, kw_only=True):
    """An open execution."""

    uuid: UUID
    number: int
    organization: str
    job_id: str
    status: str
    waiting_for: str | None
    ready_at: datetime | None
    worker: str
    percent: float | None
    total_items: int | None
    processed_items: int | None
    attempt: int
    created_at: datetime
    started_at: datetime | None
    due_at: datetime | None
    """When the ledger itself acts, if nobody did before."""
    due_who: str | None
    """Who must act until then: worker, ledger, user or upstream."""
    waits_for: tuple[UUID, ...]
    """Executions that must end well before it may start, whether they have or not."""
    created_position: int


class ActivePage(Struct, frozen=True, kw_only=True):
    """A page of open executions, newest first."""

    position: int
    """The rows reflect the log up to here."""
    items: tuple[ActiveRow, ...]
    next_before: int | None
    """What to ask for next as `before`; None at the end."""


class Candidate(Struct, frozen=True, kw_only=True):
    """An execution that a worker may try to claim. The append decides; this is a hint."""

    uuid: UUID
    number: int
    organization: str
    job_id: str
    version: int
    """Of the last event the view followed; the stream may be further."""


async def page(
    pool: Pool,
    *,
    organizations: Sequence[str] | None,
    job_id: str | None = None,
    statuses: Sequence[str] | None = None,
    before: int | None = None,
    limit: int = 50,
) -> ActivePage:
    """List open executions, newest first."""
    async with listing(pool, _NAME, _VERSION) as connection:
        position, rows, more = await newest(
            connection, _SQL["page"], organizations, job_id, statuses, before, limit=limit
        )
    items = tuple(_active_row(row) for row in rows)
    return ActivePage(
        position=position,
        items=items,
        next_before=items[-1].created_position if more and items else None,
    )


def _active_row(row: Any) -> ActiveRow:
    state = DECODE(row["state"])
    due = next_due(state)
    waits_for_slot = state.waiting_for == "worker" and row["is_full"]
    return ActiveRow(
        uuid=state.uuid,
        number=state.number or 0,
        organization=state.organization,
        job_id=state.job_id,
        status=state.status,
        waiting_for="capacity" if waits_for_slot else state.waiting_for,
        ready_at=state.ready_at,
        worker=state.worker,
        percent=state.progress.percent,
        total_items=state.progress.total_items,
        processed_items=state.progress.processed_items,
        attempt=state.attempt,
        created_at=state.created_at,
        started_at=state.started_at,
        due_at=due.at if due else None,
        due_who=due.who if due else None,
        waits_for=state.created.waits_for,
        created_position=row["created_position"],
    )


async def counts(reader: Reader, *, organizations: Sequence[str] | None) -> dict[str, int]:
    """Count open executions by status; a status without any is absent."""
    async with reading(reader, _NAME, _VERSION):
        rows = await reader.fetch(_SQL["counts"], organizations)
    return {row["status"]: row["executions"] for row in rows}


async def candidates(
    pool: Pool,
    *,
    organizations: Sequence[str] | None,
    step_types: Sequence[str],
    now: datetime,
    limit: int = 10,
) -> list[Candidate]:
    """List what a worker that offers *step_types* may try to claim, best first.

    Order: longest waiting first; a point of priority counts as a minute of waiting. Of executions
    that queue for their job's slots as many are given as there are slots left.
    """
    offered = [text(step_type) for step_type in step_types]
    async with listing(pool, _NAME, _VERSION) as connection:
        rows = await connection.fetch(_SQL["candidates"], organizations, offered, now, limit)
    return [Candidate(**dict(row)) for row in rows]
