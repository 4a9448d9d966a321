"""HTTP as a careful client does it: every answer is one of a few things, none of them a surprise."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

TIMEOUT_S = 20.0
CONNECT_TIMEOUT_S = 3.0
LOST = (aiohttp.ClientError, OSError, TimeoutError)


class Answer(Struct, frozen=True):
    """What came back; status 0 when nothing did, or only a part."""

    status: int
    raw: bytes = b""
    headers: Mapping[str, str] = {}
    lost: str = ""

    @property
    def json(self) -> Any:
        """Read the body."""
        return msgspec.json.decode(self.raw) if self.raw else {}

    @property
    def problem(self) -> str:
        """Give the last part of a problem's type."""
        try:
            return str(self.json.get("type", "")).rpartition("/")[2]
        except (msgspec.DecodeError, AttributeError):
            return ""


class Calls:
    """Calls to one address under one key."""

    def __init__(self, url: str, key: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        **query: Any,
    ) -> Answer:
        """Make one request; bytes are sent as they are, everything else as JSON."""
        sent = {**self._headers, **(headers or {})}
        content = body
        if body is not None:
            content = body if isinstance(body, bytes) else msgspec.json.encode(body)
            sent.setdefault("Content-Type", "application/json")
        try:
            async with self._session.request(
                method,
                self.url + path,
                data=content,
                headers=sent,
                params={name: str(value) for name, value in query.items()},
                timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
            ) as response:
                return Answer(response.status, await response.read(), response.headers)
        except LOST as error:
            return Answer(0, lost=type(error).__name__)

    async def stream(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        silence_s: float = TIMEOUT_S,
        **query: Any,
    ) -> AsyncIterator[bytes]:
        """Make a request and give its answer's lines as they come, for as long as they do.

        A line that was cut is not given. The first item is the status, as a line of its own.
        """
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=silence_s
        )
        try:
            async with self._session.request(
                method,
                self.url + path,
                data=body,
                headers={**self._headers, **(headers or {})},
                params={name: str(value) for name, value in query.items()},
                timeout=timeout,
            ) as response:
                yield str(response.status).encode()
                rest = b""
                async for chunk in response.content.iter_any():
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        yield line
        except LOST:
            return


def session() -> aiohttp.ClientSession:
    """Make a session that keeps connections, as most clients do."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    )


async def pause(seconds: float) -> None:
    """Let time pass."""
    await asyncio.sleep(max(seconds, 0.0))
