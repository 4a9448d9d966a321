"""A database that can be made unreachable: a proxy over TCP before one that is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.crash.harness.proxy import Proxy


@asynccontextmanager
async def over_tcp(database_url: str) -> AsyncIterator[tuple[str, Proxy]]:
    """Give another address of a database, and the proxy that it leads through."""
    parts = urlsplit(database_url)
    socket = Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432"
    proxy = Proxy(lambda: asyncio.open_unix_connection(socket))
    await proxy.open()
    try:
        yield f"postgresql://postgres@127.0.0.1:{proxy.port}{parts.path}", proxy
    finally:
        await proxy.close()
