"""Advance one generation of one projection: read the tail, apply, move the checkpoint.

States of a runner:

- *whole*: a batch is applied in one transaction.
- *halving*: a batch failed for a reason of its events (see `faults`); it is halved until the failing
  event stands alone.
- *on trial*: one event is tried up to `MAX_ATTEMPTS` times, each counted durably before it is made.
  Then its stream is parked: in one transaction the checkpoint passes the event and the quarantine
  row says from which position on the stream's events are left aside.
- *freeing*: an erasure is applied to a parked stream too, because a view must forget what it kept of
  it. What it missed is read again, without content by now, and the stream is followed from then on.
- *careful*: two owners in a row were lost at this position, so the next event may be what killed
  them. The first batch is taken event by event, each on trial.

Invariants: an event is applied, or uninteresting, or its stream is parked, and which of these is
committed together with the checkpoint that passes it. Failures that are not the event's never count
against it: they leave `step`, the supervisor starts the runner again after a pause, and the row says
`stalled` and why until it advances again.

On a crash at any line the transaction is lost whole, and the next owner applies the same events.
"""

import asyncio
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final

import structlog
from msgspec.structs import replace

import ledger.store
from ledger.errors import Corrupt, LedgerError
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from ledger.store.rows import recorded
from ledger.store.tail import Tail
from projections import checkpoint as checkpoints
from projections.advance import Advances
from projections.checkpoint import SQL, Checkpoint, Superseded
from projections.faults import is_poison
from projections.interests import followed, is_followed, require_readable
from projections.port import Connection, Pool, Projector
from projections.quarantine import replay_quarantined
from projections.turns import Turns

BATCH_EVENTS: Final = 2500
MAX_ATTEMPTS: Final = 3
MAX_PARKED: Final = 1000
"""With more streams set aside than this it is not the events that are wrong."""
GATHER_S: Final = 0.2
"""Pause between batches in which events gather, because a small batch costs almost what a large one
does. It ends at once when somebody waits for the view, here or in another process, and a view that was
idle takes an event at once."""
_CAREFUL_AFTER: Final = 2
_IDLE_S: Final = 5.0
_RETRY_PAUSES_S: Final = (0.05, 0.2)
_ANALYZE_EVENTS: Final = 5000

_LOG: Final = load(Path(ledger.store.__path__[0]) / "sql" / "log.sql")
_position: Final = attrgetter("position")

_log = structlog.get_logger(__name__)


class TooManyParked(LedgerError):
    """So many streams failed that setting more aside would hide a fault of the projector."""

    def __init__(self, name: str, parked: int) -> None:
        self.parked = parked
        super().__init__(f"{parked} streams are set aside in {name}: fix its projector and rebuild")


