"""How queries of the views run: with plans for their values, and with an answer during a rebuild."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from ledger.errors import ProjectionRebuilding
from ledger.store.pool import store_errors
from ledger.store.queries import load
from projections.port import Connection, Pool, Reader

_SQL: Final = load(Path(__file__).parent / "sql" / "reading.sql")
_MISFITS: Final = (
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
    asyncpg.DatatypeMismatchError,
    msgspec.DecodeError,
)
"""What reading the tables of another version of the projector comes to."""


@asynccontextmanager
async def reading(reader: Reader, name: str, version: int) -> AsyncIterator[None]:
    """Run single-row queries of a view in it.

    Raises:
        StoreUnavailable: the database cannot be reached.
        ProjectionRebuilding: the live tables are of another version, and do not fit; a rebuild is
            under way, or this process is out of date.
    """
    with store_errors():
        try:
            yield
        except _MISFITS as error:
            if isinstance(reader, asyncpg.Pool):
                found = await reader.fetchval(_SQL["live_version"], name)
                if found != version:
                    raise ProjectionRebuilding(name) from error
            raise


@asynccontextmanager
async def listing(pool: Pool, name: str, version: int) -> AsyncIterator[Connection]:
    """Give a connection whose statements are planned for their values.

    Raises:
        StoreUnavailable: the database cannot be reached.
        ProjectionRebuilding: as in `reading`.
    """
    async with reading(pool, name, version), pool.acquire() as connection:
        await connection.execute(_SQL["begin"])
        try:
            yield connection
        finally:
            # A failed transaction is rolled back by it as well.
            if not connection.is_closed():
                await connection.execute(_SQL["end"])


async def newest(
    connection: Connection,
    statement: str,
    organizations: Sequence[str] | None,
    *parameters: object,
    limit: int,
) -> tuple[int, list[Any], bool]:
    """Run a list statement for what the caller may see.

    The statement takes one organization or null first and the limit last, and gives `reflects` and
    `created_position`. Several organizations are asked for one by one, because a plan for a named
    one knows how rare it is, while a plan for any of several would scan through the others' rows.

    Order: newest first. Gives the position that all rows reflect at least, the rows, and whether
    there are more.
    """
    # An empty name is nobody's: the answer is empty and still tells its position.
    scopes = [None] if organizations is None else sorted(set(organizations)) or [""]
    rows = [
        row
        for scope in scopes
        for row in await connection.fetch(statement, scope, *parameters, limit + 1)
    ]
    found = sorted(
        (row for row in rows if row["created_position"] is not None),
        key=lambda row: -row["created_position"],
    )
    position = min((row["reflects"] for row in rows), default=0)
    return position, found[:limit], len(found) > limit
