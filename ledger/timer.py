"""The ledger's own clockwork: what runs out of time is closed, released, retried or deleted by it.

Two things are watched. A stream's `due_at` is set by every append from the state it leads to, in
the same transaction, so no open state can be without one. A lease's expiry is moved by heartbeats.
To an execution only a command is issued (`Tick`, `LoseLease`); what follows is the decider's ruling,
and issuing it twice, from two processes, or after a crash, has no further effect. A job is due at the
next due time of its schedule, which `ledger.scheduler` handles.

What was taken is hidden from other processes for `HOLD_S`; if this one dies, another looks again.
"""

import asyncio
from typing import Final

import structlog

from ledger.clock import Clock
from ledger.errors import LedgerError
from ledger.executions.commands import Command, LoseLease, Tick
from ledger.executions.deadlines import look_again_at
from ledger.executions.state import ExecutionState
from ledger.handle.executions import Executions
from ledger.handle.streams import Done
from ledger.ids import execution_of
from ledger.scheduler import Scheduler
from ledger.store.port import Context
from ledger.store.postgres import PostgresStore
from ledger.tasks import end

POLL_S: Final = 0.5
HOLD_S: Final = 5.0
BATCH: Final = 200
PARALLEL: Final = 16
HOUSEKEEPING_S: Final = 60.0
ACTOR: Final = "ledger"

_log = structlog.get_logger(__name__)


class Timer:
    """One a process; several processes share the work."""

    def __init__(
        self,
        store: PostgresStore,
        executions: Executions,
        clock: Clock,
        scheduler: Scheduler | None = None,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._executions = executions
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="timer")

    async def stop(self) -> None:
        """End watching. Idempotent."""
        if self._task is not None:
            await end(self._task)
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        clean_at = loop.time()
        while True:
            busy = 0
            try:
                busy = await self.pass_once()
                if loop.time() >= clean_at:
                    await self._store.keep_house()
                    clean_at = loop.time() + HOUSEKEEPING_S
            except LedgerError as error:
                _log.warning("timer interrupted", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - a bug; the clockwork goes on
                _log.exception("timer failed")
            await asyncio.sleep(0 if busy >= BATCH else POLL_S)

    async def pass_once(self) -> int:
        """Handle everything that is due now, up to a batch of each kind; give how many."""
        expired = await self._store.expired_leases(BATCH)
        due = await self._store.take_due(limit=BATCH, hold_s=HOLD_S)
        places = asyncio.Semaphore(PARALLEL)

        async def one(stream: str, command: Command) -> None:
            async with places:
                try:
                    await self._issue(stream, command)
                except LedgerError as error:
                    _log.warning("due later", stream=stream, error=type(error).__name__)
                except Exception:  # noqa: BLE001 - a bug; the other streams go on
                    _log.exception("timer failed", stream=stream)

        async with asyncio.TaskGroup() as group:
            for stream, fence in expired:
                group.create_task(one(stream, LoseLease(fence=fence)))
            for stream in due:
                group.create_task(one(stream, Tick()))
        return len(expired) + len(due)

    async def _issue(self, stream: str, command: Command) -> None:
        uuid = execution_of(stream)
        if uuid is None:
            if self._scheduler is not None:
                await self._scheduler.run_due(stream)
            return
        state = (await self._executions.streams.refresh(stream)).state
        if state is not None:
            context = Context(organization=state.organization, actor=ACTOR)
            outcome = await self._executions.act(context, uuid, command)
            if isinstance(command, Tick) and isinstance(outcome, Done) and not outcome.records:
                await self._nothing_due(stream, context, outcome.state)
        if isinstance(command, LoseLease):
            await self._store.end_lease(stream, command.fence)

    async def _nothing_due(self, stream: str, context: Context, state: ExecutionState) -> None:
        """See that an owned execution is still watched by a lease, and look again later."""
        if state.is_owned and not await self._store.is_leased(stream, state.fence):
            await self._executions.act(context, state.uuid, LoseLease(fence=state.fence))
            return
        await self._store.set_due(stream, state.version, look_again_at(state, self._clock()))
