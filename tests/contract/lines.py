"""Readers of lines for tests that need no server."""

from api.streaming.reading import LogReader
from ledger.store.postgres import PostgresStore
from projections.registry import PROJECTORS

_EXECUTIONS = next(projector for projector in PROJECTORS if projector.name == "executions")


async def with_executions(store: PostgresStore) -> None:
    """Make the empty view that the reader's statements name."""
    await store.pool.execute(
        "create schema if not exists view_executions; set search_path = view_executions;"
        + _EXECUTIONS.schema_sql
        + "; set search_path = public"
    )


async def no_view(_name: str, _position: int) -> None:
    """Stand for views that are not asked for."""
    raise AssertionError("no view is needed")


def reader_of(store: PostgresStore) -> LogReader:
    """Read a store."""
    return LogReader(store.pool, store.tail, no_view)
