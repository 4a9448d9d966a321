"""Reads the executions view.

`organizations` is what the caller may see; None stands for all. What is outside looks absent.
Every answer says which position it reflects.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from ledger.executions.state import ExecutionState
from ledger.store.queries import load
from projections.encoded import document, text
from projections.executions.projector import ExecutionsProjector
from projections.fold import DECODE
from projections.port import Pool, Reader
from projections.reading import listing, newest, reading

_SQL: Final = load(Path(__file__).parent / "sql" / "read.sql")
_NAME: Final = ExecutionsProjector.name
_VERSION: Final = ExecutionsProjector.version


class FoundExecution(Struct, frozen=True, kw_only=True):
    """An execution, or none, as of a position."""

    position: int
    state: ExecutionState | None


class Filter(Struct, frozen=True, kw_only=True):
    """What a list is narrowed down to; None: not asked for. Ranges include their beginning."""

    job_id: str | None = None
    statuses: Sequence[str] | None = None
    outcomes: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    """Any of them."""
    labels: Mapping[str, str] | None = None
    """All of them."""
    user: str | None = None
    trigger: str | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    started_from: datetime | None = None
    started_before: datetime | None = None
    ended_from: datetime | None = None
    ended_before: datetime | None = None
    include_deleted: bool = False


class ExecutionPage(Struct, frozen=True, kw_only=True):
    """A page of executions, newest first."""

    position: int
    """The rows reflect the log up to here."""
    items: tuple[ExecutionState, ...]
    next_before: int | None
    """What to ask for next as `before`; None at the end."""
    total: int | None = None
    """How many match in all, if it was asked for; counted a moment later than the rows."""


async def by_uuid(
    reader: Reader,
    uuid: UUID,
    *,
    organizations: Sequence[str] | None,
    include_deleted: bool = False,
) -> FoundExecution:
    """Find an execution by its primary id."""
    return await _one(reader, "by_uuid", uuid, organizations, include_deleted)


async def by_number(
    reader: Reader,
    number: int,
    *,
    organizations: Sequence[str] | None,
    include_deleted: bool = False,
) -> FoundExecution:
    """Find an execution by its ledger-wide number."""
    return await _one(reader, "by_number", number, organizations, include_deleted)


async def by_oid(
    reader: Reader,
    oid: str,
    *,
    organizations: Sequence[str] | None,
    include_deleted: bool = False,
) -> FoundExecution:
    """Find an execution by its 24-digit object id."""
    return await _one(reader, "by_oid", oid, organizations, include_deleted)


async def _one(
    reader: Reader,
    statement: str,
    key: object,
    organizations: Sequence[str] | None,
    include_deleted: bool,  # noqa: FBT001 - private, mirrors the statement
) -> FoundExecution:
    async with reading(reader, _NAME, _VERSION):
        row = await reader.fetchrow(_SQL[statement], key, organizations, include_deleted)
        if row is None:
            return FoundExecution(position=0, state=None)
        state = DECODE(row["state"]) if row["state"] is not None else None
    return FoundExecution(position=row["reflects"], state=state)


def arguments(wanted: Filter) -> list[Any]:
    """Lay a filter out as parameters 2 to 15 of the list statements."""
    return [
        wanted.job_id,
        wanted.statuses,
        wanted.outcomes,
        [text(tag) for tag in wanted.tags] if wanted.tags is not None else None,
        document(wanted.labels) if wanted.labels else None,
        wanted.user,
        wanted.trigger,
        wanted.created_from,
        wanted.created_before,
        wanted.started_from,
        wanted.started_before,
        wanted.ended_from,
        wanted.ended_before,
        wanted.include_deleted,
    ]


async def page(
    pool: Pool,
    *,
    organizations: Sequence[str] | None,
    wanted: Filter = Filter(),  # noqa: B008 - frozen
    before: int | None = None,
    limit: int = 50,
    with_total: bool = False,
) -> ExecutionPage:
    """List executions, newest first; *before* is the previous page's `next_before`.

    The cost is that of the page for organization, job, open statuses and outcomes other than ok;
    other filters look through what these leave. The total costs a count of all that match.
    """
    told = arguments(wanted)
    total: int | None = None
    async with listing(pool, _NAME, _VERSION) as connection:
        position, rows, more = await newest(
            connection, _SQL["page"], organizations, *told, before, limit=limit
        )
        if with_total:
            total = await connection.fetchval(_SQL["total"], organizations, *told)
        items = tuple(DECODE(row["state"]) for row in rows)
    return ExecutionPage(
        position=position,
        items=items,
        next_before=items[-1].created_position if more and items else None,
        total=total,
    )
