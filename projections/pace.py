"""Keeps whoever appends much within reach of the views.

A log takes in more a second than its views do. Were nobody to wait, the end of a large import would
leave every reader waiting for views that are minutes behind. So a bulk append waits while some view
is further behind than the reach, and only as long as that view moves: one that stands still holds up
nobody but its readers.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from ledger.errors import ProjectionLagging
from ledger.store.tail import Tail
from projections.wait import Waits

STANDSTILL_S: Final = 5.0
"""A view that has not moved for so long is not waited for. A lost owner is replaced sooner."""
LONGEST_S: Final = 20.0
"""How long one call waits at most, however the view moves."""
AGAIN_S: Final = 30.0
"""When a view that stood still is looked at again."""


class Pace:
    """One a process."""

    def __init__(self, tail: Tail, waits: Waits, names: Sequence[str], *, reach: int) -> None:
        """Keep the views called *names* within *reach* events of the head; 0 keeps nobody."""
        self._tail = tail
        self._waits = waits
        self._names = names
        self._reach = reach
        self._covered = 0
        self._again_at = 0.0

    async def keep(self) -> None:
        """Return when every view that moves is within reach of the head."""
        wanted = self._tail.head - self._reach
        if not self._reach or wanted <= self._covered:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._again_at:
            return
        with suppress(TimeoutError):  # they move, and the next call waits for the rest
            async with asyncio.timeout(LONGEST_S):
                for name in self._names:
                    if not await self._comes_within(name, wanted):
                        self._again_at = loop.time() + AGAIN_S
                        return
        self._covered = min(map(self._waits.position, self._names))

    async def _comes_within(self, name: str, wanted: int) -> bool:
        """Wait for a view; False if it stands still."""
        reached = self._waits.position(name)
        while True:
            try:
                await self._waits.wait_for(name, wanted, STANDSTILL_S)
            except ProjectionLagging as late:
                if late.reached <= reached:
                    return False
                reached = late.reached
            else:
                return True
