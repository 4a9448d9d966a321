"""How rows of a view are written: new ones by COPY, changed ones by one statement of arrays.

Which are which is known from the states that were loaded in the same transaction, whose checkpoint
row keeps every other writer out. COPY costs both sides less than arrays do.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from projections.encoded import array
from projections.port import Connection

Rows: TypeAlias = Sequence[Any]
"""Named tuples of one class, with fields named like the table's columns."""


async def insert(connection: Connection, table: str, rows: Rows) -> None:
    """Write rows whose keys are not there.

    Raises:
        asyncpg.UniqueViolationError: one of them is; nothing was written.
    """
    if rows:
        await connection.copy_records_to_table(table, records=rows, columns=rows[0]._fields)


async def update(
    connection: Connection, statement: str, columns: Sequence[str], rows: Rows
) -> None:
    """Change rows with a statement that takes the named columns as parallel arrays, in that order.

    Arrays among the columns are given as literals, since arrays of arrays cannot be unnested.
    """
    if rows:
        await connection.execute(statement, *(_column(rows, name) for name in columns))


def _column(rows: Rows, name: str) -> list[Any]:
    values = [getattr(row, name) for row in rows]
    return [array(value) if isinstance(value, list) else value for value in values]
