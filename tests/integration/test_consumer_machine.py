"""Consumers against a model: members that poll, answer, fail, die and leave in any order."""

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from api.consumers import catalog, parked
from api.consumers.arrive import leave
from api.consumers.hand_out import Delivery
from api.consumers.handing import Ask, Handing
from api.consumers.leases import Lease
from api.consumers.settle import Done, Failed, acknowledge, prolong, set_aside
from api.consumers.shards import shard_of
from api.consumers.terms import Filter, Terms
from api.node import OWN_MIGRATIONS
from ledger.ids import new_uuid
from ledger.store.migrate import migrate
from ledger.store.postgres import PostgresStore
from tests.contract.lines import reader_of, with_executions
from tests.contract.log import one

T = TypeVar("T")
MAX_ATTEMPTS: Final = 3
MEMBERS: Final = ("a", "b")
SHARD_OF_NAME: Final = (1, 1, 1, 30)
members = st.sampled_from(MEMBERS)
_numbers = itertools.count(1)


def stream_in(prefix: str, shard: int) -> str:
    """Name a stream of a given shard, so that every run has the same ones together."""
    return next(
        name
        for name in (f"{prefix}/{more}" for more in itertools.count())
        if shard_of(name) == shard
    )


def by_number(lease: Lease) -> tuple[int, int, int]:
    """Sort leases alike in every run."""
    return (lease.shard, lease.held or 0, lease.epoch)


@dataclass
class Live:
    """A lease that was given, as the model sees it."""

    member: str
    events: list[tuple[int, str]]
    aside: dict[str, int] = field(default_factory=dict)
    """Streams that were set aside while it was out, and from which event on."""
    is_over: bool = False
    """Its time has passed; it counts until somebody looks."""

    def left(self) -> list[tuple[int, str]]:
        """Give the events that are still to be answered."""
        return [
            (position, stream)
            for position, stream in self.events
            if position < self.aside.get(stream, position + 1)
        ]


