"""A webhook's receiver: a real server that checks signatures by itself and answers as told."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web


@dataclass
class Received:
    """One request."""

    path: str
    headers: Any
    raw: bytes

    @property
    def json(self) -> Any:
        """Read the body."""
        return msgspec.json.decode(self.raw)

    @property
    def event(self) -> Any:
        """Give the event."""
        return self.json["data"]

    def is_signed_with(self, secret: str) -> bool:
        """Check as the specification tells receivers to, with nothing of ours."""
        key = base64.b64decode(secret.split("_", 1)[1])
        content = ".".join(
            (self.headers["webhook-id"], self.headers["webhook-timestamp"], self.raw.decode())
        )
        expected = base64.b64encode(hmac.new(key, content.encode(), hashlib.sha256).digest())
        signatures = self.headers["webhook-signature"].split(" ")
        return any(
            version == "v1" and hmac.compare_digest(told.encode(), expected)
            for version, told in (signature.split(",", 1) for signature in signatures)
        )


@dataclass
class Receiver:
    """What came, and what is answered."""

    url: str = ""
    came: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    """What was answered with 2xx."""
    answer: Callable[[Received], int] = lambda _received: 204
    headers: dict[str, str] = field(default_factory=dict)
    hang: asyncio.Event | None = None
    """While it is there and not set, nobody is answered."""

    async def handle(self, request: web.Request) -> web.Response:
        """Take a request."""
        received = Received(request.path, request.headers, await request.read())
        self.came.append(received)
        if self.hang is not None:
            await self.hang.wait()
        status = self.answer(received)
        if status < 300:
            self.taken.append(received)
        return web.Response(status=status, headers=self.headers)

    @property
    def positions(self) -> list[int]:
        """Give the events that were taken, in that order."""
        return [received.event["position"] for received in self.taken]

    def versions(self, uuid: str) -> list[int]:
        """Give an execution's events that were taken, in that order."""
        stream = f"execution/{uuid}"
        return [r.event["version"] for r in self.taken if r.event["stream"] == stream]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Open a receiver."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
