"""Following the log: what wakes a follower, and that the ring has no hole."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.events.envelope import Erased, Recorded
from ledger.store.append import _SQL
from ledger.store.pending import Pending, arrays
from ledger.store.port import AnyRecorded
from ledger.store.postgres import PostgresStore
from ledger.store.tail import CHANNEL, RING_EVENTS, Tail
from tests.contract.log import NOW, STEP, append, one, progressed, write
from tests.waiting import eventually

LONG_S = 30
LISTENERS = """
    select pid from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
        and (query ilike 'listen%' or query like 'select position from ledger.head%'
            or query like '%ledger.erasures%')
"""


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """A store on a database of its own."""
    store = await PostgresStore.open(database_url)
    yield store
    await store.close()


class TestWakeUp:
    """A hint comes from somewhere, or the poll finds out."""

    async def test_by_its_own_commit(self, store: PostgresStore) -> None:
        """A commit of this process wakes its followers and is in the ring."""
        waiting = asyncio.create_task(store.tail.wait_past(0, LONG_S))
        await store.append(one("s", count=2))
        assert await waiting == 2
        assert [record.position for record in await store.tail.read(0, 10)] == [1, 2]

    async def test_what_its_own_appender_commits_is_not_told_twice(
        self, store: PostgresStore
    ) -> None:
        """Its NOTIFY is known by the process that sent it; those of others are heeded."""
        await store.append(one("s"))
        own, other = store.appender.server_pid, -1
        assert own is not None
        store.tail._notified(None, own, CHANNEL, "7")
        assert store.tail.head == 1
        store.tail._notified(None, other, CHANNEL, "7")
        assert store.tail.head == 7

    async def test_by_another_process(self, store: PostgresStore, database_url: str) -> None:
        """Its NOTIFY arrives on the listener's connection."""
        other = await PostgresStore.open(database_url)
        waiting = asyncio.create_task(store.tail.wait_past(0, LONG_S))
        await other.append(one("s"))
        assert await waiting == 1
        assert [record.position for record in await store.tail.read(0, 10)] == [1]
        await other.close()

    async def test_by_the_poll_alone(
        self, store: PostgresStore, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When every NOTIFY is lost the head is read all the same."""
        monkeypatch.setattr(store.tail, "_notified", lambda *_: None)
        admin = await asyncpg.connect(database_url)
        await eventually(lambda: admin.fetchval(LISTENERS))
        # The listener took the method before it was replaced: make it connect anew.
        await admin.execute(f"select pg_terminate_backend(pid) from ({LISTENERS}) l")
        await _append_beside(database_url)
        assert await store.tail.wait_past(0, LONG_S) == 1
        await admin.close()

    async def test_after_the_listener_was_cut(
        self, store: PostgresStore, database_url: str
    ) -> None:
        """It listens again, and learns what it missed."""
        admin = await asyncpg.connect(database_url)
        first = await eventually(lambda: admin.fetchval(LISTENERS))
        await admin.fetchval("select pg_terminate_backend($1)", first)
        await _append_beside(database_url)
        assert await store.tail.wait_past(0, LONG_S) == 1
        assert await eventually(lambda: admin.fetchval(LISTENERS)) != first
        waiting = asyncio.create_task(store.tail.wait_past(1, LONG_S))
        await _append_beside(database_url, version=1)
        assert await waiting == 2
        await admin.close()

    async def test_not_without_news(self, store: PostgresStore) -> None:
        """At the timeout the head is given as it is."""
        assert await store.tail.wait_past(0, 0.01) == 0
        assert await store.tail.wait_past(0, 0) == 0

    async def test_stopping_ends_a_wait(self, store: PostgresStore) -> None:
        """Nobody is kept waiting by a server that ends."""
        waiting = asyncio.create_task(store.tail.wait_past(0, LONG_S))
        await eventually(lambda: store.tail._waiters)
        await store.tail.stop()
        assert await waiting == 0


class TestOfSomeTypes:
    """Who waits for a few types of events is not woken for others of this process."""

    TYPES = frozenset(("step.started",))

    async def test_sleeps_through_what_this_process_commits_of_others(self) -> None:
        """Then it goes on right before the batch in which there is one."""
        log = Log()
        waiting = asyncio.create_task(log.tail.wait_for(self.TYPES, 0, LONG_S))
        await eventually(lambda: log.tail._waiters)
        log.grow(2, own=True, heard=False)
        log.grow(3, own=True, heard=False)
        assert log.tail._waiters
        log.grow(2, own=True, heard=False, kind="step.started")
        assert await waiting == 5
        assert [record.position for record in await log.tail.read(5, 10)] == [6, 7]

    async def test_is_told_how_far_there_was_none(self) -> None:
        """When the wait ends it need not look through what it slept through."""
        log = Log()
        waiting = asyncio.create_task(log.tail.wait_for(self.TYPES, 0, LONG_S))
        await eventually(lambda: log.tail._waiters)
        log.grow(2, own=True, heard=False)
        await log.tail.stop()
        assert await waiting == 2
        assert await log.tail.wait_for(self.TYPES, 0, LONG_S) == 0, "it has to look for itself"

    async def test_by_a_commit_of_this_process(self, store: PostgresStore) -> None:
        """Through the store it wakes as well, and nothing was passed over."""
        waiting = asyncio.create_task(store.tail.wait_for(self.TYPES, 0, LONG_S))
        await eventually(lambda: store.tail._waiters)
        await store.append(append(write("s", 0, progressed(), STEP)))
        assert await waiting == 0
        assert [record.position for record in await store.tail.read(0, 10)] == [1, 2]

    async def test_by_another_process(self, store: PostgresStore, database_url: str) -> None:
        """Nothing is known of what others commit but how far the log goes."""
        waiting = asyncio.create_task(store.tail.wait_for(self.TYPES, 0, LONG_S))
        await eventually(lambda: store.tail._waiters)
        await _append_beside(database_url)
        assert await waiting == 0
        assert store.tail.head == 1

    async def test_between_batches_of_others(self) -> None:
        """A batch that does not follow what was slept through wakes: something lies between."""
        log = Log()
        waiting = asyncio.create_task(log.tail.wait_for(self.TYPES, 0, LONG_S))
        await eventually(lambda: log.tail._waiters)
        log.grow(2, own=True, heard=False)
        log.grow(1, own=False, heard=False)
        assert log.tail._waiters
        log.grow(2, own=True, heard=False)
        assert await waiting == 2
        assert log.tail.head == 5


async def _append_beside(dsn: str, version: int = 0) -> None:
    """Append as another process does."""
    connection = await asyncpg.connect(dsn)
    loop = asyncio.get_running_loop()
    pending = Pending(one("beside", version), loop.create_future(), loop.time() + LONG_S)
    await connection.execute(_SQL["append"], *arrays([pending]), True)
    await connection.close()


def at(position: int) -> AnyRecorded:
    """An event at a position."""
    return Recorded(
        position=position, stream="s", version=position, event_id=UUID(int=position), type="execution.progressed",
        schema_version=1, organization="acme", actor="a", occurred_at=NOW, recorded_at=NOW,
        correlation_id=None, causation_id=None, number=None, data_digest=b"", event=progressed(),
    )  # fmt: skip


class Log:
    """A log of which this process commits some batches, and others the rest."""

    def __init__(self, ring_events: int = RING_EVENTS) -> None:
        self.size = 0
        self.reads = 0
        self.tail = Tail("", self.read, self.head, ring_events=ring_events)

    async def head(self) -> int:
        """Give the last position."""
        return self.size

    async def read(self, after: int, limit: int) -> list[AnyRecorded]:
        """Read from the database."""
        self.reads += 1
        return [at(position) for position in range(after + 1, min(after + limit, self.size) + 1)]

    def grow(
        self, count: int, *, own: bool, heard: bool, kind: str = "execution.progressed"
    ) -> None:
        """Commit a batch, here or elsewhere, and hear of it or not."""
        first = self.size + 1
        self.size += count
        if own:
            self.tail.committed(
                [replace(at(position), type=kind) for position in range(first, self.size + 1)]
            )
        elif heard:
            self.tail.seen(self.size)


happenings = st.lists(
    st.one_of(
        st.tuples(st.just("own"), st.integers(1, 5)),
        st.tuples(st.just("heard"), st.integers(1, 5)),
        st.tuples(st.just("unheard"), st.integers(1, 5)),
        st.tuples(st.just("read"), st.integers(0, 2)),
        st.tuples(st.just("jump"), st.integers(0, 2)),
    ),
    max_size=60,
)


@given(happenings, st.integers(1, 7), st.integers(1, 12))
async def test_no_follower_meets_a_hole(
    life: list[tuple[str, int]], limit: int, ring_size: int
) -> None:
    """However commits, hints and reads interleave, each follower sees the next positions."""
    log = Log(ring_size)
    places = [0, 0, 0]
    for kind, number in life:
        if kind == "read":
            page = [record.position for record in await log.tail.read(places[number], limit)]
            assert page == list(range(places[number] + 1, places[number] + 1 + len(page)))
            assert len(page) <= limit
            assert page or places[number] >= log.tail.head
            places[number] += len(page)
        elif kind == "jump":
            places[number] = log.tail.head
        else:
            log.grow(number, own=kind == "own", heard=kind == "heard")
        ring = [record.position for record in log.tail._ring]
        assert ring == list(range(ring[0], ring[0] + len(ring))) if ring else True
        assert len(ring) <= ring_size


async def test_followers_near_the_head_share_one_read() -> None:
    """What one of them read, and what this process commits, costs the others nothing.

    Also when the ring had been left far behind.
    """
    log = Log()
    log.grow(3, own=True, heard=True)
    log.grow(50, own=False, heard=True)
    here = log.tail.head
    log.grow(2, own=False, heard=True)
    assert len(await log.tail.read(here, 10)) == 2
    log.grow(4, own=True, heard=True)
    reads = log.reads
    for _ in range(3):
        assert [record.position for record in await log.tail.read(here, 10)] == [*range(54, 60)]
    assert log.reads == reads


async def test_followers_far_behind_share_their_reads() -> None:
    """Those that come along together cost one read a page; what was erased is not remembered."""
    log = Log(ring_events=4)
    log.grow(40, own=True, heard=True)
    for after in (0, 10, 20):
        pages = await asyncio.gather(*(log.tail.read(after, 10) for _ in range(3)))
        assert [[record.position for record in page] for page in pages] == [
            [*range(after + 1, after + 11)]
        ] * 3
    assert log.reads == 3
    log.tail._forget("s", 15)
    again = await log.tail.read(10, 10)
    assert log.reads == 4
    assert [isinstance(record.event, Erased) for record in again] == [True] * 4 + [False] * 6
