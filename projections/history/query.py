"""Reads histories; see `projections.executions.query` for what all queries have in common."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from ledger.store.queries import load
from projections.executions.projector import ExecutionsProjector
from projections.fold import DECODE
from projections.port import Pool, Reader
from projections.reading import listing, newest, reading

_SQL: Final = load(Path(__file__).parent / "sql" / "read.sql")
_NAME: Final = ExecutionsProjector.name
_VERSION: Final = ExecutionsProjector.version


class HistoryRow(Struct, frozen=True, kw_only=True):
    """One execution in its job's history."""

    uuid: UUID
    number: int
    organization: str
    job_id: str
    """Empty when the execution was erased."""
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
    """When it was hidden from the other views."""
    deleted_by: str | None
    erased: bool
    created_position: int

    @property
    def deleted(self) -> bool:
        """Whether the other views hide it."""
        return self.deleted_at is not None


class HistoryPage(Struct, frozen=True, kw_only=True):
    """A page of history, newest first."""

    position: int
    """The rows reflect the log up to here."""
    items: tuple[HistoryRow, ...]
    next_before: int | None
    """What to ask for next as `before`; None at the end."""


async def page(
    pool: Pool,
    *,
    organizations: Sequence[str] | None,
    job_id: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> HistoryPage:
    """List a job's executions, newest first, deleted ones included."""
    async with listing(pool, _NAME, _VERSION) as connection:
        position, rows, more = await newest(
            connection, _SQL["page"], organizations, job_id, before, limit=limit
        )
    items = tuple(_history_row(row) for row in rows)
    return HistoryPage(
        position=position,
        items=items,
        next_before=items[-1].created_position if more and items else None,
    )


def _history_row(row: Any) -> HistoryRow:
    state = DECODE(row["state"])
    created = state.created
    return HistoryRow(
        uuid=state.uuid,
        number=state.number or 0,
        organization=state.organization,
        job_id=created.job_id,
        status=state.status,
        outcome=state.outcome,
        cause=state.cause,
        exit_code=state.exit_code,
        attempt=state.attempt,
        created_at=state.created_at,
        started_at=state.started_at,
        ended_at=state.ended_at,
        duration_ms=row["duration_ms"],
        is_restart=created.restart_of is not None,
        user=created.user,
        trigger=created.trigger,
        deleted_at=row["deleted_at"],
        deleted_by=row["deleted_by"],
        erased=state.erased,
        created_position=row["created_position"],
    )


async def estimate(reader: Reader, organization: str, job_ids: Sequence[str]) -> dict[str, float]:
    """Tell how long jobs typically take: the median of the last 20 executions that ended ok.

    Units: milliseconds, from first start to end. A job without such an execution is absent.
    """
    async with reading(reader, _NAME, _VERSION):
        rows = await reader.fetch(_SQL["estimate"], organization, list(job_ids))
    return {row["job_id"]: row["typical_ms"] for row in rows}