class ConsumerMachine(RuleBasedStateMachine):
    """Drives two processes' consumers and the model with the same steps."""

    dsn: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.live: dict[Lease, Live] = {}
        self.lost: list[tuple[Lease, int]] = []
        self.streams: dict[str, list[int]] = {}
        self.done: set[int] = set()
        self.parked: set[str] = set()
        self.prefix = new_uuid().hex

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run in this example's loop."""
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """Make a consumer of this example's events."""

        async def open_all() -> None:
            self.store = await PostgresStore.open(self.dsn, max_connections=2)
            self.other = await PostgresStore.open(self.dsn, max_connections=2)
            made = await catalog.create(
                self.store.pool,
                organization="acme",
                kind="pull",
                name=f"machine-{next(_numbers)}-{self.prefix}",
                wanted=Filter(),
                terms=Terms(lease_s=600, max_attempts=MAX_ATTEMPTS, backoff_s=0, backoff_max_s=0),
                after=await self.store.head(),
                actor="test",
            )
            assert made is not None
            self.consumer = made.id

        self.run(open_all())
        self.handings = [
            Handing(store.pool, store.tail, reader_of(store)) for store in (self.store, self.other)
        ]

    @rule(name=st.integers(0, 3), count=st.integers(1, 4))
    def append(self, name: int, count: int) -> None:
        """Events are written to a stream."""
        stream = stream_in(f"{self.prefix}/{name}", SHARD_OF_NAME[name])
        known = self.streams.setdefault(stream, [])
        records = self.run(self.store.append(one(stream, len(known), count)))
        known.extend(record.position for record in records)
        self.other.tail.seen(records[-1].position)

    @rule(
        member=members,
        limit=st.sampled_from((1, 3, 100)),
        process=st.integers(0, 1),
        fresh=st.sampled_from((False, False, False, True)),
    )
    def poll(self, member: str, limit: int, process: int, *, fresh: bool) -> None:
        """A member is handed what nobody has, in order, and never what is done."""
        self._poll(member, limit, process, fresh=fresh)

    def _poll(self, member: str, limit: int, process: int, *, fresh: bool = False) -> int:
        ask = Ask(member=member, limit=limit, fresh=fresh)
        handed = self.run(self.handings[process].poll(self.consumer, ask))
        assert handed is not None
        for lease, live in list(self.live.items()):
            if live.is_over or (fresh and live.member == member):
                self._lose(lease)
        for delivery in handed.deliveries:
            self._take_in(member, delivery)
        assert sum(len(d.lines) for d in handed.deliveries) <= limit
        return len(handed.deliveries)

    def _take_in(self, member: str, delivery: Delivery) -> None:
        events = [(line.position, line.stream) for line in delivery.lines]
        assert delivery.lease not in self.live
        assert delivery.attempt <= MAX_ATTEMPTS
        out = {stream for live in self.live.values() for _, stream in live.left()}
        before: set[int] = set()
        for position, stream in events:
            assert position not in self.done, "done already"
            assert stream not in out, "out with somebody else"
            assert stream not in self.parked, "parked"
            earlier = [p for p in self.streams[stream] if p < position]
            assert all(p in self.done or p in before for p in earlier), "out of order"
            before.add(position)
        self.live[delivery.lease] = Live(member, events)

    def _lose(self, lease: Lease) -> None:
        live = self.live.pop(lease)
        self.lost.append((lease, live.events[-1][0]))
        # An event that was lost with nothing beside may be parked by now; ask.
        self._learn_parked()

    def _learn_parked(self) -> None:
        async def ask() -> set[str]:
            rows = await self.store.pool.fetch(
                "select stream from consumers.held where consumer = $1 and parked_at is not null",
                self.consumer,
            )
            return {row["stream"] for row in rows}

        self.parked = self.run(ask())

    @precondition(lambda self: self.live)
    @rule(choice=st.data(), whole=st.booleans())
    def ack(self, choice: st.DataObject, *, whole: bool) -> None:
        """What is acknowledged under a lease that holds is done."""
        lease = choice.draw(st.sampled_from(sorted(self.live, key=by_number)))
        live = self.live[lease]
        position = None if whole else choice.draw(st.sampled_from([p for p, _ in live.events]))
        taken, lost, still_open = self._ack(lease, position)
        assert (taken, lost) == ((lease,), ())
        last = live.events[-1][0]
        through = last if position is None else position
        self.done |= {p for p, _ in live.left() if p <= through}
        if through == last:
            assert not still_open
            del self.live[lease]
            # Said once more it is not an error, as long as nothing newer was handed out.
            assert self._ack(lease, position)[:2] == ((lease,), ())
        else:
            assert still_open == (lease,)
            live.events = [(p, s) for p, s in live.events if p > through]
            live.is_over = False

    def _ack(self, lease: Lease, position: int | None) -> tuple[Any, Any, Any]:
        async def say() -> tuple[Any, Any, Any]:
            async with self.store.pool.acquire() as connection, connection.transaction():
                settled = await acknowledge(connection, self.consumer, [Done(lease, position)], 600)
                return settled.taken, settled.lost, settled.open

        return self.run(say())

    @precondition(lambda self: self.lost)
    @rule(choice=st.data())
    def ack_late(self, choice: st.DataObject) -> None:
        """Under a lease that was lost nothing can be acknowledged, nor failed."""
        lease, position = choice.draw(st.sampled_from(self.lost))
        assert self._ack(lease, position)[:2] == ((), (lease,))
        assert self._ack(lease, None)[:2] == ((), (lease,))
        assert self._fail(lease, position, park=True) == "lost"

    @precondition(lambda self: any(live.left() for live in self.live.values()))
    @rule(choice=st.data(), park=st.sampled_from((False, False, True)))
    def fail(self, choice: st.DataObject, *, park: bool) -> None:
        """A failed event sets its stream aside, and nothing else."""
        able = [lease for lease, live in self.live.items() if live.left()]
        lease = choice.draw(st.sampled_from(sorted(able, key=by_number)))
        live = self.live[lease]
        position, stream = choice.draw(st.sampled_from(live.left()))
        outcome = self._fail(lease, position, park=park)
        assert outcome in ("retrying", "parked")
        assert outcome == "parked" or not park
        self.done |= {p for p, s in live.left() if s == stream and p < position}
        if outcome == "parked":
            self.parked.add(stream)
        if lease.held is None:
            live.aside[stream] = position
        else:
            del self.live[lease]

    def _fail(self, lease: Lease, position: int, *, park: bool) -> str:
        async def say() -> str:
            async with self.store.pool.acquire() as connection, connection.transaction():
                failed = Failed(lease=lease, position=position, reason="no", park=park)
                return (await set_aside(connection, self.consumer, failed)).outcome

        return self.run(say())

    @rule(member=members)
    def die(self, member: str) -> None:
        """A member is not heard of any more: its leases run out."""

        async def pass_time() -> None:
            for table in ("shard", "held"):
                await self.store.pool.execute(
                    f"update consumers.{table} t set lease_until = now() - interval '1 s'"
                    " from consumers.member m"
                    " where t.consumer = $1 and m.id = t.member and m.name = $2"
                    " and t.handed is not null",
                    self.consumer,
                    member,
                )
            await self.store.pool.execute(
                "update consumers.member set expires_at = now() - interval '1 s'"
                " where consumer = $1 and name = $2",
                self.consumer,
                member,
            )

        self.run(pass_time())
        for live in self.live.values():
            if live.member == member:
                live.is_over = True

    @rule(member=members)
    def go(self, member: str) -> None:
        """A member leaves in good order: what it had is free at once."""

        async def say() -> bool:
            async with self.store.pool.acquire() as connection, connection.transaction():
                return await leave(connection, self.consumer, member)

        if self.run(say()):
            for lease, live in list(self.live.items()):
                if live.member == member:
                    self._lose(lease)

    @rule(member=members)
    def beat(self, member: str) -> None:
        """A sign of life tells what the member still has."""

        async def say() -> Any:
            async with self.store.pool.acquire() as connection, connection.transaction():
                return await prolong(connection, self.consumer, member)

        found = self.run(say())
        if found is not None:
            own = {k for k, live in self.live.items() if live.member == member and not live.is_over}
            assert set(found) == own

    @rule(everything=st.booleans())
    def replay(self, *, everything: bool) -> None:
        """Parked streams are tried anew when somebody says so."""
        streams = None if everything else sorted(self.parked)[:1]

        async def say() -> list[str]:
            async with self.store.pool.acquire() as connection, connection.transaction():
                return await parked.replay(connection, self.consumer, streams)

        self.parked -= set(self.run(say()))

    @precondition(lambda self: self.parked)
    @rule()
    def discard(self) -> None:
        """The event in the way can be given up; those behind it go on."""
        stream = min(self.parked)

        async def say() -> tuple[int, list[str]]:
            async with self.store.pool.acquire() as connection, connection.transaction():
                at = await connection.fetchval(
                    "select position from consumers.held where consumer = $1 and stream = $2",
                    self.consumer,
                    stream,
                )
                return at, await parked.discard(connection, self.consumer, [stream])

        position, given_up = self.run(say())
        assert given_up == [stream]
        self.done |= {p for p in self.streams[stream] if p <= position}
        self.parked.discard(stream)

    @invariant()
    def positions_are_sound(self) -> None:
        """Nothing below where the consumer says it is waits outside of what is set aside."""
        if not hasattr(self, "handings"):
            return
        standing = self.run(catalog.standings(self.store.pool, [self.consumer]))[self.consumer]
        aside = self._aside()
        for stream, positions in self.streams.items():
            for position in positions:
                if position <= standing.done and position not in self.done:
                    assert stream in aside, (stream, position, standing)

    def _aside(self) -> set[str]:
        async def ask() -> set[str]:
            rows = await self.store.pool.fetch(
                "select stream from consumers.held where consumer = $1", self.consumer
            )
            return {row["stream"] for row in rows}

        return self.run(ask())

    def teardown(self) -> None:
        """In the end everything is handed out, and nothing twice."""
        try:
            if hasattr(self, "handings"):
                self._drain()
        finally:
            self.run(self.close())
            self.runner.close()

    async def close(self) -> None:
        """Let go of the database, whatever came before."""
        for store in (getattr(self, "store", None), getattr(self, "other", None)):
            if store is not None:
                await store.close()

    def _drain(self) -> None:
        for member in MEMBERS:
            self.go(member)
        self.replay(everything=True)
        idle = 0
        for turn in range(2000):
            handed = self._poll("a", 100, turn % 2)
            for lease, live in list(self.live.items()):
                assert self._ack(lease, None)[0] == (lease,)
                self.done |= {p for p, _ in live.left()}
                del self.live[lease]
            idle = 0 if handed else idle + 1
            if idle > 2:
                break
        assert self.done == {p for known in self.streams.values() for p in known}
        assert not self._aside()


@pytest.mark.timeout(240)
def test_consumers_behave_like_the_model(module_database_url: str) -> None:
    """Whatever members do: in order by stream, no loss, one owner, and what is stale is refused."""

    async def prepare() -> None:
        await migrate(module_database_url, OWN_MIGRATIONS)
        store = await PostgresStore.open(module_database_url)
        await with_executions(store)
        await store.close()

    asyncio.run(prepare())

    class Machine(ConsumerMachine):
        dsn = module_database_url

    run_state_machine_as_test(Machine, settings=settings())
