"""Appending: outcomes item by item, refusals, and what happens when the database goes away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from ledger.errors import (
    AppendQueueFull,
    ClaimTaken,
    Corrupt,
    LedgerError,
    StoreUnavailable,
    WrongExpectedVersion,
)
from ledger.store.append import Appender
from ledger.store.pending import Pending, arrays
from ledger.store.port import Append, Claim, Release
from ledger.store.postgres import PostgresStore
from tests.contract.log import STEP, append, audit, later, one, progressed, write
from tests.waiting import eventually

HEAD_WAITERS = """
    select count(*) from pg_stat_activity
    where wait_event_type = 'Lock' and query like '%ledger.append%'
        and datname = current_database() and pid <> pg_backend_pid()
"""
APPENDING = """
    select pid from pg_stat_activity
    where query like '%ledger.append%' and datname = current_database()
        and pid <> pg_backend_pid() and state <> 'idle'
"""
PARTITION_SIZE = 2**24


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """A store on a database of its own."""
    store = await PostgresStore.open(database_url)
    yield store
    await store.close()


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection beside the store's."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def outcomes(store: PostgresStore, *appends: Append) -> list[Any]:
    """Ask for all at once, so that they share a batch."""
    return await asyncio.gather(*(store.append(each) for each in appends), return_exceptions=True)


class TestOutcomes:
    """Each item of a batch has its own."""

    async def test_a_refused_item_leaves_its_neighbours_alone(
        self, store: PostgresStore, database_url: str
    ) -> None:
        """A wrong version and a taken key refuse their own item only."""
        key = Claim(key="k", stream="owner", value=b"v")
        await store.append(append(write("owner", 0, progressed()), claims=[key]))
        batches = store.appender.batches
        good, moved, taken, also_good = await outcomes(
            store,
            one("a", count=2),
            one("owner", 7),
            append(write("b", 0, progressed()), claims=[Claim(key="k", stream="b")]),
            one("c"),
        )
        assert store.appender.batches == batches + 1
        assert [record.position for record in good] == [2, 3]
        assert [record.position for record in also_good] == [4]
        assert isinstance(moved, WrongExpectedVersion)
        assert (moved.stream, moved.expected, moved.actual) == ("owner", 7, 1)
        assert isinstance(taken, ClaimTaken)
        assert (taken.key, taken.owner, taken.value) == ("k", "owner", b"v")
        assert await audit(database_url) == 4

    async def test_items_on_one_stream_follow_each_other(
        self, store: PostgresStore, database_url: str
    ) -> None:
        """They are put into batches one after the other, in the order asked."""
        found = await outcomes(store, one("s", 0), one("s", 1), one("s", 2), one("s", 2))
        assert [getattr(each, "__len__", lambda: 0)() for each in found] == [1, 1, 1, 0]
        assert isinstance(found[3], WrongExpectedVersion)
        assert await audit(database_url) == 3

    async def test_all_writes_of_an_item_or_none(
        self, store: PostgresStore, database_url: str
    ) -> None:
        """One stream elsewhere keeps the others from being written, and keys from being owned."""
        with pytest.raises(WrongExpectedVersion):
            await store.append(
                append(
                    write("x", 0, progressed()),
                    write("y", 3, progressed()),
                    claims=[Claim(key="k", stream="x")],
                )
            )
        assert await store.claim_owner("k") is None
        records = await store.append(
            append(write("x", 0, progressed(), STEP), write("y", 0, progressed()))
        )
        assert [(r.position, r.stream, r.version) for r in records] == [
            (1, "x", 1), (2, "x", 2), (3, "y", 1),
        ]  # fmt: skip
        assert await audit(database_url) == 3

    async def test_a_condition_writes_nothing(
        self, store: PostgresStore, database_url: str
    ) -> None:
        """A stream that was only read must still be where it was."""
        await store.append(one("job"))
        await store.append(append(write("e1", 0, progressed()), write("job", 1)))
        with pytest.raises(WrongExpectedVersion) as refusal:
            await store.append(append(write("e2", 0, progressed()), write("job", 0)))
        assert refusal.value.stream == "job"
        assert await store.append(append(write("job", 1))) == ()
        assert await audit(database_url) == 2

    async def test_a_condition_of_several_items_refuses_those_that_have_it(
        self, store: PostgresStore, database_url: str
    ) -> None:
        """It is looked up once for all of them; others on the same stream have their own."""
        await store.append(one("job", count=2))
        await store.append(one("other"))
        batches = store.appender.batches
        found = await outcomes(
            store,
            append(write("e1", 0, progressed()), write("job", 1)),
            append(write("e2", 0, progressed()), write("job", 2), write("other", 1)),
            append(write("e3", 0, progressed()), write("job", 1), write("other", 1)),
            append(write("e4", 0, progressed()), write("job", 2)),
            append(write("e5", 0, progressed()), write("never", 0)),
        )
        assert store.appender.batches == batches + 1
        for behind in (found[0], found[2]):
            assert isinstance(behind, WrongExpectedVersion)
            assert (behind.stream, behind.expected, behind.actual) == ("job", 1, 2)
        written = [found[1], found[3], found[4]]
        assert [record.position for records in written for record in records] == [4, 5, 6]
        assert await audit(database_url) == 6

    async def test_keys_are_owned_until_released_or_expired(self, store: PostgresStore) -> None:
        """A key has one owner; only the owner can give it up; time can too."""
        key = Claim(key="k", stream="a")
        await store.append(append(write("a", 0, progressed()), claims=[key]))
        await store.append(append(write("a", 1, progressed()), claims=[key]))
        not_mine = Release(key="k", stream="b")
        await store.append(append(write("b", 0, progressed()), releases=[not_mine]))
        with pytest.raises(ClaimTaken):
            await store.append(append(write("b", 1), claims=[replace(key, stream="b")]))
        await store.append(append(write("a", 2), releases=[Release(key="k", stream="a")]))
        expired = Claim(key="k", stream="b", expires_at=later(-1))
        await store.append(append(write("b", 1), claims=[expired]))
        assert await store.claim_owner("k") is None
        await store.append(append(write("a", 2), claims=[key]))
        owner = await store.claim_owner("k")
        assert owner is not None
        assert owner.stream == "a"

    async def test_the_first_key_named_decides(self, store: PostgresStore) -> None:
        """With several keys taken the caller learns of the one it put first."""
        keys = [Claim(key=name, stream="a") for name in "zymab"]
        await store.append(append(write("a", 0, progressed()), claims=keys))
        for order in (keys, keys[::-1]):
            wanted = [replace(key, stream="b") for key in order]
            with pytest.raises(ClaimTaken) as refusal:
                await store.append(append(write("b", 0, progressed()), claims=wanted))
            assert refusal.value.key == order[0].key

    async def test_expired_keys_are_forgotten(
        self, store: PostgresStore, admin: "asyncpg.Connection[Any]"
    ) -> None:
        """Housekeeping removes what nobody owns any more, and only that."""
        keys = [
            Claim(key="old", stream="a", expires_at=later(-1)),
            Claim(key="new", stream="a", expires_at=later(3600)),
            Claim(key="ever", stream="a"),
        ]
        await store.append(append(write("a", 0, progressed()), claims=keys))
        await store.keep_house()
        left = await admin.fetch("select key from ledger.claims order by key")
        assert [row["key"] for row in left] == ["ever", "new"]


class TestAnnounced:
    """Others hear of the head by NOTIFY; see `test_tail` for what a follower makes of it."""

    async def test_the_last_of_many_batches(
        self, admin: "asyncpg.Connection[Any]", store: PostgresStore
    ) -> None:
        """Not every batch is told of, but the one after which nothing waits is."""
        heard: list[str] = []
        await admin.add_listener("jobledger", lambda *told: heard.append(told[3]))
        batches = store.appender.batches
        await outcomes(store, *(one("s", version) for version in range(100)))
        assert store.appender.batches == batches + 100
        await eventually(lambda: heard and heard[-1] == "100")
        assert heard == sorted(set(heard), key=int)


class TestEarlierRelease:
    """During an upgrade its processes go on appending, by the functions that they know."""

    async def test_it_appends_as_it_did(
        self, admin: "asyncpg.Connection[Any]", store: PostgresStore, database_url: str
    ) -> None:
        """Events, conditions, keys and refusals are the same by all of them."""
        await store.append(one("job"))
        loop = asyncio.get_running_loop()
        asked = [
            append(
                write("a", 0, progressed()), write("job", 1), claims=[Claim(key="k", stream="a")]
            ),
            append(write("b", 0, progressed()), write("job", 0)),
            append(write("c", 0, progressed(), STEP)),
        ]
        batch = [Pending(one, loop.create_future(), loop.time() + 60) for one in asked]
        events, writes, reads, claims, releases = arrays(batch)
        streams = writes + [
            (item, stream, version) for stream, version, items in reads for item in items
        ]
        before, refused = await admin.fetch(
            "select * from ledger.append_batch($1, $2, $3, $4)", events, streams, claims, releases
        )
        assert (before["item"], before["position"]) == (None, 1)
        assert tuple(refused)[:4] == (1, "job", 0, 1)
        assert [record.stream for record in await store.read_log(after=1, limit=9)] == [*"acc"]
        owner = await store.claim_owner("k")
        assert owner is not None
        assert owner.stream == "a"
        assert await audit(database_url) == 4


class TestRefusedValues:
    """What the database or the driver cannot take."""

    @pytest.mark.parametrize(
        "bad",
        [
            one("nul\x00stream"),
            one("surrogate\ud800"),
            one("huge", 2**40),
            append(write("twice", 0, progressed()), write("twice", 0, progressed())),
        ],
    )
    async def test_one_bad_item_is_found_among_many(
        self, store: PostgresStore, database_url: str, bad: Append
    ) -> None:
        """The batch is divided until only the bad one is refused; nobody waits for a deadline."""
        goods = [one(f"good{number}") for number in range(20)]
        found = await outcomes(store, *goods[:13], bad, *goods[13:])
        assert isinstance(found.pop(13), Corrupt)
        assert all(isinstance(each, tuple) for each in found)
        assert await audit(database_url) == 20


class TestFull:
    """The list of waiting appends is bounded."""

    async def test_too_many_are_told_to_come_again(
        self, database_url: str, admin: "asyncpg.Connection[Any]"
    ) -> None:
        """Nothing of a refused append is taken in; what waits is written once it can be."""
        appender = Appender(database_url, lambda _: None, max_waiting=3)
        appender.start()
        holding = admin.transaction()
        await holding.start()
        await admin.execute("select from ledger.head for update")
        sent = asyncio.create_task(appender.append(one("sent")))
        watcher = await asyncpg.connect(database_url)
        await eventually(lambda: watcher.fetchval(HEAD_WAITERS))
        waiting = [asyncio.create_task(appender.append(one(f"s{n}"))) for n in range(3)]
        await eventually(lambda: appender.waiting == 3)
        with pytest.raises(AppendQueueFull) as full:
            await appender.append(one("one too many"))
        assert full.value.retry_after_s > 0
        await holding.rollback()
        await asyncio.gather(sent, *waiting)
        await appender.append(one("room again"))
        await appender.stop()
        await watcher.close()
        assert await audit(database_url) == 5

    async def test_who_goes_away_while_waiting_writes_nothing(
        self, database_url: str, admin: "asyncpg.Connection[Any]"
    ) -> None:
        """A caller that is cancelled before its append was sent leaves no trace."""
        appender = Appender(database_url, lambda _: None)
        appender.start()
        holding = admin.transaction()
        await holding.start()
        await admin.execute("select from ledger.head for update")
        sent = asyncio.create_task(appender.append(one("sent")))
        watcher = await asyncpg.connect(database_url)
        await eventually(lambda: watcher.fetchval(HEAD_WAITERS))
        gone, stays = [asyncio.create_task(appender.append(one(name))) for name in ("g", "s")]
        await eventually(lambda: appender.waiting == 2)
        gone.cancel()
        await holding.rollback()
        assert [len(records) for records in await asyncio.gather(sent, stays)] == [1, 1]
        await appender.stop()
        await watcher.close()
        assert await audit(database_url) == 2

    async def test_stopping_writes_what_waits(self, database_url: str) -> None:
        """An orderly end loses nothing that was taken in; later ones are refused."""
        appender = Appender(database_url, lambda _: None)
        tasks = [asyncio.create_task(appender.append(one(f"s{n}"))) for n in range(50)]
        await eventually(lambda: appender.waiting == 50)
        appender.start()
        await appender.stop()
        assert [len(await task) for task in tasks] == [1] * 50
        with pytest.raises(StoreUnavailable):
            await appender.append(one("late"))
        assert await audit(database_url) == 50


class TestLostConnection:
    """The connection goes away during the call."""

    async def test_before_it_was_written(
        self, store: PostgresStore, admin: "asyncpg.Connection[Any]", database_url: str
    ) -> None:
        """Nothing was written, so it is written now, once."""
        holding = admin.transaction()
        await holding.start()
        await admin.execute("select from ledger.head for update")
        watcher = await asyncpg.connect(database_url)
        tasks = [asyncio.create_task(store.append(one(f"s{n}", count=2))) for n in range(5)]
        await eventually(lambda: watcher.fetchval(HEAD_WAITERS))
        await watcher.fetch(f"select pg_terminate_backend(pid) from ({APPENDING}) a")
        await holding.rollback()
        assert [len(records) for records in await asyncio.gather(*tasks)] == [2] * 5
        await watcher.close()
        assert await audit(database_url) == 10

    async def test_after_it_was_written(self, database_url: str) -> None:
        """It is in the log, so it is found there, and its caller gets the events as they are."""
        seen: list[int] = []
        appender = _DeafAppender(database_url, seen)
        appender.start()
        records = await appender.append(one("s", count=3))
        assert appender.lost == 1
        assert [record.position for record in records] == [1, 2, 3]
        assert await audit(database_url) == 3
        again = await appender.append(one("s", 3))
        assert [record.position for record in again] == [4]
        await appender.stop()

    async def test_after_it_was_written_with_keys_and_conditions(self, database_url: str) -> None:
        """Its own keys and conditions do not stand in its way."""
        appender = _DeafAppender(database_url, [])
        appender.start()
        key = Claim(key="k", stream="s")
        item = append(write("s", 0, progressed()), write("absent", 0), claims=[key])
        records, others = await asyncio.gather(
            appender.append(item), appender.append(one("t", 5)), return_exceptions=True
        )
        assert isinstance(records, tuple)
        assert isinstance(others, WrongExpectedVersion)
        assert await audit(database_url) == 1
        await appender.stop()

    async def test_somebody_elses_events_are_not_taken_for_ours(
        self, store: PostgresStore, admin: "asyncpg.Connection[Any]", database_url: str
    ) -> None:
        """An uncertain item whose stream another process moved on is refused."""
        holding = admin.transaction()
        await holding.start()
        await admin.execute("select from ledger.head for update")
        watcher = await asyncpg.connect(database_url)
        ours = asyncio.create_task(store.append(one("s")))
        await eventually(lambda: watcher.fetchval(HEAD_WAITERS))
        other = await PostgresStore.open(database_url)
        theirs = asyncio.create_task(other.append(one("s")))
        await eventually(lambda: _is(watcher, 2))
        first = await watcher.fetchval(
            f"select pid from ({APPENDING.replace('select pid', 'select pid, query_start')}) a"
            " order by query_start limit 1"
        )
        await watcher.fetchval("select pg_terminate_backend($1)", first)
        await holding.rollback()
        found = await asyncio.gather(ours, theirs, return_exceptions=True)
        assert sorted(type(each).__name__ for each in found) == ["WrongExpectedVersion", "tuple"]
        assert await audit(database_url) == 1
        await other.close()
        await watcher.close()

    async def test_a_canceled_statement_is_tried_again(
        self, store: PostgresStore, admin: "asyncpg.Connection[Any]", database_url: str
    ) -> None:
        """An operator's cancel says nothing against the events."""
        holding = admin.transaction()
        await holding.start()
        await admin.execute("select from ledger.head for update")
        watcher = await asyncpg.connect(database_url)
        task = asyncio.create_task(store.append(one("s")))
        await eventually(lambda: watcher.fetchval(HEAD_WAITERS))
        await watcher.fetch(f"select pg_cancel_backend(pid) from ({APPENDING}) a")
        await holding.rollback()
        assert len(await task) == 1
        await watcher.close()

    async def test_without_a_database_it_says_so_in_time(self, database_url: str) -> None:
        """When the callers' time is over they are told that nothing is known to be written."""
        appender = Appender("postgresql://127.0.0.1:9/none", lambda _: None, deadline_s=0.2)
        appender.start()
        with pytest.raises(StoreUnavailable):
            await appender.append(one("s"))
        await appender.stop()


