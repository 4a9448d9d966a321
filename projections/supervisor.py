"""Runs the projections of this process: elects owners, keeps their runners going, lets go on stop.

Every process has a supervisor. A third of a lease apart it takes what is free and prolongs what it
has, in one statement; so a process killed with -9 is replaced within a lease and a third. Losing a
lease stops the runner soon; until then its compare-and-set finds another epoch and writes nothing.

A runner that fails is logged, put on record as stalled, and started again after a growing pause for
as long as the generation is ours. Nothing but `stop` ends the supervisor.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import asyncpg
import structlog
from msgspec import structs

from ledger.errors import Unavailable
from ledger.ids import new_uuid
from ledger.store.pool import LOST
from ledger.store.tail import Tail
from ledger.tasks import end
from projections import checkpoint as checkpoints
from projections.advance import Advances
from projections.checkpoint import Checkpoint, Superseded
from projections.port import Generation, Pool, Projector
from projections.rebuild import Rebuild, request_rebuild
from projections.runner import BATCH_EVENTS, Runner
from projections.turns import Turns

WANTED: Final = "jobledger_wanted"
"""Channel on which a process says which projections it waits for."""
LEASE_S: Final = 3.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0

_log = structlog.get_logger(__name__)


class Supervisor:
    """Starts and stops together with its process; one a process.

    `advances` knows the live positions that runners of this process reached.
    """

    def __init__(
        self,
        pool: Pool,
        tail: Tail,
        projectors: Sequence[Projector],
        *,
        owner: str | None = None,
        lease_s: float = LEASE_S,
        batch_events: int = BATCH_EVENTS,
    ) -> None:
        """Run *projectors*; *owner* must be this process's alone, also over restarts."""
        self.owner = owner or str(new_uuid())
        self.advances = Advances()
        self._turns = Turns()
        self._rebuild_turns = Turns()
        self._pool = pool
        self._tail = tail
        self._projectors = {projector.name: projector for projector in projectors}
        self._lease_s = lease_s
        self._batch_events = batch_events
        self._runners: dict[tuple[str, Generation], tuple[int, asyncio.Task[None]]] = {}
        self._elector: asyncio.Task[None] | None = None
        self._again = asyncio.Event()
        self._lifecycle = asyncio.Lock()
        tail.hear(WANTED, self.advances.want)

    async def start(self) -> None:
        """Make what is missing, and begin to elect. Idempotent.

        Once it returns, every view can be read.
        """
        async with self._lifecycle:
            if self._elector is not None:
                return
            await self.prepare()
            self._elector = asyncio.create_task(self._elect(), name="projection-elector")

    async def prepare(self) -> None:
        """Make what is missing of the tables, so that every view can be read. Idempotent."""
        for projector in self._projectors.values():
            await self._prepare(projector)

    async def stop(self) -> None:
        """End the runners and give up what they owned. Idempotent."""
        async with self._lifecycle:
            elector, self._elector = self._elector, None
            if elector is None:
                return
            await end(elector)
            for key in list(self._runners):
                await self._stop_runner(key)
            # A database that does not answer finds out by the lease's end.
            with suppress(*LOST, asyncpg.PostgresError):
                async with asyncio.timeout(self._lease_s):
                    await checkpoints.release(self._pool, self.owner)

    def owned(self) -> list[tuple[str, Generation]]:
        """Name the generations that this process runs now."""
        return sorted(self._runners)

    async def _prepare(self, projector: Projector) -> None:
        """Make the live generation, or have it rebuilt if this code is newer than its tables."""
        if await checkpoints.create(self._pool, projector, "live"):
            return
        found = await checkpoints.read_one(self._pool, projector.name)
        if found.version < projector.version:
            await request_rebuild(self._pool, projector)
        elif found.version > projector.version:
            _log.warning(
                "projection belongs to a newer release",
                projection=projector.name,
                version=projector.version,
                found=found.version,
            )

    async def _elect(self) -> None:
        versions = {name: projector.version for name, projector in self._projectors.items()}
        while True:
            self._again.clear()
            try:
                found = await checkpoints.acquire(self._pool, self.owner, self._lease_s, versions)
                await self._follow(found)
            except Exception as error:  # noqa: BLE001 - elections go on for as long as the process
                _log.warning("projections cannot be owned", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._again.wait(), self._lease_s / 3)

    async def _follow(self, found: list[Checkpoint]) -> None:
        """Run exactly what is ours."""
        ours = {
            (checkpoint.name, checkpoint.generation): checkpoint
            for checkpoint in found
            if checkpoint.owner == self.owner and checkpoint.generation != "verify"
        }
        for key, (epoch, task) in list(self._runners.items()):
            if task.done() or key not in ours or ours[key].epoch != epoch:
                await self._stop_runner(key)
        for key, checkpoint in ours.items():
            projector = self._projectors.get(checkpoint.name)
            if key in self._runners or projector is None:
                continue
            if checkpoint.version != projector.version:
                continue
            task = asyncio.create_task(
                self._keep_running(projector, checkpoint),
                name=f"projection-{checkpoint.name}-{checkpoint.generation}",
            )
            self._runners[key] = (checkpoint.epoch, task)

    async def _stop_runner(self, key: tuple[str, Generation]) -> None:
        _, task = self._runners.pop(key)
        await end(task)

    async def _keep_running(self, projector: Projector, checkpoint: Checkpoint) -> None:
        """Run one generation until it is not ours any more."""
        pause_s = _FIRST_PAUSE_S
        live = checkpoint.generation == "live"
        try:
            while True:
                runner = self._runner(projector, checkpoint)
                try:
                    await runner.run()
                    return  # a rebuild that was swapped in
                except Superseded:
                    return
                except Exception as error:  # noqa: BLE001 - logged, on record, and tried again
                    await self._stalled(checkpoint, error)
                reached = (runner.runner if isinstance(runner, Rebuild) else runner).position
                if reached > checkpoint.position:
                    pause_s = _FIRST_PAUSE_S
                checkpoint = _at(checkpoint, reached)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        finally:
            if live:
                self.advances.disown(projector.name)
            self._again.set()

    def _runner(self, projector: Projector, checkpoint: Checkpoint) -> Runner | Rebuild:
        if checkpoint.generation == "rebuild":
            return Rebuild(
                projector,
                checkpoint,
                pool=self._pool,
                tail=self._tail,
                lease_s=self._lease_s,
                turns=self._rebuild_turns,
                batch_events=self._batch_events,
            )
        return Runner(
            projector,
            checkpoint,
            pool=self._pool,
            tail=self._tail,
            lease_s=self._lease_s,
            advances=self.advances,
            turns=self._turns,
            batch_events=self._batch_events,
        )

    async def _stalled(self, checkpoint: Checkpoint, error: Exception) -> None:
        if isinstance(error, (*LOST, Unavailable)):
            _log.warning(
                "projection interrupted", projection=checkpoint.name, error=type(error).__name__
            )
        else:
            _log.error(
                "projection stalled",
                projection=checkpoint.name,
                generation=checkpoint.generation,
                exc_info=error,
            )
        try:
            await checkpoints.stall(self._pool, checkpoint, error)
        except Exception as unsaid:  # noqa: BLE001 - the runner starts again, noted or not
            _log.warning("stall not on record", error=type(unsaid).__name__)


def _at(checkpoint: Checkpoint, position: int) -> Checkpoint:
    """Remember how far a runner came, to tell a standstill from progress; `load` reads the truth."""
    return structs.replace(checkpoint, position=position, takeovers=0)
