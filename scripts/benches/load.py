"""A load generator that costs little: keep-alive connections, one request under way on each."""

import asyncio
import time
from collections.abc import Callable
from typing import cast


class Client(asyncio.Protocol):
    """One connection that sends the same kind of request again and again."""

    def __init__(self, request: Callable[[], bytes], until: float) -> None:
        """Send what *request* makes until the monotonic clock reaches *until*."""
        self.request = request
        self.until = until
        self.done = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.failures: list[bytes] = []
        self._received = b""
        self._sent = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take an answer in, and ask again."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        lowered = head.lower()
        start = lowered.index(b"content-length:") + 15
        length = int(lowered[start : start + 12].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.latencies.append(time.perf_counter() - self._sent)
        if not head.startswith(b"HTTP/1.1 20"):
            self.failures.append(self._received[:400])
        self._received = b""
        if self.failures or time.monotonic() >= self.until:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        """End."""
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self.request())


def post(path: str, key: str, body: bytes) -> bytes:
    """Make the bytes of a POST."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def drive(
    port: int, connections: int, seconds: float, request: Callable[[], bytes]
) -> tuple[float, list[float]]:
    """Drive one route; give requests a second, and the latencies in seconds, sorted.

    Raises:
        RuntimeError: an answer was not a success.
    """
    loop = asyncio.get_running_loop()
    begun = time.monotonic()
    pairs = await asyncio.gather(
        *(
            loop.create_connection(lambda: Client(request, begun + seconds), "127.0.0.1", port)
            for _ in range(connections)
        )
    )
    clients = [client for _, client in pairs]
    async with asyncio.timeout(seconds + 30):
        await asyncio.gather(*(client.done for client in clients))
    for client in clients:
        if client.failures:
            raise RuntimeError(client.failures[0])
    latencies = sorted(latency for client in clients for latency in client.latencies)
    return len(latencies) / (time.monotonic() - begun), latencies


def percentile(latencies: list[float], percent: float) -> float:
    """Give a percentile, in milliseconds."""
    return latencies[min(len(latencies) - 1, int(len(latencies) * percent / 100))] * 1000
