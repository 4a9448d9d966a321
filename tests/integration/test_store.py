"""The store against a model of it: the same steps lead to the same outcomes."""

import asyncio
import hashlib
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import Struct

from ledger.errors import ClaimTaken, Conflict, StoreUnavailable, WrongExpectedVersion
from ledger.events.codec import Event, type_of
from ledger.ids import new_uuid
from ledger.store.port import Append, Claim, Release, StreamWrite
from ledger.store.postgres import PostgresStore
from tests.contract.log import NOW, STEP, append, audit, later, one, progressed, write

T = TypeVar("T")
LONG_AGO = later(-3600)

names = st.sampled_from("abc")
keys = st.sampled_from("klm")
one_event: st.SearchStrategy[Event] = st.sampled_from((STEP, progressed()))
events = st.lists(one_event, max_size=3)


class Wish(Struct, frozen=True):
    """One item: where each stream is believed to be, relative to where it is."""

    writes: tuple[tuple[str, int, tuple[Event, ...]], ...]
    claims: tuple[tuple[str, str, bool], ...] = ()
    releases: tuple[tuple[str, str], ...] = ()


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    """Draw an item that names no stream and no key twice."""
    streams = draw(st.lists(names, min_size=1, max_size=2, unique=True))
    own = draw(st.lists(keys, max_size=3, unique=True))
    cut = draw(st.integers(0, len(own)))
    return Wish(
        writes=tuple(
            (name, draw(st.sampled_from((0, 0, 0, 0, 1, -1))), tuple(draw(events)))
            for name in streams
        ),
        claims=tuple((key, streams[0], draw(st.booleans())) for key in own[:cut]),
        releases=tuple((key, draw(names)) for key in own[cut:]),
    )


class Model:
    """What the store is believed to do, one item after the other."""

    def __init__(self) -> None:
        self.streams: dict[str, list[Event]] = {}
        self.owners: dict[str, tuple[str, bool]] = {}

    def version(self, stream: str) -> int:
        """Say where a stream is."""
        return len(self.streams.get(stream, ()))

    def append(self, item: Append) -> type[Conflict] | int:
        """Give the refusal, or how many events were written."""
        if any(self.version(w.stream) != w.expected_version for w in item.writes):
            return WrongExpectedVersion
        for claim in item.claims:
            owner, expired = self.owners.get(claim.key, (claim.stream, False))
            if owner != claim.stream and not expired:
                return ClaimTaken
        for w in item.writes:
            if w.facts:
                self.streams.setdefault(w.stream, []).extend(fact.event for fact in w.facts)
        for claim in item.claims:
            self.owners[claim.key] = (claim.stream, claim.expires_at is not None)
        for release in item.releases:
            if self.owners.get(release.key, ("", False))[0] == release.stream:
                del self.owners[release.key]
        return sum(len(w.facts) for w in item.writes)


class StoreMachine(RuleBasedStateMachine):
    """Drives the store and the model with the same steps."""

    dsn: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.prefix = new_uuid().hex

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run in this example's loop."""
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """Open the store; what other examples wrote lies before `first`."""
        self.store = self.run(PostgresStore.open(self.dsn, max_connections=2))
        self.first = self.run(self.store.head())
        self.count = 0

    def item(self, wish: Wish) -> Append:
        """Make an append of a wish, as somebody who read the streams just now would."""
        return append(
            *(
                self.write(name, max(self.model.version(self.named(name)) + off, 0), told)
                for name, off, told in wish.writes
            ),
            claims=[
                Claim(
                    key=self.named(key),
                    stream=self.named(stream),
                    value=key.encode(),
                    expires_at=LONG_AGO if expired else None,
                )
                for key, stream, expired in wish.claims
            ],
            releases=[
                Release(key=self.named(key), stream=self.named(stream))
                for key, stream in wish.releases
            ],
        )

    def named(self, name: str) -> str:
        """Give this example's own name."""
        return f"{self.prefix}/{name}"

    def write(self, name: str, version: int, told: tuple[Event, ...]) -> StreamWrite:
        """Write to a stream of this example."""
        return write(self.named(name), version, *told)

    @rule(wanted=st.lists(wishes(), min_size=1, max_size=5))
    def append_at_once(self, wanted: list[Wish]) -> None:
        """Items asked for at once have the outcomes they would have one after the other."""
        items = [self.item(wish) for wish in wanted]
        expected = [self.model.append(item) for item in items]

        async def ask() -> list[Any]:
            tasks = (self.store.append(item) for item in items)
            return await asyncio.gather(*tasks, return_exceptions=True)

        for item, found, wish in zip(items, self.run(ask()), expected, strict=True):
            if not isinstance(found, tuple):
                assert type(found) is wish, (found, wish)
                continue
            assert len(found) == wish
            written = [(w.stream, fact.event) for w in item.writes for fact in w.facts]
            assert [(record.stream, record.event) for record in found] == written
            positions = [record.position for record in found]
            assert all(after == before + 1 for before, after in pairwise(positions))
            assert all((record.number is None) == (record.event != STEP) for record in found)
            self.count += len(found)

    @rule(name=names, after=st.integers(0, 4))
    def read_stream(self, name: str, after: int) -> None:
        """A stream holds what was written to it, by version."""
        records = self.run(self.store.read_stream(self.named(name), after=after))
        known = self.model.streams.get(self.named(name), [])
        assert [record.event for record in records] == known[after:]
        assert [record.version for record in records] == list(range(after + 1, len(known) + 1))
        assert all(record.type == type_of(record.event) for record in records)

    @rule(after=st.integers(0, 30), limit=st.integers(1, 9))
    def read_log(self, after: int, limit: int) -> None:
        """The log has every position."""
        records = self.run(self.store.read_log(after=self.first + after, limit=limit))
        last = min(after + limit, self.count)
        assert [record.position - self.first for record in records] == list(
            range(after + 1, last + 1)
        )

    @rule(key=keys)
    def owner(self, key: str) -> None:
        """A key is owned by whom the model says."""
        found = self.run(self.store.claim_owner(self.named(key)))
        stream, expired = self.model.owners.get(self.named(key), ("", True))
        assert (found and found.stream) == (None if expired else stream)

    @rule()
    def keep_house(self) -> None:
        """Forgetting expired keys changes no outcome."""
        self.run(self.store.keep_house())
        self.model.owners = {
            key: (stream, expired)
            for key, (stream, expired) in self.model.owners.items()
            if not expired
        }

    @invariant()
    def nothing_else_was_written(self) -> None:
        """The head is as far as the model's events."""
        if hasattr(self, "first"):
            assert self.store.tail.head == self.first + self.count
            assert self.count == sum(map(len, self.model.streams.values()))

    def teardown(self) -> None:
        """Close the store."""
        if hasattr(self, "store"):
            self.run(self.store.close())
        self.runner.close()


