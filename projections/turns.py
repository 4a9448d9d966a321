"""Who goes next among the views of a process.

All of them cannot be written at once: they share one processor, and a database that has appends to
commit meanwhile. So few are written at a time. Those that somebody waits for go first, then those
that are furthest behind; that keeps views together which catch up, and what they read of the log is
read once for all of them.
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

AT_ONCE: Final = 1
"""Batches under way: while PostgreSQL writes some, another one is folded."""


class Turns:
    """Gives out turns; one a process."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = at_once
        self._order = itertools.count()
        self._waiting: list[tuple[bool, int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, position: int, *, wanted: bool) -> AsyncIterator[None]:
        """Wait for a turn, and have it; *position* is how far the view is."""
        if self._free:
            self._free -= 1
        else:
            await self._queue(position, wanted=wanted)
        try:
            yield
        finally:
            self._pass_on()

    async def _queue(self, position: int, *, wanted: bool) -> None:
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (not wanted, position, next(self._order), given))
        try:
            await given
        except asyncio.CancelledError:
            if not given.cancelled():
                self._pass_on()  # it was given in the moment in which nobody wanted it any more
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            given = heapq.heappop(self._waiting)[-1]
            if not given.done():
                given.set_result(None)
                return
        self._free += 1
