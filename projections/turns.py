"""Who goes next among the views of a process.

All of them could be written at once, but they share one processor, and a database that has appends to
commit meanwhile. So one is written at a time, which keeps answers quick. Where views are far behind there
are two, so that one is folded while PostgreSQL writes the other; more would push each other's batches out
of the processor's caches. Those that somebody waits for go first, then those that are furthest behind;
that keeps views together which catch up, and what they read of the log is read once for all of them.
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

AT_ONCE: Final = 1
AT_ONCE_BEHIND: Final = 2


class _Wish(Struct, order=True, frozen=True):
    not_wanted: bool
    position: int
    number: int
    is_behind: bool
    given: "asyncio.Future[None]"


class Turns:
    """Gives out turns; one a process."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._taken = 0
        self._waiting: list[_Wish] = []

    @asynccontextmanager
    async def turn(
        self, position: int, *, wanted: bool = False, is_behind: bool = False
    ) -> AsyncIterator[None]:
        """Wait for a turn, and have it; *position* is how far the view is."""
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(
            self._waiting, _Wish(not wanted, position, next(self._numbers), is_behind, given)
        )
        self._give()
        try:
            await given
            yield
        finally:
            if not given.cancelled():
                self._taken -= 1
            self._give()

    def _give(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            if not first.given.cancelled():
                if self._taken >= (AT_ONCE_BEHIND if first.is_behind else AT_ONCE):
                    return
                self._taken += 1
                first.given.set_result(None)
            heapq.heappop(self._waiting)
