"""Read your writes: wait until a view has reached a position."""

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from ledger.errors import ProjectionLagging
from ledger.store.pool import LOST
from ledger.tasks import end
from projections.advance import Advances
from projections.checkpoint import SQL
from projections.port import Pool

_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.025
_OWNED_PAUSE_S: Final = 0.25
"""Where a runner of this process tells of every advance, polling only insures against its end."""

_log = structlog.get_logger(__name__)


class Waits:
    """Waits for live checkpoints; one a process.

    On the owner's node a waiter is woken in the process. Elsewhere one poll of the checkpoint rows
    serves all waiters; it runs only while somebody waits.
    """

    def __init__(self, pool: Pool, advances: Advances) -> None:
        self._pool = pool
        self._advances = advances
        self._poller: asyncio.Task[None] | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._nudge = asyncio.Event()
        self._closed = False

    async def wait_for(self, name: str, position: int, timeout_s: float) -> None:
        """Return once the live view reflects *position*; at once if it is known to.

        Units: *timeout_s* in seconds.

        Raises:
            ProjectionLagging: it did not in time; the caller may answer 503 or an older state.
        """
        if self._advances.position(name) >= position:
            return
        if timeout_s > 0 and not self._closed:
            if self._poller is None or self._poller.done():
                self._poller = asyncio.create_task(self._poll(), name="projection-waits")
            self._pause_s = _FIRST_PAUSE_S
            self._nudge.set()
            if await self._advances.wait(name, position, timeout_s):
                return
        raise ProjectionLagging(name, position, self._advances.position(name))

    def position(self, name: str) -> int:
        """Give the highest position that is known to be in a live view."""
        return self._advances.position(name)

    async def close(self) -> None:
        """End polling; who still waits comes to the deadline. Idempotent."""
        self._closed = True
        poller, self._poller = self._poller, None
        if poller is not None:
            await end(poller)

    async def _poll(self) -> None:
        await asyncio.sleep(0)  # the waiter that started this gets to stand in line
        while waited_for := self._advances.waited_for():
            elsewhere = [name for name in waited_for if not self._advances.is_owned(name)]
            if elsewhere:
                await self._read(elsewhere)
            self._nudge.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(
                    self._nudge.wait(), self._pause_s if elsewhere else _OWNED_PAUSE_S
                )
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    async def _read(self, names: list[str]) -> None:
        """Read the checkpoints, and tell the owner that somebody waits: it may be gathering."""
        try:
            rows = await self._pool.fetch(SQL["positions"])
            for row in rows:
                self._advances.tell(row["name"], row["position"])
            if still := sorted(self._advances.waited_for().intersection(names)):
                await self._pool.execute(SQL["want"], ",".join(still))
        except (*LOST, asyncpg.PostgresError) as error:
            _log.warning("checkpoints cannot be read", error=type(error).__name__)
            self._pause_s = _OWNED_PAUSE_S
