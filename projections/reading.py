"""How queries of the views run: with plans for their values, and with an answer during a rebuild."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from ledger.errors import ProjectionLagging
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
        ProjectionLagging: the live tables are of another version, and do not fit; a rebuild is
            under way, or this process is out of date.
    """
    with store_errors():
        try:
            yield
        except _MISFITS as error:
            if isinstance(reader, asyncpg.Pool):
                found = await reader.fetchval(_SQL["live_version"], name)
                if found != version:
                    raise ProjectionLagging(name, 0, 0) from error
            raise


@asynccontextmanager
async def listing(pool: Pool, name: str, version: int) -> AsyncIterator[Connection]:
    """Give a connection whose statements are planned for their values.

    Raises:
        StoreUnavailable: the database cannot be reached.
        ProjectionLagging: as in `reading`.
    """
    async with reading(pool, name, version), pool.acquire() as connection:
        await connection.execute(_SQL["begin"])
        try:
            yield connection
        finally:
            # A failed transaction is rolled back by it as well.
            if not connection.is_closed():
                await connection.execute(_SQL["end"])
