"""A worker's hold on one execution: its lease, what users ask of it, and when it must stop.

    held ──(heartbeat refused, reports fenced, or no renewal in time)──▶ lost

While held, a wish may come: cancel (stop what runs now), pause and stop (let the current step end
if it ends soon). `wish` is asked between steps; `interruption` is waited for while one runs.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from structlog import get_logger

from api.client.errors import (
    AccessDenied,
    BadRequest,
    ClientError,
    Conflict,
    NotFound,
)
from api.client.session import Ledger
from api.client.transport import pause_before
from api.native.wire import Lease, Requests

Interruption: TypeAlias = Literal["lost", "cancel", "pause", "stop"]

SAFE_SHARE: Final = 0.9
"""Share of a lease after which it is given up when no renewal came."""
RENEWALS: Final = 3
DEFAULT_PAUSE_GRACE_S: Final = 300.0

LOST: Final = (Conflict, NotFound, AccessDenied, BadRequest)
"""Answers to a heartbeat that mean the execution is ours no longer."""

_log = get_logger(__name__)


class Hold:
    """The hold that *lease*, just received, gives."""

    def __init__(self, lease: Lease, ledger: Ledger) -> None:
        self.lease = lease
        self._ledger = ledger
        self._loop = asyncio.get_running_loop()
        self._received = self._loop.time()
        # The start is on record by now, and nothing here may be told to lie before it.
        given_at = lease.expires_at - timedelta(seconds=lease.lease_s)
        self._given_at = max(given_at, lease.execution.modified_at)
        self._valid_until = self._received + SAFE_SHARE * lease.lease_s
        self._is_lost = False
        self._cancel = False
        self._pause_until: float | None = None
        self._pause_is_exact = False
        self._stop_until: float | None = None
        self._changed = asyncio.Event()
        self._beat_now = asyncio.Event()

    @property
    def is_lost(self) -> bool:
        """Whether another worker may hold the execution by now."""
        return self._is_lost or self._loop.time() >= self._valid_until

    @property
    def seconds_left(self) -> float:
        """How long the hold lasts if it is not renewed."""
        return 0.0 if self._is_lost else max(self._valid_until - self._loop.time(), 0.0)

    def now(self) -> datetime:
        """Give the instant on the ledger's clock."""
        return self._given_at + timedelta(seconds=self._loop.time() - self._received)

    def lose(self) -> None:
        """Take note that the hold has ended."""
        self._is_lost = True
        self._note()

    def hear(self, requests: Requests) -> None:
        """Take note of what users ask."""
        if "cancel" in requests and not self._cancel:
            self._cancel = True
            self._note()
        if "pause" in requests and self._pause_until is None:
            self._pause_until = self._loop.time() + SAFE_SHARE * DEFAULT_PAUSE_GRACE_S
            self._beat_now.set()
            self._note()

    def stop(self, grace_s: float) -> None:
        """Ask to let go: a step that runs may go on for *grace_s* more seconds."""
        self._stop_until = self._loop.time() + grace_s
        self._note()

    def wish(self) -> Interruption | None:
        """Tell why no further step should begin, if there is a reason."""
        if self.is_lost:
            return "lost"
        if self._cancel:
            return "cancel"
        if self._pause_until is not None:
            return "pause"
        return None if self._stop_until is None else "stop"

    async def interruption(self) -> Interruption:
        """Wait until what runs must be stopped."""
        while True:
            self._changed.clear()
            if self.is_lost:
                return "lost"
            if self._cancel:
                return "cancel"
            now = self._loop.time()
            if self._pause_until is not None and now >= self._pause_until:
                return "pause"
            if self._stop_until is not None and now >= self._stop_until:
                return "stop"
            ends = (self._valid_until, self._pause_until, self._stop_until)
            await _wait(self._changed, min(end for end in ends if end is not None) - now)

    async def keep(self) -> None:
        """Renew the lease until it is lost; cancel this to let go."""
        interval_s = self.lease.lease_s / RENEWALS
        failures = 0
        pause_s = interval_s
        while not self.is_lost:
            await _wait(self._beat_now, min(pause_s, self.seconds_left))
            self._beat_now.clear()
            if self._pause_until is not None and not self._pause_is_exact:
                await self._learn_pause(interval_s / 2)
            if await self._beat(interval_s):
                failures = 0
                pause_s = interval_s
            else:
                failures += 1
                pause_s = min(pause_before(failures + 1), interval_s)
        self.lose()

    async def _beat(self, timeout_s: float) -> bool:
        sent = self._loop.time()
        try:
            async with asyncio.timeout(max(timeout_s, 0.2)):
                beat = await self._ledger.work.heartbeat(self.lease.lease)
        except LOST as error:
            _log.info("lease lost", lease=str(self.lease.lease), reason=type(error).__name__)
            self.lose()
            return True
        except (ClientError, TimeoutError) as error:
            _log.warning("heartbeat failed", reason=type(error).__name__)
            return False
        self._valid_until = sent + SAFE_SHARE * self.lease.lease_s
        self.hear(beat.requests)
        return True

    async def _learn_pause(self, timeout_s: float) -> None:
        """Ask how long a step may go on before the pause is enforced."""
        try:
            async with asyncio.timeout(max(timeout_s, 0.2)):
                view = await self._ledger.executions.get(self.lease.execution.uuid)
        except (ClientError, TimeoutError):
            return
        self._pause_is_exact = True
        if view.next is not None and view.next.otherwise == "paused":
            left_s = (view.next.at - self.now()).total_seconds()
            self._pause_until = self._loop.time() + max(SAFE_SHARE * left_s, 0.0)
            self._note()

    def _note(self) -> None:
        self._changed.set()


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(max(timeout_s, 0.0)):
            await event.wait()
    except TimeoutError:
        pass
