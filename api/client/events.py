"""The log itself: pages of events, and following it for ever."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

import msgspec
from msgspec import Struct

from api.client.errors import Busy, ServerFault, Unreachable
from api.client.transport import Query, Transport, pause_before
from api.native.wire import EventPage, EventView

_EVENTS: Final = msgspec.json.Decoder(EventPage)
_EVENT: Final = msgspec.json.Decoder(EventView)

QUIET_S: Final = 20.0
SILENCE_S: Final = 45.0
"""A server that says nothing for so long, not even that it lives, is taken for lost."""
MAX_FAULTS: Final = 8
"""Errors of the server itself, one after the other, that following puts up with."""
STREAM: Final = "application/x-ndjson"
_HEARTBEAT: Final = b'{"heartbeat":'


class _Heartbeat(Struct):
    scanned_through: int
    head: int


class _HeartbeatLine(Struct):
    heartbeat: _Heartbeat


class _Positioned(Struct):
    position: int


_HEARTBEATS: Final = msgspec.json.Decoder(_HeartbeatLine)
_POSITIONS: Final = msgspec.json.Decoder(_Positioned)


class EventLines(Struct, frozen=True):
    """Events as the lines that came, byte for byte, and where to go on."""

    lines: tuple[bytes, ...]
    next_after: int
    head: int
    """The newest position that is known of."""


class Events:
    """Read the log."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def page(
        self,
        *,
        after: int = 0,
        limit: int | None = None,
        wait_s: float = 0.0,
        types: Iterable[str] = (),
        job_id: str | None = None,
        execution_id: str | None = None,
        repeat: bool = True,
    ) -> EventPage:
        """Read the events after a position; with *wait_s*, wait that long for a first one."""
        return await self._transport.call(
            "GET",
            "/v1/events",
            _EVENTS,
            query={
                "limit": limit,
                "wait": wait_s or None,
                **_query(after, types, job_id, execution_id),
            },
            repeat=repeat,
            wait_s=wait_s,
        )

    async def head(self) -> int:
        """Give the position of the newest event."""
        return (await self.page(limit=1)).head

    async def follow(
        self,
        *,
        after: int = 0,
        types: Iterable[str] = (),
        job_id: str | None = None,
        execution_id: str | None = None,
        quiet_s: float = QUIET_S,
        once: bool = False,
    ) -> AsyncGenerator[EventPage, None]:
        """Give events as they are recorded, in pages as they come; see `follow_lines`."""
        following = self.follow_lines(
            after=after,
            types=types,
            job_id=job_id,
            execution_id=execution_id,
            quiet_s=quiet_s,
            once=once,
        )
        async with aclosing(following):
            async for came in following:
                events = tuple(map(_EVENT.decode, came.lines))
                yield EventPage(events=events, next_after=came.next_after, head=came.head)

    async def follow_lines(
        self,
        *,
        after: int = 0,
        types: Iterable[str] = (),
        job_id: str | None = None,
        execution_id: str | None = None,
        quiet_s: float = QUIET_S,
        once: bool = False,
    ) -> AsyncGenerator[EventLines, None]:
        """Give events as the lines that the tree is made of, for ever, or *once* up to the head.

        Order: by position, none left out and none repeated. A lost server is waited for, and asked
        for what comes next; the `next_after` that was given last is where a later call goes on.
        Nothing for *quiet_s* is told by no lines; so is that a filter left events out.

        Raises:
            Refused: the key may not read the log, or the server fails again and again.
        """
        wanted = _query(after, tuple(types), job_id, execution_id)
        failures = 0
        while True:
            try:
                stream = self._stream({**wanted, "after": after}, after, quiet_s, once=once)
                async with aclosing(stream):
                    async for came in stream:
                        failures = 0
                        after = came.next_after
                        yield came
                if once:
                    return
                failures += 1  # it ended in good order: the server stops, and comes back
                await asyncio.sleep(pause_before(failures + 1))
            except (Unreachable, Busy, ServerFault) as error:
                failures += 1
                if isinstance(error, ServerFault) and failures >= MAX_FAULTS:
                    raise
                asked_s = error.retry_after_s if isinstance(error, Busy) else 0.0
                await asyncio.sleep(pause_before(failures + 1, asked_s))

    async def _stream(
        self, query: Query, after: int, quiet_s: float, *, once: bool
    ) -> AsyncGenerator[EventLines, None]:
        """Read one stream to its end, or until it is lost."""
        head = 0
        query = {**query, "follow": not once}
        async with self._transport.stream("/v1/events", query=query, accept=STREAM) as stream:
            head = max(head, stream.position)
            async for lines in stream.lines(quiet_s, SILENCE_S):
                events = tuple(line for line in lines if not line.startswith(_HEARTBEAT))
                if lines and lines[-1].startswith(_HEARTBEAT):
                    told = _HEARTBEATS.decode(lines[-1]).heartbeat
                    after, head = told.scanned_through, max(head, told.head)
                elif lines:
                    after = _POSITIONS.decode(lines[-1]).position
                head = max(head, after)
                yield EventLines(events, after, head)
            if once:
                yield EventLines((), max(after, stream.position), max(head, stream.position))


def _query(
    after: int, types: Iterable[str], job_id: str | None, execution_id: str | None
) -> dict[str, str | int | float | bool | None]:
    return {
        "after": after,
        "types": ",".join(types) or None,
        "job_id": job_id,
        "execution_id": execution_id,
    }
