"""The log itself: pages of events, and following it for ever."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec

from api.client.errors import Busy, Unreachable
from api.client.transport import Transport, pause_before
from api.native.wire import EventPage

_EVENTS: Final = msgspec.json.Decoder(EventPage)

FOLLOW_WAIT_S: Final = 20.0


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
            except Unreachable:
                failures += 1
                await asyncio.sleep(pause_before(failures + 1))
                continue
            except Busy as busy:
                failures += 1
                await asyncio.sleep(pause_before(failures + 1, busy.retry_after_s))
                continue
            failures = 0
            after = page.next_after
            yield page
