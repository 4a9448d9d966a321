"""What this process knows of the live checkpoints, and who waits for them."""

import asyncio
import heapq
import itertools
from collections import defaultdict
from contextlib import suppress


class Advances:
    """Positions of live projections, told by the runners of this process or by a poll.

    Order: a position told is a position committed; readers that are woken see its rows.
    """

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}
        self._owned: set[str] = set()
        self._waiting: defaultdict[str, list[tuple[int, int, asyncio.Future[None]]]] = defaultdict(
            list
        )
        self._order = itertools.count()
        self._asked: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._wanted_elsewhere: set[str] = set()

    def position(self, name: str) -> int:
        """Give the highest position known; 0 when nothing is."""
        return self._positions.get(name, 0)

    def is_owned(self, name: str) -> bool:
        """Whether a runner of this process tells of every advance."""
        return name in self._owned

    def own(self, name: str, position: int) -> None:
        """A runner of this process begins; what was known before may have been lost in a crash."""
        self._owned.add(name)
        self._positions[name] = position
        self.tell(name, position)

    def disown(self, name: str) -> None:
        """The runner ended; waiters have to poll."""
        self._owned.discard(name)

    def tell(self, name: str, position: int) -> None:
        """Learn that everything up to *position* is in the view, and wake who waits for it."""
        if position > self._positions.get(name, 0):
            self._positions[name] = position
        waiting = self._waiting.get(name)
        while waiting and waiting[0][0] <= position:
            _, _, future = heapq.heappop(waiting)
            if not future.done():
                future.set_result(None)

    def waited_for(self) -> set[str]:
        """Name the projections that somebody waits for."""
        found: set[str] = set()
        for name, waiting in self._waiting.items():
            # Those that gave up stay in the heap until they come to its top.
            while waiting and waiting[0][2].done():
                heapq.heappop(waiting)
            if waiting:
                found.add(name)
        return found

    def want(self, names: str) -> None:
        """Learn that other processes wait for projections, named with commas between."""
        for name in names.split(","):
            if name in self._owned:
                self._wanted_elsewhere.add(name)
                self._asked[name].set()

    def is_wanted(self, name: str) -> bool:
        """Whether somebody waits for a projection, here or in another process."""
        return name in self._wanted_elsewhere or name in self.waited_for()

    def begin(self, name: str) -> None:
        """A batch begins: who still waits in another process after it will say so again."""
        self._wanted_elsewhere.discard(name)

    async def asked(self, name: str, timeout_s: float) -> None:
        """Return when somebody waits for a projection, at the latest after a time.

        Units: *timeout_s* in seconds.
        """
        asked = self._asked[name]
        asked.clear()
        if not self.is_wanted(name):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await asked.wait()

    async def wait(self, name: str, position: int, timeout_s: float) -> bool:
        """Wait until a position is reached; False at the timeout.

        Units: *timeout_s* in seconds.
        """
        if self.position(name) >= position:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting[name], (position, next(self._order), future))
        self._asked[name].set()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await future
        finally:
            future.cancel()
        return self.position(name) >= position
