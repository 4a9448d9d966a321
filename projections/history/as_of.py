"""Reads from the executions view what was open as of a position of the log.

How it stood there is told by its events up to that position (see `api.native.as_of`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from msgspec import Struct

from ledger.store.queries import load
from projections.executions.projector import ExecutionsProjector
from projections.port import Pool
from projections.reading import listing, newest

_SQL: Final = load(Path(__file__).parent / "sql" / "as_of.sql")


class OpenThen(Struct, frozen=True, kw_only=True):
    """A page of what was open as of a position, newest first."""

    position: int
    """The view reflects the log up to here: right for every position up to it."""
    uuids: tuple[UUID, ...]
    next_before: int | None
    """What to ask for next as `before`; None at the end."""


async def open_then(
    pool: Pool,
    position: int,
    *,
    organizations: Sequence[str] | None,
    job_id: str | None = None,
    include_deleted: bool = False,
    before: int | None = None,
    limit: int = 50,
) -> OpenThen:
    """List the executions that were open as of a position, newest first."""
    async with listing(pool, ExecutionsProjector.name, ExecutionsProjector.version) as connection:
        reflects, rows, more = await newest(
            connection,
            _SQL["open_then"],
            organizations,
            position,
            job_id,
            include_deleted,
            before,
            limit=limit,
        )
    return OpenThen(
        position=reflects,
        uuids=tuple(row["uuid"] for row in rows),
        next_before=rows[-1]["created_position"] if more and rows else None,
    )
