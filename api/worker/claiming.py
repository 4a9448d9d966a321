"""The worker's outer loop: ask for work while there is room, and leave in good order."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from structlog import get_logger

from api.client.errors import AccessDenied, Busy, ClientError
from api.client.session import Ledger
from api.client.transport import pause_before
from api.native.wire import Claimed, ClaimPost, Lease
from api.worker.hold import Hold
from api.worker.run import Workshop, run_execution
from api.worker.steps.port import Handler
from api.worker.steps.process import GUARDIAN

CLAIM_WAIT_S: Final = 20.0
STOP_GRACE_S: Final = 5.0
DEFAULT_CONCURRENCY: Final = 4
_QUICK_S: Final = 0.25

_log = get_logger(__name__)


class Worker:
    """Claims executions of the step types it has handlers for, and runs them.

    `stop` once: begin nothing new, give running steps a short time, then hand back. `stop` again:
    at once.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        name: str,
        handlers: Mapping[str, Handler],
        data_dir: Path,
        concurrency: int = DEFAULT_CONCURRENCY,
        stop_grace_s: float = STOP_GRACE_S,
    ) -> None:
        self._ledger = ledger
        self._name = name
        self._shop = Workshop(ledger=ledger, worker=name, handlers=handlers, data_dir=data_dir)
        self._concurrency = concurrency
        self._stop_grace_s = stop_grace_s
        self._holds: set[Hold] = set()
        self._room = asyncio.Semaphore(concurrency)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Leave in good order; the second call leaves at once."""
        grace_s = 0.0 if self._stopping.is_set() else self._stop_grace_s
        _log.info("worker stops", executions=len(self._holds), grace_s=grace_s)
        self._stopping.set()
        for hold in self._holds:
            hold.stop(grace_s)

    async def run(self) -> None:
        """Work until `stop` is called and all executions are let go.

        Raises:
            AccessDenied: the key may not claim work.
        """
        _log.info(
            "worker ready",
            worker=self._name,
            concurrency=self._concurrency,
            step_types=sorted(self._shop.handlers),
        )
        running: set[asyncio.Task[None]] = set()
        try:
            await self._claim_until_stopped(running)
            if running:
                await asyncio.wait(running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await asyncio.to_thread(GUARDIAN.close)
        _log.info("worker stopped", worker=self._name)

    async def _claim_until_stopped(self, running: set[asyncio.Task[None]]) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        failures = 0
        try:
            while not self._stopping.is_set():
                claiming = asyncio.create_task(self._claim())
                await asyncio.wait((claiming, stopping), return_when=asyncio.FIRST_COMPLETED)
                if not claiming.done():
                    claiming.cancel()
                    await asyncio.gather(claiming, return_exceptions=True)
                    return
                at_least_s = 0.0
                try:
                    leases = claiming.result().leases
                    failures = 0
                except AccessDenied:
                    raise
                except ClientError as error:
                    failures += 1
                    at_least_s = error.retry_after_s if isinstance(error, Busy) else 0.0
                    _log.warning("no work could be claimed", reason=str(error), failures=failures)
                    leases = ()
                for lease in leases:
                    task = asyncio.create_task(self._work_on(lease))
                    running.add(task)
                    task.add_done_callback(running.discard)
                if failures:
                    pause_s = pause_before(failures + 1, at_least_s)
                    await asyncio.wait((stopping,), timeout=pause_s)
        finally:
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)

    async def _claim(self) -> Claimed:
        """Wait for room, then for work that fits it."""
        async with self._room:
            pass
        loop = asyncio.get_running_loop()
        sent = loop.time()
        claimed = await self._ledger.work.claim(
            ClaimPost(
                worker=self._name,
                step_types=tuple(sorted(self._shop.handlers)),
                wait_s=CLAIM_WAIT_S,
                limit=min(self._concurrency - len(self._holds), 50),
            )
        )
        if not claimed.leases and loop.time() - sent < _QUICK_S:
            # A server that does not hold the request must not be asked without end.
            await asyncio.sleep(_QUICK_S)
        for lease in claimed.leases:
            await self._room.acquire()
            self._holds.add(Hold(lease, self._ledger))
        return claimed

    async def _work_on(self, lease: Lease) -> None:
        hold = next(hold for hold in self._holds if hold.lease is lease)
        if self._stopping.is_set():
            hold.stop(0.0)
        try:
            await run_execution(hold, self._shop)
        except Exception:  # noqa: BLE001 - one execution must not end the worker
            # The others go on; the ledger takes this one back when its lease ends.
            _log.exception("an execution could not be worked on", lease=str(lease.lease))
        finally:
            self._holds.discard(hold)
            self._room.release()
