"""A client of a stream that costs little: it counts frames, and looks no closer than it is told."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

FRAME: Final = b"\ndata: "
"""Once in each event's frame: a line has no line break in it."""


class Listener(asyncio.Protocol):
    """One connection that follows the log as server-sent events."""

    def __init__(self, key: str, query: str, looked_at: Callable[[bytes], None] | None) -> None:
        """Follow; what comes is shown to *looked_at* if it is given."""
        self.frames = 0
        self.bytes = 0
        self.is_open = True
        self._request = (
            f"GET /v1/events?{query} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {key}\r\n\r\n"
        ).encode()
        self._looked_at = looked_at
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count the frames that begin in what came; one may lie across two pieces."""
        self.bytes += len(data)
        self.frames += (self._end + data).count(FRAME)
        self._end = data[1 - len(FRAME) :]
        if self._looked_at is not None:
            self._looked_at(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        """Note the end."""
        self.is_open = False


async def listen(
    port: int,
    key: str,
    count: int,
    query: str,
    looked_at: Callable[[bytes], None] | None = None,
) -> list[Listener]:
    """Open so many streams, and wait until each has begun.

    Raises:
        RuntimeError: one was refused.
    """
    loop = asyncio.get_running_loop()
    listeners = []
    for _ in range(count):
        _, listener = await loop.create_connection(
            lambda: Listener(key, query, looked_at), "127.0.0.1", port
        )
        listeners.append(listener)
    async with asyncio.timeout(60):
        while not all(listener.bytes for listener in listeners):  # noqa: ASYNC110 - many, and rarely
            await asyncio.sleep(0.01)
    if not all(listener.is_open for listener in listeners):
        raise RuntimeError("a stream was refused")
    return listeners


async def until_all_have(listeners: list[Listener], frames: int) -> None:
    """Wait until every listener has so many frames.

    Raises:
        RuntimeError: one has not, after a while.
    """
    try:
        async with asyncio.timeout(30):
            while any(listener.frames < frames for listener in listeners):  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.01)
    except TimeoutError:
        fewest = min(listener.frames for listener in listeners)
        raise RuntimeError(f"a client has {fewest} of {frames} frames") from None
