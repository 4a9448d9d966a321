"""Serves all enabled webhooks from this process, as one member of each of their consumers.

Every process of a ledger runs one; they share each hook's shards like any members do. States of a
hook here: served → paused (its address is left alone) → probed with one event → served; or not
enabled, and then not here. `stop` lets requests that are under way end, for a while, and gives back
what was not sent.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

import asyncpg
import structlog

from api.consumers.arrive import leave
from api.consumers.catalog import by_id
from api.consumers.handing import Ask, Handed, Handing
from api.consumers.settle import prolong
from api.webhooks import hooks
from api.webhooks.lane import Course, bring
from api.webhooks.sealing import KeyUnknown, Sealing
from api.webhooks.send import Sender
from ledger.errors import LedgerError
from ledger.ids import new_uuid
from ledger.store.pool import store_errors
from ledger.store.tail import Tail
from ledger.tasks import end

MAX_HOOKS: Final = 500
"""Served by one process; those made later wait until others are disabled."""
PARALLEL: Final = 8
"""Executions of one hook brought at the same time, by one process."""
BATCH_EVENTS: Final = 64
REFRESH_S: Final = 5.0
POLL_WAIT_S: Final = 20.0
LULL_S: Final = 0.1
RECOVER_S: Final = 1.0
FORGET_EVERY_S: Final = 60.0

_log = structlog.get_logger(__name__)


class Dispatcher:
    """One a process."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        tail: Tail,
        handing: Handing,
        *,
        sender: Sender,
        sealing: Sealing,
        keep_s: float,
        grace_s: float,
    ) -> None:
        self.sender = sender
        self.sealing = sealing
        self._pool = pool
        self._handing = handing
        self._keep_s = keep_s
        self._grace_s = grace_s
        self._member = f"server-{new_uuid().hex}"
        self._serving: dict[int, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._stirred = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        tail.hear(hooks.CHANNEL, lambda _payload: self._stirred.set())

    def start(self) -> None:
        """Begin to serve. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name="webhooks")

    async def stop(self) -> None:
        """End serving; requests under way may end first. Idempotent."""
        self._stopping.set()
        if self._task is not None:
            await end(self._task)
            self._task = None
        if self._serving:
            await asyncio.wait(self._serving.values(), timeout=self._grace_s)
        await self._end(list(self._serving))
        await self.sender.close()

    async def stir(self) -> None:
        """Have every process look which hooks there are."""
        with store_errors():
            await self._pool.execute("select pg_notify($1, '')", hooks.CHANNEL)
        self._stirred.set()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        forget_at = loop.time()
        while True:
            self._stirred.clear()
            try:
                with store_errors():
                    wanted = await hooks.enabled(self._pool, MAX_HOOKS)
                    if loop.time() >= forget_at:
                        await hooks.forget(self._pool, self._keep_s)
                        forget_at = loop.time() + FORGET_EVERY_S
                await self._serve_only(set(wanted))
            except LedgerError as error:
                _log.warning("webhooks interrupted", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - a bug; the hooks that are served go on
                _log.exception("webhooks failed")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), REFRESH_S)

    async def _serve_only(self, wanted: set[int]) -> None:
        await self._end([hook for hook, task in self._serving.items() if task.done()])
        for hook, task in self._serving.items():
            if hook not in wanted:
                task.cancel()  # it lets requests end; told again, it does not
        for hook in wanted - set(self._serving):
            self._serving[hook] = asyncio.create_task(self._serve(hook), name=f"webhook-{hook}")

    async def _end(self, ended: list[int]) -> None:
        tasks = [self._serving.pop(hook) for hook in dict.fromkeys(ended)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, hook: int) -> None:
        """Serve one hook until it is disabled or gone, whatever happens to the database."""
        while not self._stopping.is_set():
            try:
                if not await self._course(hook):
                    return
            except LedgerError as error:
                _log.warning("webhook interrupted", hook=hook, error=type(error).__name__)
                await self._pause(RECOVER_S)
            except KeyUnknown:
                _log.warning("webhook sealed under another key", hook=hook)
                await self._pause(REFRESH_S * 12)
            except Exception:  # noqa: BLE001 - a bug; other hooks go on, and this one tries again
                _log.exception("webhook failed", hook=hook)
                await self._pause(RECOVER_S)

    async def _course(self, hook: int) -> bool:
        """Serve until something changes; whether to go on after that."""
        with store_errors():
            consumer = await by_id(self._pool, hook)
            found = (await hooks.find(self._pool, [hook])).get(hook)
        if consumer is None or found is None or not found.is_enabled:
            return False
        if found.is_paused:
            await self._pause(min(found.pause_s, RECOVER_S))
            return True
        course = Course(self._pool, self.sender, self.sealing, consumer, found)
        await course.refresh()
        try:
            await _Serving(course, self._handing, self._member, self._stopping).run()
        except BaseException:
            course.is_over = True
            raise
        finally:
            if self._stopping.is_set() or course.is_over:
                with suppress(LedgerError), store_errors():
                    await asyncio.shield(self._leave(hook))
        return True

    async def _leave(self, hook: int) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await leave(connection, hook, self._member)
        await self._handing.stir(hook)

    async def _pause(self, pause_s: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause_s)


class _Serving:
    """One hook while it is served under one set of its settings."""

    def __init__(
        self, course: Course, handing: Handing, member: str, stopping: asyncio.Event
    ) -> None:
        self._course = course
        self._handing = handing
        self._member = member
        self._stopping = stopping
        self._is_probe = course.hook.failures >= hooks.PAUSE_FROM_FAILURES
        self._lanes: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(PARALLEL)

    async def run(self) -> None:
        """Poll and send side by side, until the course is over; then wait for what is under way.

        Settings and secrets are looked at anew with every batch, so that changes hold at once.
        """
        beating = asyncio.create_task(self._beat())
        stopped = asyncio.create_task(self._stopping.wait())
        polling: asyncio.Task[Handed | None] | None = None
        try:
            while not self._is_over():
                if polling is None and len(self._lanes) < PARALLEL:
                    polling = asyncio.create_task(self._poll())
                waits = {stopped, *self._lanes, *([polling] if polling is not None else [])}
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                self._reap()
                if polling is not None and polling.done():
                    handed, polling = polling.result(), None
                    if handed is None or (not handed.deliveries and not self._lanes):
                        return
                    await self._course.refresh()
                    for delivery in handed.deliveries:
                        self._lanes.add(asyncio.create_task(self._bring(delivery)))
        finally:
            others = [task for task in (beating, stopped, polling) if task is not None]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            if self._lanes:
                await self._finish()

    def _is_over(self) -> bool:
        return self._course.is_over or self._stopping.is_set()

    async def _poll(self) -> Handed | None:
        ask = Ask(
            member=self._member,
            limit=1 if self._is_probe else BATCH_EVENTS,
            wait_s=POLL_WAIT_S if not self._lanes else 1.0,
            lull_s=LULL_S,
        )
        return await self._handing.poll(self._course.consumer.id, ask)

    async def _bring(self, delivery: Any) -> None:
        async with self._places:
            if not self._is_over():
                await bring(self._course, delivery)

    def _reap(self) -> None:
        """Take note of lanes that have ended; one that failed ends the course."""
        for lane in [lane for lane in self._lanes if lane.done()]:
            self._lanes.discard(lane)
            lane.result()
            if self._is_probe:
                self._course.is_over = True  # it is answered: look how things stand

    async def _finish(self) -> None:
        """Let requests under way end; each has its time limit. A cancellation ends them."""
        self._course.is_over = True
        try:
            results = await asyncio.gather(*self._lanes, return_exceptions=True)
        except asyncio.CancelledError:
            for lane in self._lanes:
                lane.cancel()
            await asyncio.gather(*self._lanes, return_exceptions=True)
            raise
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, LedgerError):
                _log.error("webhook lane failed", error=type(result).__name__)

    async def _beat(self) -> None:
        consumer = self._course.consumer
        while True:
            await asyncio.sleep(consumer.terms.lease_s / 3)
            with suppress(LedgerError), store_errors():
                async with self._course.pool.acquire() as connection, connection.transaction():
                    await prolong(connection, consumer.id, self._member)
