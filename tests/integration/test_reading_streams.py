"""Who reads streams at the same moment is answered by one query, each for itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ledger.errors import StoreUnavailable
from ledger.store.postgres import PostgresStore
from ledger.store.reading import MAX_AT_ONCE, StreamReads
from tests.contract.log import one
from tests.unreachable import over_tcp
from tests.waiting import eventually


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """A store with a few streams in it: `s1` has one event, `s2` two, and so on."""
    store = await PostgresStore.open(database_url)
    await asyncio.gather(*(store.append(one(f"s{number}", count=number)) for number in range(1, 9)))
    yield store
    await store.close()


async def test_each_gets_its_own(store: PostgresStore) -> None:
    """From after its version, in order; what is not there is empty."""
    asked = [(f"s{number}", after) for number in range(10) for after in (0, 1, 5)] * 5
    found = await asyncio.gather(*(store.read_stream(name, after=after) for name, after in asked))
    for (name, after), records in zip(asked, found, strict=True):
        count = int(name[1:]) if name != "s9" else 0
        assert [record.version for record in records] == list(range(after + 1, count + 1))
        assert {record.stream for record in records} <= {name}


async def test_a_read_together_is_what_each_would_have_read(store: PostgresStore) -> None:
    """Every column of it."""
    together = await asyncio.gather(*(store.read_stream(f"s{number}") for number in range(1, 9)))
    alone = [await store.read_stream(f"s{number}", until=100) for number in range(1, 9)]
    assert together == alone


async def test_one_query_for_all_that_fit(store: PostgresStore) -> None:
    """And what does not fit goes into the next one, none of them larger than allowed."""
    sizes: list[int] = []

    async def fetch(streams: list[str], versions: list[int]) -> list[Any]:
        sizes.append(len(streams))
        return await store._read_after(streams, versions)

    reads = StreamReads(fetch)
    found = await asyncio.gather(*(reads.read("s3", 0) for _ in range(2 * MAX_AT_ONCE + 1)))
    assert sizes == [MAX_AT_ONCE, MAX_AT_ONCE, 1]
    assert {len(records) for records in found} == {3}
    assert len(await reads.read("s8", 0)) == 8
    assert sizes[3:] == [1]


async def test_what_is_written_before_it_is_asked_for_is_read(store: PostgresStore) -> None:
    """Also while a query that was sent earlier is under way."""

    async def extend(version: int) -> int:
        await store.append(one("s1", version))
        return len(await store.read_stream("s1"))

    async def watch() -> None:
        for _ in range(50):
            await store.read_stream("s1")

    watching = asyncio.create_task(watch())
    for version in range(1, 30):
        assert await extend(version) == version + 1
    await watching


async def test_who_goes_away_takes_nothing_from_the_others(store: PostgresStore) -> None:
    """While the query is under way, the first of those who asked as well as another."""
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def fetch(streams: list[str], versions: list[int]) -> list[Any]:
        begun.set()
        await goes_on.wait()
        return await store._read_after(streams, versions)

    reads = StreamReads(fetch)
    first, second, third = (asyncio.create_task(reads.read("s4", 0)) for _ in range(3))
    await begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    goes_on.set()
    assert [len(records) for records in await asyncio.gather(second, third)] == [4, 4]


async def test_stopping_answers_who_still_waits(store: PostgresStore) -> None:
    """With an error that says why, whether its query was sent or not."""
    begun = asyncio.Event()

    async def fetch(streams: list[str], versions: list[int]) -> list[Any]:
        begun.set()
        await asyncio.Event().wait()
        return await store._read_after(streams, versions)

    reads = StreamReads(fetch)
    waiting = asyncio.create_task(reads.read("s4", 0))
    await begun.wait()
    await reads.stop()
    with pytest.raises(StoreUnavailable, match="shutting down"):
        await waiting
    begun.clear()
    waiting = asyncio.create_task(reads.read("s4", 0))
    await asyncio.gather(asyncio.create_task(reads.stop()))  # begins before the query does
    with pytest.raises(StoreUnavailable, match="shutting down"):
        await asyncio.wait_for(waiting, 10)
    assert not begun.is_set()


async def test_without_a_database_everybody_is_told(database_url: str) -> None:
    """With the error of the store, and those after find it again when it is back."""
    async with over_tcp(database_url) as (url, proxy):
        store = await PostgresStore.open(url)
        try:
            await store.append(one("s"))
            proxy.refuses = True
            proxy.cut()
            told = await asyncio.gather(
                *(store.read_stream("s") for _ in range(5)), return_exceptions=True
            )
            assert [type(error) for error in told] == [StoreUnavailable] * 5
            proxy.heal()
            assert len(await eventually(lambda: _read(store))) == 1
        finally:
            await store.close()


async def _read(store: PostgresStore) -> list[Any]:
    try:
        return await store.read_stream("s")
    except StoreUnavailable:
        return []