async def _is(watcher: "asyncpg.Connection[Any]", count: int) -> bool:
    waiters: int = await watcher.fetchval(HEAD_WAITERS)
    return waiters == count


class _DeafAppender(Appender):
    """Loses its connection after the database committed and before it hears of it, once."""

    def __init__(self, dsn: str, seen: list[int]) -> None:
        super().__init__(dsn, lambda records: seen.extend(r.position for r in records))
        self.lost = 0

    async def _call(self, batch: list[Any]) -> list[Any]:
        rows = await super()._call(batch)
        if not self.lost:
            self.lost += 1
            raise ConnectionResetError
        return rows


class TestImmutable:
    """What is in the log stays as it is."""

    @pytest.mark.parametrize("table", ["ledger.events", "ledger.events_000000"])
    @pytest.mark.parametrize(
        "statement",
        [
            "update {} set actor = 'x'",
            "delete from {}",
            "truncate {}",
            "update {} set data = null where position = 1",
        ],
    )
    async def test_nothing_can_be_changed(
        self,
        store: PostgresStore,
        admin: "asyncpg.Connection[Any]",
        database_url: str,
        table: str,
        statement: str,
    ) -> None:
        """Not even by a superuser, neither through the table nor through a partition."""
        await store.append(one("s", count=2))
        with pytest.raises(asyncpg.PostgresError) as refusal:
            await admin.execute(statement.format(table))
        assert refusal.value.sqlstate == "JL001"
        assert await audit(database_url) == 2

    async def test_time_never_goes_back(
        self, store: PostgresStore, admin: "asyncpg.Connection[Any]", database_url: str
    ) -> None:
        """When the clock was ahead, later events are recorded at the same instant."""
        await store.append(one("s"))
        await admin.execute("update ledger.head set recorded_at = now() + interval '1 hour'")
        (first,) = await store.append(one("s", 1))
        (second,) = await store.append(one("s", 2))
        assert first.recorded_at == second.recorded_at
        assert await store.position_at(first.recorded_at) == 3
        assert await audit(database_url) == 3


