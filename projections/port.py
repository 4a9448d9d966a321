"""What a read model's writer is to the machinery that runs it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from ledger.store.port import AnyRecorded

Connection: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"
Pool: TypeAlias = "asyncpg.Pool[Any]"
Reader: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any] | asyncpg.Pool[Any]"
"""What a query runs on: both a connection and a pool have `fetch`."""

Generation: TypeAlias = Literal["live", "rebuild", "verify"]

MIGRATIONS: Final = Path(__file__).parent / "sql" / "migrations"
"""For `ledger.store.migrate.migrate`, as an extra directory."""


class Projector(Protocol):
    """Folds events into the rows of one read model.

    What it keeps between calls is at most a copy of rows, used only where the rows vouch for it.
    """

    @property
    def name(self) -> str:
        """Its schema is `view_<name>`; lower-case letters only."""
        ...

    @property
    def version(self) -> int:
        """Raised with every change of tables or meaning; a higher one than stored rebuilds."""
        ...

    @property
    def interests(self) -> frozenset[str] | None:
        """Types of the events that `apply` is given; None for all."""
        ...

    @property
    def schema_sql(self) -> str:
        """Statements that make its tables, with unqualified names."""
        ...

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """Fold a batch in memory and write it with one statement a table.

        The connection is in a transaction whose search path begins with the generation's schema.
        Any exception rolls the whole batch back.

        Order: by position. Between a stream's events there may be holes of types outside
        `interests`.
        Idempotent: events that a row has already taken in are skipped.
        """
        ...


def schema_of(name: str, generation: Generation) -> str:
    """Name the schema that holds a generation's tables."""
    return f"view_{name}" if generation == "live" else f"view_{name}_{generation}"
