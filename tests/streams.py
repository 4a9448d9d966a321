"""Clients of streams, independent of the product's own: a parser of server-sent events, and a tail."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from tests.api.serving import Caller

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"


@dataclass(frozen=True)
class Dispatched:
    """An event as an EventSource would dispatch it."""

    type: str
    data: str
    last_event_id: str


@dataclass
class EventSource:
    """What a browser makes of the bytes of a stream (HTML standard, section 9.2.6)."""

    last_event_id: str = ""
    retry_ms: int | None = None
    comments: int = 0
    dispatched: list[Dispatched] = field(default_factory=list)
    _rest: str = ""
    _type: str = ""
    _data: list[str] = field(default_factory=list)
    _id: str = ""

    def feed(self, text: str) -> None:
        """Take in what came; what is not a whole line waits for the rest."""
        text = self._rest + text
        held = "\r" if text.endswith("\r") else ""  # a newline may follow
        text = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n")
        *lines, rest = text.split("\n")
        self._rest = rest + held
        for line in lines:
            self._take(line)

    def _take(self, line: str) -> None:
        if not line:
            self._dispatch()
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                self.comments += 1
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_ms = int(value)
            case _:
                pass

    def _dispatch(self) -> None:
        self.last_event_id = self._id
        if self._data:
            data = "\n".join(self._data)
            self.dispatched.append(Dispatched(self._type or "message", data, self._id))
        self._data, self._type = [], ""


class Stream:
    """An open stream, and everything that came of it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.raw = b""
        self.source = EventSource()
        self.lines: list[bytes] = []
        """The lines of NDJSON, or the data of events, in the order they came."""
        self.events: list[Any] = []
        """The events, decoded."""
        self.heartbeats: list[Any] = []
        """What NDJSON's heartbeats say."""
        self.ended = False
        """Whether it ended in good order; a cut raises."""
        self._rest = b""

    async def read(self) -> None:
        """Take in the next bytes that come."""
        came = await self.response.content.readany()
        self.raw += came
        self.ended = not came
        if self.response.content_type == SSE:
            seen = len(self.source.dispatched)
            self.source.feed(came.decode())
            whole = [event.data.encode() for event in self.source.dispatched[seen:]]
        else:
            *whole, self._rest = (self._rest + came).split(b"\n")
        for line in whole:
            decoded = msgspec.json.decode(line)
            if "heartbeat" in decoded:
                self.heartbeats.append(decoded["heartbeat"])
            else:
                self.lines.append(line)
                self.events.append(decoded)

    async def until(self, condition: Callable[["Stream"], object], deadline_s: float = 20) -> None:
        """Read until a condition holds of what came."""
        async with asyncio.timeout(deadline_s):
            while not condition(self):
                assert not self.ended, f"ended with {self.raw[-300:]!r}"
                await self.read()

    async def until_end(self, deadline_s: float = 20) -> None:
        """Read to the end."""
        async with asyncio.timeout(deadline_s):
            while not self.ended:
                await self.read()

    @property
    def positions(self) -> list[int]:
        """Where the events stand in the log."""
        return [event["position"] for event in self.events]


def is_heartbeat(line: bytes) -> bool:
    """Tell a heartbeat from an event, as a client would."""
    return "heartbeat" in msgspec.json.decode(line)


@asynccontextmanager
async def streaming(
    caller: Caller,
    accept: str = SSE,
    path: str = "/v1/events",
    *,
    last_event_id: str | None = None,
    status: int = 200,
    **query: Any,
) -> AsyncIterator[Stream]:
    """Open a stream on a connection of its own."""
    headers = {"Authorization": f"Bearer {caller.key}", "Accept": accept}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
        session.get(
            caller.url + path,
            headers=headers,
            params={name: str(value) for name, value in query.items()},
        ) as response,
    ):
        assert response.status == status, await response.text()
        yield Stream(response)