class Runner:
    """Owns the advance of one generation for as long as its epoch is the row's."""

    def __init__(
        self,
        projector: Projector,
        checkpoint: Checkpoint,
        *,
        pool: Pool,
        tail: Tail,
        lease_s: float,
        advances: Advances | None = None,
        turns: Turns | None = None,
        batch_events: int = BATCH_EVENTS,
    ) -> None:
        """Advance *checkpoint*, which the caller has acquired.

        *advances* is told, and *turns* are waited for, if given.
        """
        self.projector = projector
        self.checkpoint = checkpoint
        self._pool = pool
        self._tail = tail
        self._lease_s = lease_s
        self._advances = advances
        self._turns = turns or Turns()
        self._batch_events = batch_events
        self._parked: dict[str, int] = {}
        self._loaded = False
        self._careful = checkpoint.takeovers >= _CAREFUL_AFTER
        self._applied = 0
        self._analyze_at = _ANALYZE_EVENTS

    @property
    def position(self) -> int:
        """Everything up to here is in the tables."""
        return self.checkpoint.position

    async def run(self) -> None:
        """Follow the tail for ever.

        Raises:
            Superseded: another owner has the generation, or it was swapped away.
        """
        await self.load()
        await self._take_back()
        if self._advances is not None:
            self._advances.own(self.projector.name, self.position)
        loop = asyncio.get_running_loop()
        gather_until = 0.0
        while True:
            await self._tail.wait_past(self.position, _IDLE_S)
            left_s = gather_until - loop.time()
            if left_s > 0 and self._advances is not None and not self._is_full:
                await self._advances.asked(self.projector.name, left_s)
            await self.step()
            gather_until = loop.time() + GATHER_S

    async def _take_back(self) -> None:
        """Replay what an older release set aside because it did not know a type of event.

        During an upgrade an old process may own a view of a log that new ones write to.
        """
        if self.checkpoint.generation != "live":
            return
        for row in await self._pool.fetch(SQL["set_aside_unknown"], self.checkpoint.name):
            stream: str = row["stream"]
            replayed = await replay_quarantined(
                self._pool, self._read_stream, self.projector, stream
            )
            _log.info(
                "stream tried again",
                projection=self.projector.name,
                stream=stream,
                error=replayed.error,
            )
        await self.load()

    async def _read_stream(self, stream: str) -> list[AnyRecorded]:
        rows = await self._pool.fetch(_LOG["read_stream"], stream, 0, None)
        return [recorded(row) for row in rows]

    @property
    def _is_waited_for(self) -> bool:
        return self._advances is not None and self._advances.is_wanted(self.projector.name)

    @property
    def _is_full(self) -> bool:
        """Whether a whole batch waits already, so that nothing is gained by gathering more."""
        return self._tail.head - self.position >= self._batch_events

    async def load(self) -> None:
        """Read the checkpoint and the quarantine again.

        Raises:
            Superseded: the row is gone, or has another epoch.
        """
        name, generation, epoch = (
            self.checkpoint.name,
            self.checkpoint.generation,
            self.checkpoint.epoch,
        )
        async with self._pool.acquire() as connection, connection.transaction():
            # Locked, so that position, revision and quarantine are of one moment.
            found = await checkpoints.lock(connection, name, generation)
            if found is None or found.epoch != epoch:
                raise Superseded
            self._parked = await checkpoints.parked(connection, name, generation)
        self.checkpoint = found
        self._loaded = True

    async def step(self, *, until: int | None = None) -> int:
        """Take the next batch, if there is one; give how many events were passed.

        With *until*, nothing beyond that position is taken.

        Raises:
            Superseded: another owner has the generation.
            LedgerError: the log cannot be read or decoded, or too much was set aside.
        """
        if not self._loaded:
            await self.load()
        limit = self._batch_events
        if until is not None:
            limit = min(limit, until - self.position)
        if limit <= 0:
            return 0
        # A whole batch is read while others have their turns; a part of one may grow until its own.
        whole = await self._read(limit) if self._is_full else ()
        async with self._turns.turn(
            self.position, wanted=self._is_waited_for, is_behind=self._is_full
        ):
            if self._advances is not None:
                self._advances.begin(self.projector.name)
            return await self._take(whole or await self._read(limit))

    async def _take(self, events: Sequence[AnyRecorded]) -> int:
        if not events:
            return 0
        before = self.position
        try:
            if self._careful:
                for event in events:
                    await self._on_trial(event)
                self._careful = False
            else:
                await self._pass(events)
        except Superseded:
            # The quarantine may have been changed; then the epoch is still ours.
            await self.load()
        except BaseException:
            self._loaded = False
            raise
        await self._analyze(self.position - before)
        return self.position - before

    async def _read(self, limit: int) -> Sequence[AnyRecorded]:
        head = self._tail.head
        stored = self.checkpoint.generation == "verify"
        events = await self._tail.read(self.position, limit, stored=stored)
        if not events and head > self.position:
            message = f"the log has no events after position {self.position}, but ends at {head}"
            raise Corrupt(message)
        return events

    async def _pass(self, events: Sequence[AnyRecorded]) -> None:
        try:
            await self._apply(events)
        except Exception as error:
            if not is_poison(error) or isinstance(error, Superseded):
                raise
            _log.warning(
                "projection batch failed",
                projection=self.projector.name,
                events=len(events),
                error=type(error).__name__,
            )
        else:
            return
        if len(events) == 1:
            await self._on_trial(events[0])
            return
        middle = len(events) // 2
        await self._pass(events[:middle])
        await self._pass(events[middle:])

    def _is_wanted(self, event: AnyRecorded) -> bool:
        return event.stream not in self._parked and is_followed(self.projector, event)

    def _frees(self, event: AnyRecorded) -> bool:
        return event.type == "execution.erased" and event.stream in self._parked

    def _freed(self, events: Sequence[AnyRecorded]) -> list[str]:
        """Name the parked streams that a batch frees."""
        if not self._parked:
            return []
        return [event.stream for event in events if self._frees(event)]

    async def _apply(
        self, events: Sequence[AnyRecorded], *, clear: str | None = None, frees: bool = True
    ) -> None:
        """Apply a batch and pass it, in one transaction."""
        position = events[-1].position
        freed = self._freed(events) if frees else []
        async with self._pool.acquire() as connection, connection.transaction():
            await checkpoints.advance(connection, self.checkpoint, position, self._lease_s)
            await self._write(connection, events, freed)
            for stream in (*freed, clear) if clear is not None else freed:
                await self._execute(connection, "clear", stream)
        for stream in freed:
            self._parked.pop(stream, None)
        self._passed(position)

    async def _write(
        self, connection: Connection, events: Sequence[AnyRecorded], freed: Sequence[str]
    ) -> None:
        """Apply what is wanted of a batch, and what parked streams missed that are freed by it."""
        wanted = followed(self.projector, events)
        if self._parked:
            wanted = [event for event in wanted if event.stream not in self._parked]
        for stream in freed:
            rows = await connection.fetch(_LOG["read_stream"], stream, 0, events[-1].position)
            missed = [recorded(row) for row in rows if row["position"] >= self._parked[stream]]
            wanted.extend(event for event in missed if is_followed(self.projector, event))
        if freed:
            wanted.sort(key=_position)
        require_readable(self.projector, wanted)
        if wanted:
            await self.projector.apply(connection, wanted)

    async def apply_last(self, connection: Connection, events: Sequence[AnyRecorded]) -> None:
        """Apply and pass a batch in the caller's transaction, which a swap ends."""
        position = events[-1].position
        await checkpoints.advance(connection, self.checkpoint, position, self._lease_s)
        await self._write(connection, events, self._freed(events))

    def _passed(self, position: int) -> None:
        self.checkpoint = replace(self.checkpoint, position=position)
        if self._advances is not None:
            self._advances.tell(self.projector.name, position)

    async def _on_trial(self, event: AnyRecorded) -> None:
        """Try one event until it is applied, or its stream is parked."""
        if not self._is_wanted(event):
            if self._frees(event):
                _log.error(
                    "what was erased cannot be forgotten: rebuild",
                    projection=self.projector.name,
                    stream=event.stream,
                )
            await self._apply([event], frees=False)
            return
        while True:
            attempt = await checkpoints.count_attempt(
                self._pool, self.checkpoint, event.stream, event.position
            )
            if attempt > MAX_ATTEMPTS:
                # The last try ended with the process, so nobody noted its error.
                await self._park(event, "the process ended while it was applied")
                return
            try:
                await self._apply([event], clear=event.stream)
            except Exception as error:
                if not is_poison(error) or isinstance(error, Superseded):
                    raise
                if attempt == MAX_ATTEMPTS:
                    await self._park(event, checkpoints.describe(error))
                    return
                await self._pool.execute(
                    SQL["note_error"], *self._key(event.stream), checkpoints.describe(error)
                )
                await asyncio.sleep(_RETRY_PAUSES_S[min(attempt, len(_RETRY_PAUSES_S)) - 1])
            else:
                return

    async def _park(self, event: AnyRecorded, error: str) -> None:
        """Pass an event that cannot be applied, and leave its stream's later events aside."""
        if len(self._parked) >= MAX_PARKED:
            raise TooManyParked(self.projector.name, len(self._parked))
        async with self._pool.acquire() as connection, connection.transaction():
            await checkpoints.advance(connection, self.checkpoint, event.position, self._lease_s)
            await connection.execute(SQL["note_error"], *self._key(event.stream), error)
            await self._execute(connection, "park", event.stream)
        self._parked[event.stream] = event.position
        self._passed(event.position)
        _log.error(
            "stream set aside",
            projection=self.projector.name,
            generation=self.checkpoint.generation,
            stream=event.stream,
            position=event.position,
        )

    def _key(self, stream: str) -> tuple[str, str, str]:
        return self.checkpoint.name, self.checkpoint.generation, stream

    async def _execute(self, connection: Connection, statement: str, stream: str) -> None:
        await connection.execute(SQL[statement], *self._key(stream))

    async def _analyze(self, passed: int) -> None:
        """Refresh statistics whenever four times as many events have passed; plans rely on them."""
        self._applied += passed
        if self._applied >= self._analyze_at:
            self._analyze_at = self._applied * 4
            await self._pool.execute(SQL["analyze_schema"], self.checkpoint.schema)
