"""One server from start to stop: database, node, application, signals; or several on one port.

A second process may use the same data directory or the same database. SIGTERM and SIGINT stop it in
order: no new connections, running requests get a grace, what waits is written, the database last.

A database that is not there yet, recovers, or goes away while the server starts is waited for, for
`START_PATIENCE_S`. Until then nothing listens, so nobody takes it for ready.
"""

import asyncio
import contextlib
import errno
import os
import signal
import socket
from pathlib import Path
from typing import Final

import asyncpg
import structlog
from aiohttp import web
from msgspec.structs import replace

from api import memory
from api.app import build_runner
from api.auth.credentials import ensure_credentials
from api.auth.principal import DEFAULT_ORGANIZATION
from api.log import configure_logging
from api.node import Node
from api.settings import PREFIX, Settings, from_environment, preferred_views
from api.siblings import keep, sibling
from ledger.errors import StoreUnavailable, Unavailable
from ledger.handle.system import ensure_system_jobs
from ledger.store.embedded import EmbeddedPostgres
from ledger.store.pool import LOST, is_lost, is_passing

BACKLOG: Final = 1024
OWNER_ONLY: Final = 0o077
START_PATIENCE_S: Final = 60.0
LOOK_AGAIN_S: Final = 0.5
_OURS: Final = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)
"""What waiting does not change: the address to listen on is taken, not here, or not allowed."""
_log = structlog.get_logger(__name__)


async def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    data: Path | None = None,
    processes: int | None = None,
) -> None:
    """Serve until told to stop.

    Raises:
        ValueError: a setting cannot be used; the message names it.
        EmbeddedPostgresError: the embedded database cannot start; the message says what to do.
        StoreUnavailable: the database could not be reached for `START_PATIENCE_S`.
    """
    # Whatever is written below the data directory is its owner's, also where that is open to others.
    os.umask(OWNER_ONLY)
    settings = from_environment(host=host, port=port, data=data, processes=processes)
    if f"{PREFIX}VIEWS" not in os.environ:
        settings = replace(settings, views=preferred_views())
    configure_logging(settings.log_format, settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        prepare_directory(settings.data)
        dsn = settings.database_url or await _embedded(settings, stack)
        if settings.processes > 1:
            keep(settings, dsn, stack)
            await stop.wait()
            _log.info("stopping")
            return
        serving = await _begin(dsn, settings, stop)
        stack.push_async_callback(serving.aclose)
        memory.settle()
        await stop.wait()
        _log.info("stopping")


def prepare_directory(data: Path) -> None:
    """Make the data directory, for its owner only.

    Raises:
        ValueError: it cannot be made or written.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"the data directory {data} cannot be made: {error.strerror}"
        raise ValueError(message) from error


async def _embedded(settings: Settings, stack: contextlib.AsyncExitStack) -> str:
    postgres = EmbeddedPostgres(settings.data / "postgres")
    dsn = await postgres.start()
    stack.push_async_callback(postgres.stop)
    return dsn


async def _begin(dsn: str, settings: Settings, stop: asyncio.Event) -> contextlib.AsyncExitStack:
    """Begin to serve, as soon as the database lets us; what is given ends it again.

    Raises:
        StoreUnavailable: it did not, for too long.
        ValueError: it does not want us.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_PATIENCE_S
    while not stop.is_set():
        async with contextlib.AsyncExitStack() as attempt:
            try:
                node = await Node.open(dsn, settings)
                attempt.push_async_callback(node.close)
                await ensure_system_jobs(node.jobs, DEFAULT_ORGANIZATION)
                await _listen(node, settings, attempt)
                attempt.push_async_callback(node.store.drop_if_silent)
            except (
                asyncpg.InvalidAuthorizationSpecificationError,
                asyncpg.InvalidCatalogNameError,
            ) as error:
                message = f"the database refuses the connection: {error}"
                raise ValueError(message) from error
            except (*LOST, asyncpg.PostgresError, Unavailable) as error:
                if not _may_pass(error):
                    raise
                if loop.time() >= deadline:
                    message = f"the database was not there for {START_PATIENCE_S:.0f} s"
                    raise StoreUnavailable(message) from error
                _log.warning("waiting for the database", error=type(error).__name__)
            else:
                return attempt.pop_all()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_AGAIN_S)
    return contextlib.AsyncExitStack()


def _may_pass(error: Exception) -> bool:
    """Whether it is the database that is missing, and not a file, a port, or a permission."""
    if isinstance(error, OSError) and (error.filename or error.errno in _OURS):
        return False
    return isinstance(error, Unavailable) or is_lost(error) or is_passing(error)


async def _listen(node: Node, settings: Settings, stack: contextlib.AsyncExitStack) -> None:
    runner = build_runner(node)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    listener = socket.create_server(
        (settings.host, settings.port),
        family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
        backlog=BACKLOG,
        reuse_port=sibling().count > 1,
    )
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    # Whoever finds the server ready finds the credentials too.
    await ensure_credentials(settings.data, url, node.keys)
    await web.SockSite(runner, listener, backlog=BACKLOG).start()
    _log.info("serving", url=url, data=str(settings.data))