def test_the_store_does_what_the_model_does(module_database_url: str) -> None:
    """For any steps; afterwards the whole log is sound."""

    class Machine(StoreMachine):
        dsn = module_database_url

    Machine.TestCase.settings = settings(max_examples=settings().max_examples // 2)
    Machine.TestCase().runTest()
    assert asyncio.run(audit(module_database_url)) > 0


async def test_what_is_stored_is_what_was_digested(database_url: str) -> None:
    """An auditor recomputes each digest from salt and bytes."""
    store = await PostgresStore.open(database_url)
    (record,) = await store.append(one("s"))
    (again,) = await store.read_stream("s")
    connection = await asyncpg.connect(database_url)
    row = await connection.fetchrow("select salt, data from ledger.events")
    assert row is not None
    assert record.data_digest == again.data_digest
    assert record.data_digest == hashlib.sha256(row["salt"] + row["data"]).digest()
    assert again == record
    await connection.close()
    await store.close()


class TestLeases:
    """Who holds an execution now."""

    LEASE, OTHER = UUID(int=1), UUID(int=2)

    async def test_a_newer_fence_replaces(self, database_url: str) -> None:
        """The same or an older fence is not granted, and ends nothing newer."""
        store = await PostgresStore.open(database_url)

        async def grant(lease: UUID, fence: int, lease_s: float = 60) -> object:
            return await store.grant_lease(
                "s", lease=lease, fence=fence, worker="w", lease_s=lease_s, organization="acme"
            )

        assert await grant(self.LEASE, 1)
        assert await grant(self.OTHER, 1) is None
        assert await grant(self.OTHER, 2)
        assert await store.renew_lease(self.LEASE, None) is None
        await store.end_lease("s", 1)
        assert await store.is_leased("s", 2)
        renewed = await store.renew_lease(self.OTHER, ["acme"])
        assert renewed is not None
        assert (renewed.stream, renewed.fence, renewed.worker) == ("s", 2, "w")
        assert await store.renew_lease(self.OTHER, ["other"]) is None
        await store.withdraw_lease(self.OTHER)
        assert not await store.is_leased("s", 2)
        assert await grant(self.LEASE, 3, lease_s=-1)
        assert await store.renew_lease(self.LEASE, None) is None, "an expired hold is over"
        assert await store.expired_leases(10) == [("s", 3)]
        await store.close()

    async def test_due_streams_are_taken_by_one(self, database_url: str) -> None:
        """What was taken is hidden for a while; a timer is corrected only where it stood."""
        store = await PostgresStore.open(database_url)
        for name, at in (("late", later(-5)), ("later", later(-9)), ("soon", later(3600))):
            await store.append(append(write(name, 0, progressed(), due_at=at)))
        await store.append(append(write("never", 0, progressed())))
        taken = await asyncio.gather(*(store.take_due(limit=1, hold_s=60) for _ in range(3)))
        assert sorted(stream for each in taken for stream in each) == ["late", "later"]
        await store.set_due("late", 7, NOW)
        assert await store.take_due(limit=9, hold_s=60) == []
        await store.set_due("late", 1, NOW)
        assert await store.next_due() == NOW
        assert await store.take_due(limit=9, hold_s=60) == ["late"]
        await store.close()


async def test_without_a_database_opening_says_so() -> None:
    """Nobody has to know the driver's errors."""
    with pytest.raises(StoreUnavailable):
        await PostgresStore.open("postgresql://127.0.0.1:9/none")
