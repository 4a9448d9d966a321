"""Tell the ledger what happens, in the order it happens, through restarts of the server.

The previous batch is the timer of the next: what comes up meanwhile goes along with it. A batch of
nothing but progress waits a moment for more. A batch that got no answer is sent again, unchanged,
for as long as the hold lasts.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from structlog import get_logger

from api.client.errors import (
    AccessDenied,
    BadRequest,
    Busy,
    ClientError,
    Conflict,
    NotFound,
    Refused,
)
from api.client.session import Ledger
from api.client.transport import pause_before
from api.native.wire import Problem, ReportsPost
from api.worker import batch
from api.worker.hold import Hold
from ledger.executions import commands as c

PROGRESS_EVERY_S: Final = 0.25

_log = get_logger(__name__)


class HoldLost(Exception):
    """The execution is ours no longer: kill what runs and forget it."""


class ReportNotTaken(Exception):
    """The ledger finds a report wrong; it and what went along with it is not on record."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail or problem.title)


class Reporter:
    """The reports of one execution; `run` it beside the work."""

    def __init__(self, hold: Hold, ledger: Ledger, worker: str) -> None:
        self._hold = hold
        self._ledger = ledger
        self._worker = worker
        self._pending: list[c.Report] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._last_sent = 0.0
        self._error: HoldLost | ReportNotTaken | None = None

    def add(self, report: c.Report) -> None:
        """Line up a report; it is sent soon."""
        batch.add(self._pending, report)
        self._wake.set()

    async def flush(self) -> None:
        """Wait until all reports so far were taken.

        Raises:
            HoldLost: they were not, and never will be.
            ReportNotTaken: the ledger refused one of them; the others were dropped with it.
        """
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wake.set()
        await waiter

    async def run(self) -> None:
        """Send until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._gather_progress()
            await self._send_all()
            self._last_sent = loop.time()

    async def _gather_progress(self) -> None:
        """Give progress that stands alone a moment to grow."""
        loop = asyncio.get_running_loop()
        until = self._last_sent + PROGRESS_EVERY_S
        while self._may_wait() and (left_s := until - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._wake.wait()
            self._wake.clear()

    def _may_wait(self) -> bool:
        return not self._waiters and _is_only_progress(self._pending)

    async def _send_all(self) -> None:
        error, self._error = self._error, None
        try:
            while self._pending:
                await self._send_next()
        except (HoldLost, ReportNotTaken) as failed:
            self._pending.clear()
            error = failed
        if self._waiters:
            self._answer(error)
        else:
            self._error = error

    async def _send_next(self) -> None:
        count = batch.length_of_next(self._pending)
        reports = tuple(self._pending[:count])
        del self._pending[:count]
        try:
            await self._send(reports)
        except ReportNotTaken as refused:
            _log.warning("a report was not taken", problem=refused.problem.type)
            if not _is_only_progress(reports):
                raise

    def _answer(self, error: Exception | None) -> None:
        for waiter in self._waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        self._waiters.clear()

    async def _send(self, reports: tuple[c.Report, ...]) -> None:
        post = ReportsPost(reports=reports, fence=self._hold.lease.fence, worker=self._worker)
        tries = 0
        while not self._hold.is_lost:
            tries += 1
            at_least_s = 0.0
            try:
                async with asyncio.timeout(self._hold.seconds_left):
                    taken = await self._ledger.work.report(self._hold.lease.execution.uuid, post)
            except (Conflict, NotFound, AccessDenied) as error:
                _log.info("reports refused", reason=error.problem.type)
                self._hold.lose()
                raise HoldLost from error
            except BadRequest as error:
                raise ReportNotTaken(error.problem) from error
            except (ClientError, TimeoutError) as error:
                if isinstance(error, Busy):
                    at_least_s = error.retry_after_s
                kind = error.problem.type if isinstance(error, Refused) else type(error).__name__
                _log.warning("reports are sent again", tries=tries, reason=kind)
            else:
                self._hold.hear(taken.requests)
                return
            await asyncio.sleep(min(pause_before(tries + 1, at_least_s), self._hold.seconds_left))
        raise HoldLost


def _is_only_progress(reports: Sequence[c.Report]) -> bool:
    return all(isinstance(report, c.StepProgressed | c.Progressed) for report in reports)
