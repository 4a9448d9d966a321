"""Handing out: one poll of one member, from looking to lines under leases."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from msgspec import Struct

from api.consumers.arrive import arrive
from api.consumers.bells import CHANNEL, Bells
from api.consumers.catalog import Standing, standings
from api.consumers.choose import Choice, Cut, Cutting, choose
from api.consumers.hand_out import Delivery, HeldCut, hand_out
from api.consumers.shards import shard_of
from api.consumers.state import CONSUMERS, HANDING, Held, Look, Member, due, look
from api.consumers.terms import Consumer
from api.streaming.reading import EventFilter, LinePage, LogReader
from ledger.errors import LedgerError
from ledger.store.pool import store_errors
from ledger.store.port import AnyRecorded
from ledger.store.tail import Tail

LOOK_AGAIN_S: Final = 1.0
"""Retries come due and leases end without an event; who waits looks for them this often."""
LULL_S: Final = 0.02
SCAN_EVENTS: Final = 1000
MAX_ROUNDS: Final = 50
"""Parts of the log that one poll looks through before it answers, with nothing if need be."""
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
MAX_DUE: Final = 16
EVERYWHERE: Final = "*"
_NOTIFY: Final = "select pg_notify($1, $2)"


class Ask(Struct, frozen=True, kw_only=True):
    """What a member asks for."""

    member: str
    limit: int = 100
    wait_s: float = 0.0
    fresh: bool = False
    """Whatever the member was handed before is lost to it."""
    lull_s: float = LULL_S
    """After it was woken for nothing, the poll lets the log go on for so long."""


class Handed(Struct, frozen=True):
    """The answer to a poll."""

    deliveries: tuple[Delivery, ...]
    scanned: int
    done: int
    shards: int
    """How many the member owns."""
    members: int
    head: int
    wanted: EventFilter


def wanted_of(consumer: Consumer, stream: str | None = None) -> EventFilter:
    """Say what the log is read for."""
    everywhere = consumer.organization == EVERYWHERE
    return EventFilter(
        organizations=None if everywhere else (consumer.organization,),
        types=consumer.filter.types,
        job_id=consumer.filter.job_id,
        with_keys=consumer.filter.with_keys,
        stream=stream,
    )


def may_match(wanted: EventFilter, record: AnyRecorded) -> bool:
    """Whether an event may be wanted; of which job it is may take the database to tell."""
    return (wanted.organizations is None or record.organization in wanted.organizations) and (
        not wanted.types or record.type in wanted.types
    )


class Scanned(Struct, frozen=True):
    """A part of the log that was just looked through, so that it need not be read twice."""

    after: int
    page: LinePage

    def covers(self, position: int, scanned: int) -> bool:
        """Whether it goes on behind a position, and no further than the consumer was scanned."""
        return self.after <= position <= self.page.scanned_through <= scanned


class Handing:
    """Hands out to members; one a process, and any number of processes."""

    def __init__(self, pool: "asyncpg.Pool[Any]", tail: Tail, reader: LogReader) -> None:
        self._pool = pool
        self._tail = tail
        self._reader = reader
        self.bells = Bells(tail)

    async def poll(self, consumer: int, ask: Ask) -> Handed | None:
        """Hand out what waits; when nothing does, wait for it. None when the consumer is gone.

        Order: within a delivery by position. A stream is in one delivery at most, and in none while
        another one of it is out.

        Raises:
            Unavailable: the log cannot be read now; nothing was handed out, or its lease will end.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ask.wait_s
        fresh = ask.fresh
        with self.bells.listen(consumer) as rung:
            while True:
                seen = self._tail.head
                handed = await self._once(consumer, ask, seen, fresh=fresh)
                fresh = False
                left = deadline - loop.time()
                if handed is None or handed.deliveries or left <= 0:
                    return handed
                await self._wait(rung, seen, handed.wanted, min(left, LOOK_AGAIN_S))
                await asyncio.sleep(min(ask.lull_s, max(0.0, deadline - loop.time())))

    async def _wait(
        self, rung: asyncio.Event, seen: int, wanted: EventFilter, timeout_s: float
    ) -> None:
        """Wait for a reason to look again: somebody rings, time passes, or a new event may match.

        New events are looked at in memory, where the tail has them, so that a consumer to which
        nothing of them matters costs the database nothing.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while (left := until - loop.time()) > 0 and not await self.bells.wait(rung, seen, left):
            try:
                records = await self._tail.read(seen, SCAN_EVENTS)
            except LedgerError:
                return
            if not records and self._tail.head > seen:
                return
            if len(records) >= SCAN_EVENTS or any(may_match(wanted, r) for r in records):
                return
            if records:
                seen = records[-1].position

    async def stir(self, consumer: int) -> None:
        """Have waiting members look again, in every process."""
        with store_errors():
            await self._pool.execute(_NOTIFY, CHANNEL, str(consumer))
        self.bells.ring(consumer)

    async def measured(
        self, organizations: Sequence[str] | None, limit: int
    ) -> list[tuple[str, Standing]]:
        """Tell how consumers stand, by names that are unique, those made first first."""
        with store_errors():
            rows = await self._pool.fetch(CONSUMERS["measured"], organizations, limit)
            stand = await standings(self._pool, [row["id"] for row in rows])
        return [
            (f"{row['organization']}/{row['kind']}/{row['name']}", stand[row["id"]])
            for row in rows
            if row["id"] in stand
        ]

    async def _once(self, consumer: int, ask: Ask, head: int, *, fresh: bool) -> Handed | None:
        """Look, and go on looking as long as that leads somewhere."""
        here: Look | None = None
        member: Member | None = None
        seen: Scanned | None = None
        for _ in range(MAX_ROUNDS):
            with store_errors():
                here = await self._present(consumer, ask.member, fresh=fresh)
                fresh = False
                member = None if here is None else here.member(ask.member)
                if here is None or member is None:
                    return None
                own = [s for s in here.shards if s.member == member.id]
                waiting = await due(self._pool, consumer, [s.shard for s in own], MAX_DUE)
            choice = choose(here, member, waiting)
            deliveries, moved = await self._deliver(here, member.id, choice, ask.limit, seen)
            if deliveries:
                return _handed(here, member.id, deliveries, head)
            # A shard that waits for an acknowledgement gains nothing by what comes behind that.
            is_idle = any(s.handed is None and not s.is_behind for s in own)
            if not moved and (here.consumer.scanned >= head or not is_idle):
                break
            if not moved:
                seen = await self._scan(here.consumer, head)
        return None if here is None or member is None else _handed(here, member.id, (), head)

    async def _present(self, consumer: int, name: str, *, fresh: bool) -> Look | None:
        """See how things stand; note the member and move shards if there is a need to."""
        here = await look(self._pool, consumer)
        if here is None:
            return None
        if not fresh and not here.needs_arrival(name):
            return here
        async with self._pool.acquire() as connection, connection.transaction():
            arrival = await arrive(connection, consumer, name, fresh=fresh)
            if arrival is not None and arrival.stirs:
                await connection.execute(_NOTIFY, CHANNEL, str(consumer))
        if arrival is None:
            return None
        if arrival.stirs:
            self.bells.ring(consumer)
        return arrival.look

    async def _scan(self, consumer: Consumer, head: int) -> Scanned:
        """Look through the next part of the log, and note which shards have events there."""
        page = await self._reader.step(
            wanted_of(consumer), consumer.scanned, through=head, limit=SCAN_EVENTS
        )
        latest = {shard_of(line.stream): line.position for line in page.lines}
        with store_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetchval(CONSUMERS["lock"], consumer.id)
                await connection.execute(
                    HANDING["scan"],
                    consumer.id,
                    consumer.scanned,
                    page.scanned_through,
                    list(latest),
                    list(latest.values()),
                )
        return Scanned(consumer.scanned, page)

    async def _deliver(
        self, here: Look, member: int, choice: Choice, limit: int, seen: Scanned | None
    ) -> tuple[tuple[Delivery, ...], bool]:
        """Read what was chosen and hand it out; also tell whether anything moved at all."""
        if choice.is_empty:
            return (), False
        room = 1 if choice.alone else limit
        held: list[HeldCut] = []
        for each in choice.held[: max(1, room)]:
            held.append(await self._cut_held(here, each, max(1, room)))
            room -= len(held[-1].lines)
        cuts: list[Cut] = []
        if choice.shards and room > 0:
            cuts = await self._cut_shards(here, choice, room, seen)
        if not (held or cuts):
            return (), False
        with store_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                return await hand_out(connection, here, member, held, cuts)

    async def _cut_shards(
        self, here: Look, choice: Choice, room: int, seen: Scanned | None
    ) -> list[Cut]:
        cutting = Cutting(choice.shards, room)
        target = max(s.latest for s in choice.shards)
        wanted = wanted_of(here.consumer)
        if seen is not None and seen.covers(cutting.through, here.consumer.scanned):
            cutting.deal(seen.page.lines, seen.page.scanned_through)
        for _ in range(MAX_ROUNDS):
            if cutting.is_full or cutting.through >= target:
                break
            page = await self._reader.step(
                wanted, cutting.through, through=target, limit=max(room, SCAN_EVENTS)
            )
            cutting.deal(page.lines, page.scanned_through)
            if cutting.size_bytes >= MAX_BATCH_BYTES:
                break
        return cutting.cuts()

    async def _cut_held(self, here: Look, held: Held, room: int) -> HeldCut:
        passed = here.shards[held.shard].acked
        page = await self._reader.step(
            wanted_of(here.consumer, held.stream),
            held.after,
            through=passed,
            limit=1 if held.is_tried else room,
        )
        return HeldCut(held, page.scanned_through, tuple(page.lines), passed)


def _handed(here: Look, member: int, deliveries: tuple[Delivery, ...], head: int) -> Handed:
    return Handed(
        deliveries=deliveries,
        scanned=here.consumer.scanned,
        done=here.done,
        shards=sum(s.member == member for s in here.shards),
        members=sum(m.is_alive for m in here.members),
        head=head,
        wanted=wanted_of(here.consumer),
    )
