"""A stream that is set aside, and what is handed out around it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from api.consumers import catalog
from api.consumers.hand_out import Delivery
from api.consumers.handing import Ask, Handing
from api.consumers.settle import Done, Failed, acknowledge, set_aside
from api.consumers.terms import Filter, Terms
from api.node import OWN_MIGRATIONS
from ledger.store.migrate import migrate
from ledger.store.postgres import PostgresStore
from tests.contract.lines import reader_of, with_executions
from tests.contract.log import one
from tests.integration.test_consumer_machine import stream_in

BAD = stream_in("bad", 5)
GOOD = stream_in("good", 5)


@dataclass
class Here:
    """A consumer, and one member of it."""

    store: PostgresStore
    handing: Handing
    consumer: int

    async def write(self, stream: str, version: int) -> int:
        """Append one event."""
        [record] = await self.store.append(one(stream, version))
        return record.position

    async def poll(self) -> tuple[Delivery, ...]:
        """Be handed what waits."""
        handed = await self.handing.poll(self.consumer, Ask(member="a"))
        assert handed is not None
        return handed.deliveries

    async def ack(self, *deliveries: Delivery) -> None:
        """All of it is done."""
        async with self.store.pool.acquire() as connection, connection.transaction():
            done = [Done(delivery.lease) for delivery in deliveries]
            assert not (await acknowledge(connection, self.consumer, done, 30)).lost

    async def fail(self, delivery: Delivery, position: int) -> str:
        """One event failed."""
        async with self.store.pool.acquire() as connection, connection.transaction():
            failed = Failed(lease=delivery.lease, position=position)
            return (await set_aside(connection, self.consumer, failed)).outcome

    async def pass_time(self) -> None:
        """Let leases run out."""
        await self.store.pool.execute("update consumers.shard set lease_until = now()")
        await self.store.pool.execute("update consumers.held set lease_until = now()")


@pytest.fixture
async def here(database_url: str) -> AsyncIterator[Here]:
    """Make a consumer."""
    await migrate(database_url, OWN_MIGRATIONS)
    store = await PostgresStore.open(database_url)
    await with_executions(store)
    made = await catalog.create(
        store.pool,
        organization="acme",
        kind="pull",
        name="c",
        wanted=Filter(),
        terms=Terms(max_attempts=3, backoff_s=0, backoff_max_s=0),
        after=0,
        actor="test",
    )
    assert made is not None
    yield Here(store, Handing(store.pool, store.tail, reader_of(store)), made.id)
    await store.close()


def told(deliveries: tuple[Delivery, ...]) -> list[tuple[str, int, int]]:
    """Give stream, position and attempt of what was handed out."""
    return [(x.stream, x.position, d.attempt) for d in deliveries for x in d.lines]


async def test_it_returns_to_its_shard_only_when_nothing_is_out(here: Here) -> None:
    """What was handed out without the stream while it was aside is not lost to it."""
    first, other = await here.write(BAD, 0), await here.write(GOOD, 0)
    [delivery] = await here.poll()
    assert told((delivery,)) == [(BAD, first, 1), (GOOD, other, 1)]
    assert await here.fail(delivery, first) == "retrying"
    await here.ack(delivery)
    [again] = await here.poll()
    assert told((again,)) == [(BAD, first, 2)]
    second, other = await here.write(BAD, 1), await here.write(GOOD, 1)
    [without] = await here.poll()
    assert told((without,)) == [(GOOD, other, 1)]
    await here.ack(again)
    assert await here.poll() == ()
    await here.ack(without)
    [late] = await here.poll()
    assert told((late,)) == [(BAD, second, 1)]
    await here.ack(late)
    third = await here.write(BAD, 2)
    [delivery] = await here.poll()
    assert told((delivery,)) == [(BAD, third, 1)]
    await here.ack(delivery)
    assert await here.store.pool.fetch("select from consumers.held") == []


async def test_a_failure_outlasts_the_lease_it_was_told_under(here: Here) -> None:
    """The failed event stays counted when the rest of its batch is lost and comes again."""
    first, other = await here.write(BAD, 0), await here.write(GOOD, 0)
    [delivery] = await here.poll()
    assert await here.fail(delivery, first) == "retrying"
    await here.pass_time()
    [rest] = await here.poll()
    assert told((rest,)) == [(GOOD, other, 2)]
    await here.ack(rest)
    [again] = await here.poll()
    assert told((again,)) == [(BAD, first, 2)]
    assert await here.fail(again, first) == "retrying"
    [again] = await here.poll()
    assert told((again,)) == [(BAD, first, 3)]
    await here.pass_time()
    assert await here.poll() == ()
    [parked] = await here.store.pool.fetch("select * from consumers.held")
    assert parked["parked_at"] is not None
    assert parked["attempts"] == 3
