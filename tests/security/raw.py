"""Requests that no client library would send, byte by byte."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from multidict import CIMultiDict

from tests.api.serving import Answer, Caller

PATIENCE_S = 20
SCHEME = "Bearer"


@asynccontextmanager
async def connected(
    caller: Caller, *, limit: int = 2**20
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection of our own."""
    address = urlsplit(caller.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=limit)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def head(
    caller: Caller, method: str, path: bytes | str, headers: Mapping[str, bytes | str] | None = None
) -> bytes:
    """Write a request's head, which ends the connection after its answer."""
    target = path.encode() if isinstance(path, str) else path
    told: dict[str, bytes | str] = {"Host": "ledger", "Connection": "close"}
    if caller.key:
        told["Authorization"] = f"{SCHEME} {caller.key}"
    told |= headers or {}
    lines = [
        name.encode() + b": " + (value if isinstance(value, bytes) else value.encode())
        for name, value in told.items()
    ]
    return b"\r\n".join((method.encode() + b" " + target + b" HTTP/1.1", *lines, b"", b""))


async def answered(reader: asyncio.StreamReader) -> Answer:
    """Read one answer to the connection's end."""
    everything = bytearray()
    async with asyncio.timeout(PATIENCE_S):
        # A server that does not read on resets the connection, behind its answer.
        with suppress(ConnectionError):
            while chunk := await reader.read(65536):
                everything += chunk
    start, _, rest = bytes(everything).partition(b"\r\n\r\n")
    status, *lines = start.decode("latin-1").split("\r\n")
    headers = CIMultiDict(
        (name, value.strip()) for name, _, value in (line.partition(":") for line in lines)
    )
    return Answer(int(status.split(" ", 2)[1]), headers, rest)


async def ask(
    caller: Caller,
    method: str,
    path: bytes | str,
    body: bytes = b"",
    headers: Mapping[str, bytes | str] | None = None,
) -> Answer:
    """Send a request as it is written, and read the answer."""
    async with connected(caller) as (reader, writer):
        length = {"Content-Length": str(len(body))} if body or method != "GET" else {}
        writer.write(head(caller, method, path, {**length, **(headers or {})}) + body)
        await writer.drain()
        return await answered(reader)