class TestPartitions:
    """The log is cut at every 2^24 positions, ahead of time."""

    async def test_an_append_crosses_the_border(
        self, store: PostgresStore, admin: "asyncpg.Connection[Any]"
    ) -> None:
        """One item may lie in two partitions; reads do not notice."""
        await admin.execute("update ledger.head set position = $1", PARTITION_SIZE - 3)
        records = await store.append(one("s", count=5))
        start = PARTITION_SIZE - 2
        assert [record.position for record in records] == list(range(start, start + 5))
        rows = await admin.fetch("select tableoid::regclass::text from ledger.events order by 1")
        tables = [row["tableoid"] for row in rows]
        assert tables == ["ledger.events_000000"] * 2 + ["ledger.events_000001"] * 3
        assert [r.version for r in await store.read_stream("s")] == [1, 2, 3, 4, 5]
        assert len(await store.read_log(after=start - 1, limit=10)) == 5

    async def test_the_next_one_is_there_before_it_is_needed(
        self, store: PostgresStore, admin: "asyncpg.Connection[Any]"
    ) -> None:
        """Housekeeping makes it, also when two processes keep house at once."""
        await admin.execute("update ledger.head set position = $1", PARTITION_SIZE)
        await asyncio.gather(*(store.keep_house() for _ in range(4)))
        assert await admin.fetchval("select to_regclass('ledger.events_000002')") is not None
        await admin.execute("update ledger.head set position = $1", 2 * PARTITION_SIZE - 1)
        await store.append(one("s", count=2))
        with pytest.raises(asyncpg.PostgresError) as refusal:
            await admin.execute("truncate ledger.events_000002")
        assert refusal.value.sqlstate == "JL001"

    async def test_without_a_partition_nothing_is_acknowledged(
        self, store: PostgresStore, admin: "asyncpg.Connection[Any]"
    ) -> None:
        """If nobody kept house, appends fail, and go on once somebody does."""
        await admin.execute("update ledger.head set position = $1", 2 * PARTITION_SIZE - 1)
        with pytest.raises(LedgerError):
            await store.append(one("s"))
        await store.keep_house()
        assert len(await store.append(one("s"))) == 1
