"""Connections: how they are made, and how the driver's errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import asyncpg

from ledger.errors import StoreUnavailable

CONNECT_TIMEOUT_S: Final = 10.0
COMMAND_TIMEOUT_S: Final = 30.0

LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)
"""What the driver raises when the database is not there, or no longer."""

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
    )


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn the loss of the database into `StoreUnavailable`.

    Raises:
        StoreUnavailable: nothing is known of the call's effect; reading can be tried again.
    """
    try:
        yield
    except LOST as error:
        message = f"the database cannot be reached ({type(error).__name__})"
        raise StoreUnavailable(message) from error
