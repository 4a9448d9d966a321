"""Connections: how they are made, and how the driver's errors become ours."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import asyncpg

from ledger.errors import StoreUnavailable

CONNECT_TIMEOUT_S: Final = 10.0
COMMAND_TIMEOUT_S: Final = 30.0
CLOSE_TIMEOUT_S: Final = 5.0

LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a call on a connection that was cut in the middle of another
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)
"""What the driver raises when the database is not there, or no longer."""

_PASSING: Final = frozenset(("25", "40", "53", "55", "57", "58"))
"""SQLSTATE classes that say nothing about the values sent: read-only (a server that was just
demoted), rolled back, out of resources, locked, canceled by an operator, system error."""

_SETTINGS: Final = {
    "application_name": "jobledger",
    "jit": "off",
    "idle_in_transaction_session_timeout": "60000",
    "timezone": "UTC",
}


async def connect(dsn: str) -> "asyncpg.Connection[Any]":
    """Open one connection that no pool hands out."""
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings=_SETTINGS,
    )


async def open_pool(dsn: str, *, min_size: int = 1, max_size: int = 10) -> "asyncpg.Pool[Any]":
    """Open a pool of connections; the caller closes it."""
    return await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings=_SETTINGS,
        reset=_as_it_is,
    )


async def _as_it_is(connection: "asyncpg.Connection[Any]") -> None:
    """Hand a connection back; the driver has rolled back what was left open.

    Without this it would ask the server to forget the session's settings, locks and cursors, which
    doubles the round trips of a read. Nobody leaves any: settings are made with `set local`, advisory
    locks end with their transaction, and listening is done on connections of one's own.
    """


async def close(connection: "asyncpg.Connection[Any]") -> None:
    """Close a connection in good order, or drop it when the server does not answer. Idempotent."""
    try:
        await connection.close(timeout=CLOSE_TIMEOUT_S)
    except (*LOST, asyncpg.PostgresError):
        connection.terminate()


async def close_pool(pool: "asyncpg.Pool[Any]") -> None:
    """Close a pool in good order, or drop its connections when the server does not answer."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await pool.close()
    except (*LOST, asyncpg.PostgresError):
        pool.terminate()


def is_lost(error: BaseException) -> bool:
    """Whether the connection ended, so that a call's effect is unknown."""
    # The driver's refusal of a value is an InterfaceError and a ValueError; nothing was sent.
    return isinstance(error, LOST) and not isinstance(error, ValueError)


def is_passing(error: BaseException) -> bool:
    """Whether a call had no effect and may succeed when made again as it is."""
    if not isinstance(error, asyncpg.PostgresError) or is_lost(error):
        return False
    state: str = error.sqlstate or ""
    return state[:2] in _PASSING


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn the loss of the database into `StoreUnavailable`.

    Raises:
        StoreUnavailable: nothing is known of the call's effect; reading can be tried again.
    """
    try:
        yield
    except (*LOST, asyncpg.PostgresError) as error:
        if not (is_lost(error) or is_passing(error)):
            raise
        message = f"the database cannot be reached ({type(error).__name__})"
        raise StoreUnavailable(message) from error
