"""Build a generation beside the live one from position 0, and swap it in when it has caught up.

The swap is one transaction: it locks both checkpoint rows (so that neither generation advances),
closes the live tables (readers that are under way finish, later ones wait), applies the last events,
drops the live schema, gives its name to the rebuilt one, and gives the live row's place to the
rebuilt row under a new epoch. The old owner, if it is still there, finds another epoch and ends.

Readers: a statement locks its tables before it takes its snapshot, so it sees either generation
whole, and the position of the generation it sees. Plans cached before are made anew.

On a crash before the commit the live generation goes on as if nothing had been, and the next owner
continues the rebuild from its own checkpoint.
"""

from typing import Final

import asyncpg
import structlog

from ledger.store.port import AnyRecorded
from ledger.store.tail import Tail
from projections import checkpoint as checkpoints
from projections.checkpoint import SQL, Checkpoint, Superseded
from projections.faults import is_poison
from projections.port import Pool, Projector, schema_of
from projections.runner import BATCH_EVENTS, Runner
from projections.turns import Turns

_LOCK_TIMEOUT: Final = "2s"
"""How long the swap waits for readers, with later readers waiting behind it; then it tries again."""
_IDLE_S: Final = 1.0

_log = structlog.get_logger(__name__)


async def request_rebuild(pool: Pool, projector: Projector) -> bool:
    """Ask for a rebuild with this projector's version; an owner begins within a third of a lease.

    Idempotent: a rebuild of this version that is under way goes on; False then.
    """
    if await checkpoints.create(pool, projector, "rebuild"):
        return True
    async with pool.acquire() as connection, connection.transaction():
        found = await checkpoints.lock(connection, projector.name, "rebuild")
        if found is None or found.version == projector.version:
            return False
        await checkpoints.restart(connection, projector, "rebuild")
        return True


class Rebuild:
    """Owns the rebuild of one projection until the swap."""

    def __init__(
        self,
        projector: Projector,
        checkpoint: Checkpoint,
        *,
        pool: Pool,
        tail: Tail,
        lease_s: float,
        turns: Turns | None = None,
        batch_events: int = BATCH_EVENTS,
    ) -> None:
        """Go on from *checkpoint*, which the caller has acquired; wait for *turns* if given."""
        self._projector = projector
        self._pool = pool
        self._tail = tail
        self._batch_events = batch_events
        self.runner = Runner(
            projector,
            checkpoint,
            pool=pool,
            tail=tail,
            lease_s=lease_s,
            turns=turns,
            batch_events=batch_events,
        )

    async def run(self) -> None:
        """Catch up, then swap.

        Raises:
            Superseded: another owner has the rebuild.
        """
        await self.runner.load()
        await self._catch_up()
        await self._pool.execute(SQL["analyze_schema"], schema_of(self._projector.name, "rebuild"))
        while True:
            await self._catch_up()
            try:
                if await self._swap():
                    return
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                _log.info("swap waits", projection=self._projector.name, error=type(error).__name__)
            except Exception as error:
                if isinstance(error, Superseded) or not is_poison(error):
                    raise
                # One of the last events cannot be applied; the runner sets its stream aside.
                await self.runner.load()
                await self.runner.step()
            await self.runner.load()
            await self._tail.wait_past(self.runner.position, _IDLE_S)

    async def _catch_up(self) -> None:
        # Under steady appends the head is never reached: the swap takes the last batch along.
        while self._tail.head - self.runner.position > self._batch_events // 2:
            await self.runner.step()

    async def _swap(self) -> bool:
        """Swap if little enough is missing; False when more came in meanwhile."""
        name, live = self._projector.name, schema_of(self._projector.name, "live")
        rebuilt = self.runner.checkpoint
        async with self._pool.acquire() as connection, connection.transaction():
            old = await checkpoints.lock(connection, name, "live")
            own = await checkpoints.lock(connection, name, "rebuild")
            if own is None or own.epoch != rebuilt.epoch or old is None:
                raise Superseded
            if own.revision != rebuilt.revision:
                return False
            # A view never goes back: what only the live one has reached is applied first.
            missing = await self._missing(own.position, old.position)
            if missing is None:
                return False
            await connection.execute(SQL["close_schema"], live, _LOCK_TIMEOUT)
            if missing:
                await self.runner.apply_last(connection, missing)
            await connection.execute(SQL["swap"], name, live, schema_of(name, "rebuild"))
        _log.info("projection swapped", projection=name, version=own.version, was=old.version)
        return True

    async def _missing(self, position: int, until: int) -> list[AnyRecorded] | None:
        """Read the events between the generations; None when they are more than one batch."""
        if until <= position:
            return []
        events = await self._tail.read(position, self._batch_events)
        if not events or events[-1].position < until:
            return None
        return [event for event in events if event.position <= until]
