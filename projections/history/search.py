"""Searches the executions view: by conditions that PostgreSQL checks, in any order, page by page.

What these conditions cannot say is left to the caller, who scans narrow rows.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from msgspec import Struct

from ledger.store.queries import load
from projections.encoded import text
from projections.executions.projector import ExecutionsProjector
from projections.port import Pool
from projections.reading import listing

_SQL: Final = load(Path(__file__).parent / "sql" / "search.sql")
_NAME: Final = ExecutionsProjector.name
_VERSION: Final = ExecutionsProjector.version
SCAN_PAGE: Final = 2000

SortKey: TypeAlias = Literal["id", "job_id", "start_time", "end_time", "status"]


class Conditions(Struct, frozen=True, kw_only=True):
    """What must hold of an execution; None: not asked for. Ranges include their beginning."""

    job_ids: tuple[str, ...] | None = None
    numbers: tuple[int, ...] | None = None
    words: tuple[str, ...] | None = None
    """Exit codes of finished ones, statuses in capitals of others."""
    started_from: datetime | None = None
    started_before: datetime | None = None
    ended_from: datetime | None = None
    ended_before: datetime | None = None


class Row(Struct, frozen=True, kw_only=True):
    """An execution, as narrow as it can be searched."""

    uuid: UUID
    number: int
    job_id: str
    word: str
    started_at: datetime | None
    ended_at: datetime | None


class Hits(Struct, frozen=True, kw_only=True):
    """A page of what was found."""

    position: int
    """The rows reflect the log up to here."""
    uuids: tuple[UUID, ...]
    total: int


def _arguments(organizations: Sequence[str] | None, wanted: Conditions) -> list[Any]:
    """Lay conditions out as parameters 1 to 8."""

    def texts(values: Sequence[str] | None) -> list[str] | None:
        return None if values is None else [text(value) for value in values]

    return [
        organizations,
        texts(wanted.job_ids),
        wanted.numbers,
        texts(wanted.words),
        wanted.started_from,
        wanted.started_before,
        wanted.ended_from,
        wanted.ended_before,
    ]


async def page(
    pool: Pool,
    *,
    organizations: Sequence[str] | None,
    wanted: Conditions,
    sort: SortKey = "id",
    descending: bool = True,
    start: int = 0,
    count: int = 25,
) -> Hits:
    """Find executions by conditions alone; the cost is that of all that match."""
    told = _arguments(organizations, wanted)
    async with listing(pool, _NAME, _VERSION) as connection:
        rows = await connection.fetch(_SQL["page"], *told, sort, descending, start, count)
        total = await connection.fetchval(_SQL["total"], *told)
    return Hits(
        position=rows[0]["reflects"] if rows else 0,
        uuids=tuple(row["uuid"] for row in rows if row["uuid"] is not None),
        total=total,
    )


async def scan(
    pool: Pool, *, organizations: Sequence[str] | None, wanted: Conditions
) -> AsyncIterator[Sequence[Row]]:
    """Give all that meet conditions, newest first, a few at a time."""
    told = _arguments(organizations, wanted)
    before: int | None = None
    while True:
        async with listing(pool, _NAME, _VERSION) as connection:
            found = await connection.fetch(_SQL["scan"], *told, before, SCAN_PAGE)
        rows = sorted(
            (row for row in found if row["uuid"] is not None),
            key=lambda row: -row["created_position"],
        )
        if rows:
            yield [Row(**{name: row[name] for name in Row.__struct_fields__}) for row in rows]
        if len(rows) < SCAN_PAGE:
            return
        before = rows[-1]["created_position"]
