"""The views' own process: it writes the projections, so that requests need not wait behind them.

`serve` keeps it running as a child, see `kept`. Which process writes which view is decided by
the lease rows as between any two processes: with several servers on one database, one child writes
and the others stand by.
"""

import asyncio
import os
import sys
from typing import Final

import uvloop

from api import memory
from api.kept import Kept
from api.log import configure_logging
from api.settings import Settings
from ledger.store.postgres import PostgresStore
from projections.registry import PROJECTORS
from projections.supervisor import Supervisor

DSN_VARIABLE: Final = "JOBLEDGER_VIEWS_DSN"
FORCED_STOP_S: Final = 15.0
"""After its server has gone the process ends within this time, whatever the database does."""
MAX_CONNECTIONS: Final = 12


def views_process(dsn: str, settings: Settings) -> Kept:
    """Make the keeper of a process that writes the views."""
    return Kept(
        "views",
        ("-m", "api.beside"),
        {
            DSN_VARIABLE: dsn,  # not an argument: those are for everybody to read
            "JOBLEDGER_LOG_FORMAT": settings.log_format,
            "JOBLEDGER_LOG_LEVEL": settings.log_level,
        },
    )


async def write_views(dsn: str) -> None:
    """Write the views until standard input is closed."""
    parent = asyncio.create_task(_until_parent_is_gone(), name="parent")
    store = await PostgresStore.open(dsn, max_connections=MAX_CONNECTIONS)
    supervisor = Supervisor(store.pool, store.tail, PROJECTORS)
    try:
        await supervisor.start()
        memory.settle()
        await parent
    finally:
        await store.drop_if_silent()
        await supervisor.stop()
        await store.close()


async def _until_parent_is_gone() -> None:
    """Return when standard input is closed; from then on the process has little time left."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    loop.call_later(FORCED_STOP_S, os._exit, 1)


def main() -> None:
    """Run as a process of its own."""
    configure_logging(
        os.environ.get("JOBLEDGER_LOG_FORMAT", "console"),
        os.environ.get("JOBLEDGER_LOG_LEVEL", "info"),
    )
    uvloop.run(write_views(os.environ[DSN_VARIABLE]))


if __name__ == "__main__":
    main()
