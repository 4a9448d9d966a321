"""The private PostgreSQL that one test process shares, and the databases it hands out.

Each process that runs tests has its own cluster (so xdist workers share nothing), made on
first use and gone with the process. It runs beside the tests in a thread with its own event
loop, because every test has a loop of its own that ends with it. Fast, not durable: a test
about crashes starts its own.
"""

import asyncio
import itertools
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import asyncpg

from ledger.store.embedded import EmbeddedPostgres
from ledger.store.migrate import migrate

T = TypeVar("T")

_TEMPLATE = "jobledger_template"
_START_DEADLINE_S = 45


def with_database(dsn: str, name: str) -> str:
    """Give *dsn* with another database's name in it."""
    parts = urlsplit(dsn)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{name}{query}"


class Cluster:
    """A running PostgreSQL; use it as a context manager.

    Raises: whatever kept PostgreSQL from starting. There is no test without a database.
    """

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="jobledger-test-"))
        self._server = EmbeddedPostgres(self._directory / "postgres", durable=False)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="test cluster", daemon=True
        )
        self._numbers = itertools.count(1)
        self._dsn = ""

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._run(self._start())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._run(self._server.stop())
        finally:
            self._close()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Hand out the URL of a new, empty, migrated database; drop it afterwards.

        Connections left open are cut.
        """
        name = f"test_{next(self._numbers)}"
        # Without fsync, copying files takes a fourth of the time of the default, copying by WAL.
        self._run(self._execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy"))
        try:
            yield with_database(self._dsn, name)
        finally:
            self._run(self._execute(f"DROP DATABASE {name} WITH (FORCE)"))

    async def _start(self) -> None:
        async with asyncio.timeout(_START_DEADLINE_S):
            self._dsn = await self._server.start()
            await self._execute(f"CREATE DATABASE {_TEMPLATE}")
            await migrate(with_database(self._dsn, _TEMPLATE))

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(with_database(self._dsn, "postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._directory, ignore_errors=True)
