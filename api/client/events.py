"""The log itself: pages of events, and following it for ever."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec

from api.client.errors import Busy, ServerFault, Unreachable
from api.client.transport import Transport, pause_before
from api.native.wire import EventPage

_EVENTS: Final = msgspec.json.Decoder(EventPage)

FOLLOW_WAIT_S: Final = 20.0
MAX_FAULTS: Final = 8
"""Errors of the server itself, one after the other, that following puts up with."""


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
                "after": after,
                "limit": limit,
                "wait": wait_s or None,
                "types": ",".join(types) or None,
                "job_id": job_id,
                "execution_id": execution_id,
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
        wait_s: float = FOLLOW_WAIT_S,
    ) -> AsyncIterator[EventPage]:
        """Read page after page for ever, waiting at the head.

        Order: by position, none left out. A lost server is waited for; the last page's
        `next_after` is where a later call goes on.

        Raises:
            Refused: the key may not read the log, or the server fails again and again.
        """
        wanted = tuple(types)
        failures = 0
        while True:
            try:
                page = await self.page(
                    after=after,
                    wait_s=wait_s,
                    types=wanted,
                    job_id=job_id,
                    execution_id=execution_id,
                    repeat=False,
                )
            except (Unreachable, Busy, ServerFault) as error:
                failures += 1
                if isinstance(error, ServerFault) and failures >= MAX_FAULTS:
                    raise
                asked_s = error.retry_after_s if isinstance(error, Busy) else 0.0
                await asyncio.sleep(pause_before(failures + 1, asked_s))
                continue
            failures = 0
            after = page.next_after
            yield page
