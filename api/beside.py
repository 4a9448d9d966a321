"""The views' own process: it writes the projections, so that requests need not wait behind them.

`serve` starts it as a child and starts it again when it ends. It stops when its standard input is
closed, so it does not outlive a server that was killed. Which process writes which view is decided by
the lease rows as between any two processes: with several servers on one database, one child writes
and the others stand by.
"""

import asyncio
import contextlib
import os
import signal
import sys
from typing import Final

import structlog
import uvloop

from api import memory
from api.log import configure_logging
from api.settings import Settings
from ledger.store.postgres import PostgresStore
from projections.registry import PROJECTORS
from projections.supervisor import Supervisor

DSN_VARIABLE: Final = "JOBLEDGER_VIEWS_DSN"
STOP_S: Final = 10.0
RESTART_PAUSES_S: Final = (0.1, 0.5, 2.0, 5.0)
LONG_LIFE_S: Final = 30.0
MAX_CONNECTIONS: Final = 12

_log = structlog.get_logger(__name__)


class Beside:
    """Owns the child process for as long as the server runs."""

    def __init__(self, dsn: str, settings: Settings) -> None:
        self._dsn = dsn
        self._settings = settings
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the child, and see that there is one. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name="views-process")

    async def stop(self) -> None:
        """Stop the child in good order. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            code = await self._run_once()
            failures = 0 if loop.time() - started > LONG_LIFE_S else failures + 1
            _log.warning("views process ended", code=code)
            await asyncio.sleep(RESTART_PAUSES_S[min(failures, len(RESTART_PAUSES_S) - 1)])

    async def _run_once(self) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.beside",
            stdin=asyncio.subprocess.PIPE,
            env={
                **os.environ,
                DSN_VARIABLE: self._dsn,  # not an argument: those are for everybody to read
                "JOBLEDGER_LOG_FORMAT": self._settings.log_format,
                "JOBLEDGER_LOG_LEVEL": self._settings.log_level,
            },
        )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                if process.stdin is not None:
                    process.stdin.close()
                try:
                    await asyncio.wait_for(process.wait(), STOP_S)
                except TimeoutError:
                    process.kill()


async def write_views(dsn: str) -> None:
    """Write the views until standard input is closed."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    store = await PostgresStore.open(dsn, max_connections=MAX_CONNECTIONS)
    supervisor = Supervisor(store.pool, store.tail, PROJECTORS)
    try:
        await supervisor.start()
        memory.settle()
        await reader.read()
    finally:
        await supervisor.stop()
        await store.close()


def main() -> None:
    """Run as a process of its own."""
    configure_logging(
        os.environ.get("JOBLEDGER_LOG_FORMAT", "console"),
        os.environ.get("JOBLEDGER_LOG_LEVEL", "info"),
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the server's to handle
    uvloop.run(write_views(os.environ[DSN_VARIABLE]))


if __name__ == "__main__":
    main()
