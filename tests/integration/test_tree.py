"""The tree view: a leaf an event, proofs at every size, no holes, and the same tree from any row."""

import itertools
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from msgspec.structs import replace

import ledger.store as ledger_store
import projections
from ledger.events.entry import decode_entry, encode_entry, join_line
from ledger.merkle.proof import verify_consistency, verify_inclusion
from ledger.merkle.streams import EMPTY_STREAMS_ROOT, bucket_of, key_of, verify_stream
from ledger.merkle.tree import HASH_BYTES, leaf_hash
from ledger.store.postgres import PostgresStore
from ledger.store.queries import load
from ledger.store.raw import read_raw, read_raw_stream
from projections.port import Connection
from projections.quarantine import replay_quarantined
from projections.tree import query as tree
from projections.tree.projector import TreeProjector
from projections.tree.streams import TreeStalled, read_map
from projections.verify import verify
from tests.unit.merkle import naive
from tests.unit.projections.ground import catch_up, fold_into, ledger, runner, write
from tests.unit.projections.lives import World, recorded

RAW: Final = load(Path(ledger_store.__path__[0]) / "sql" / "raw.sql")
TREE: Final = Path(projections.__file__).parent / "tree" / "sql"


def _head(entries: list[bytes]) -> tree.Head:
    return tree.Head(
        size=len(entries),
        root=naive.root(entries),
        streams_root=naive.streams_root(naive.streams(entries)),
    )


async def _entries(store: PostgresStore) -> list[bytes]:
    return [encode_entry(event) for event in await store.read_log(after=0, limit=100_000)]


async def test_every_event_is_a_leaf(database_url: str) -> None:
    """Heads, tiles and proofs are those of the entries, however the batches were cut."""
    world = World(101)
    async with ledger(database_url) as store:
        run = await runner(store, TreeProjector(), batch_events=37)
        assert await tree.head(store.pool) == _head([])
        head = await write(store, world.lives(60))
        assert head > 513
        await catch_up(run, head)
        entries = await _entries(store)
        assert [decode_entry(entry).position for entry in entries] == list(range(1, head + 1))
        assert await tree.head(store.pool) == _head(entries)
        for size in (0, 1, 255, 256, 257, 512, head):
            at = await tree.head_at(store.pool, size)
            assert at == tree.Head(size=size, root=naive.root(entries[:size]))
        for position, size in ((1, 1), (1, head), (256, 257), (257, head), (head, head)):
            found = await tree.inclusion(store.pool, position, size)
            assert found is not None
            assert found.root == naive.root(entries[:size])
            assert list(found.proof) == naive.path(position - 1, entries[:size])
            leaf = leaf_hash(entries[position - 1])
            assert verify_inclusion(leaf, position - 1, size, found.proof, found.root)
        for old, new in ((0, 0), (0, head), (1, 300), (256, 512), (300, head), (head, head)):
            same = await tree.consistency(store.pool, old, new)
            assert same is not None
            assert (same.old.root, same.new.root) == (
                naive.root(entries[:old]),
                naive.root(entries[:new]),
            )
            assert verify_consistency(old, new, same.old.root, same.new.root, same.proof)


async def test_streams_are_proved_from_rows(database_url: str) -> None:
    """What is stored makes the proofs that the definition does, of any stream and where there is none."""
    async with ledger(database_url) as store:
        run = await runner(store, TreeProjector(), batch_events=37)
        shown, proof = await tree.stream_proof(store.pool, "execution/none")
        assert (shown, proof.found) == (_head([]), None)
        assert verify_stream("execution/none", proof, EMPTY_STREAMS_ROOT) is None
        await catch_up(run, await write(store, World(110).lives(40)))
        entries = await _entries(store)
        streams = naive.streams(entries)
        alone = _names_beside(next(iter(streams)), count=2)
        root = naive.streams_root(streams)
        met: set[bool | None] = set()
        for name in [*streams, *alone, "execution/none", "job/default/none"]:
            shown, proof = await tree.stream_proof(store.pool, name)
            assert shown == _head(entries)
            found = None if proof.found is None else proof.found.raw
            assert (found, list(proof.siblings)) == naive.stream_proof(name, streams)
            record = verify_stream(name, proof, root)
            told = None if record is None else (record.version, record.chain)
            assert told == streams.get(name)
            met.add(None if proof.found is None else record is not None)
        # The stream's own record, another's in its place, and none.
        assert met == {True, False, None}


def _names_beside(stream: str, count: int) -> list[str]:
    """Make names of no stream whose keys share a stream's bucket."""
    names = (f"{stream}/{number}" for number in itertools.count())
    bucket = bucket_of(key_of(stream))
    return list(itertools.islice((n for n in names if bucket_of(key_of(n)) == bucket), count))


async def test_a_new_owner_goes_on_with_the_same_map(database_url: str) -> None:
    """The map is read from its rows by whoever begins, and grows as if nobody had changed."""
    log = recorded(World(111).lives(40))
    entries = [encode_entry(event) for event in log]
    async with ledger(database_url) as store:
        await runner(store, TreeProjector())
        async with store.pool.acquire() as connection:
            await connection.execute("set search_path = view_tree, pg_catalog")
            for start in range(0, len(log), 100):
                await TreeProjector().apply(connection, log[start : start + 100])
                head = await tree.head(connection)
                assert head == _head(entries[: start + 100])
                assert (await read_map(connection)).root == head.streams_root
            await connection.execute("reset search_path")


async def test_tiles_are_rows_of_hashes(database_url: str) -> None:
    """A tile is there as wide as asked for, or not at all."""
    world = World(102)
    async with ledger(database_url) as store:
        head = await write(store, world.lives(40))
        await catch_up(await runner(store, TreeProjector()), head)
        entries = await _entries(store)
        first = b"".join(leaf_hash(entry) for entry in entries[:256])
        assert await tree.tile(store.pool, 0, 0) == first
        assert await tree.tile(store.pool, 0, 0, 3) == first[: 3 * HASH_BYTES]
        assert await tree.tile(store.pool, 1, 0, 1) == naive.root(entries[:256])
        last, width = divmod(head, 256)
        edge = await tree.tile(store.pool, 0, last, width)
        assert edge == b"".join(leaf_hash(entry) for entry in entries[last * 256 :])
        for level, index, wide in (
            (0, last, width + 1),
            (0, last + 1, 1),
            (1, 0, 256),
            (2, 0, 1),
            (9, 0, 1),
            (0, -1, 1),
            (0, 0, 0),
            (0, 0, 257),
        ):
            assert await tree.tile(store.pool, level, index, wide) is None


async def test_what_the_tree_has_not_reached_is_not_proved(database_url: str) -> None:
    """Sizes beyond the head have no answer, and positions beyond the size no meaning."""
    world = World(103)
    async with ledger(database_url) as store:
        head = await write(store, world.lives(3))
        await catch_up(await runner(store, TreeProjector()), head)
        for size in (head + 1, 2**62):
            assert await tree.head_at(store.pool, size) is None
            assert await tree.inclusion(store.pool, 1, size) is None
            assert await tree.consistency(store.pool, 1, size) is None
        for position, size in ((0, 1), (2, 1)):
            with pytest.raises(ValueError, match="not within"):
                await tree.inclusion(store.pool, position, size)
        with pytest.raises(ValueError, match="not within"):
            await tree.consistency(store.pool, 2, 1)


async def test_a_changed_event_makes_another_tree(database_url: str) -> None:
    """A log that was rewritten behind the ledger's back does not fold into the tree that was shown."""
    world = World(104)
    async with ledger(database_url) as store:
        head = await write(store, world.lives(20))
        await catch_up(await runner(store, TreeProjector()), head)
        assert (await verify(store.pool, store.tail, TreeProjector())).is_sound
        async with store.pool.acquire() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(
                "update ledger.events set actor = 'mallory' where position = 5"
            )
        async with ledger(database_url) as fresh:
            report = await verify(fresh.pool, fresh.tail, TreeProjector())
        assert {difference.table for difference in report.differences} == {
            "head",
            "tile",
            "stream_bucket",
            "stream_node",
        }


async def test_an_event_that_was_set_aside_stops_the_tree(database_url: str) -> None:
    """The tree waits for the event instead of leaving it out, and goes on once it is replayed."""
    world = World(105)
    async with ledger(database_url) as store:
        head = await write(store, world.lives(10))
        (event,) = await store.read_log(after=20, limit=1)
        run = await runner(store, TreeProjector())
        await run.step(until=20)
        # As the runner does with an event whose application ended the process again and again.
        await store.pool.execute(
            "insert into projections.quarantine values ('tree', 'live', $1, 21, 3, true)",
            event.stream,
        )
        await run.load()
        await run.step(until=21)
        with pytest.raises(TreeStalled, match="21"):
            await run.step()
        assert (await tree.head(store.pool)).size == 20
        replayed = await replay_quarantined(
            store.pool, store.read_stream, TreeProjector(), event.stream
        )
        assert (replayed.events, replayed.error) == (1, None)
        await run.load()
        await catch_up(run, head)
        assert await tree.head(store.pool) == _head(await _entries(store))


async def test_no_statement_scans_what_is_kept(database_url: str) -> None:
    """With many tiles and streams, growing and proving still look only at the few they need."""
    log = recorded(World(107).lives(10))
    async with ledger(database_url) as store:
        await runner(store, TreeProjector())
        async with store.pool.acquire() as connection:
            await connection.execute("set search_path = view_tree, pg_catalog")
            await TreeProjector().apply(connection, log)
            await connection.execute(
                "insert into tile select 0, i, 'x' from generate_series(1000, 60000) i"
            )
            await connection.execute(
                "insert into stream_bucket select i, 'x', 'x' from generate_series(0, 65535) i"
                " on conflict do nothing"
            )
            await connection.execute(
                "insert into stream_node select 8, i, decode(repeat('00', 512), 'hex')"
                " from generate_series(0, 255) i"
                " on conflict do nothing"
            )
            write, read = load(TREE / "write.sql"), load(TREE / "read.sql")
            for table, statement, *parameters in (
                ("tile t", write["edge"]),
                ("tile t", read["tiles"], [0, 0, 1], [0, 2000, 0]),
                ("stream_bucket b", write["buckets"], [1, 2, 70_000]),
                ("stream_bucket b", write["put_buckets"], [1, 70_000], [b"x"] * 2, [b"x"] * 2),
                ("stream_node n", write["put_nodes"], [8, 12], [5, 1], [b"x"] * 2),
                ("stream_bucket b", read["stream"], 7, range(16), [8, 12, 16], [5, 1, 0]),
                ("stream_node n", read["stream"], 7, range(16), [8, 12, 16], [5, 1, 0]),
            ):
                explained = await connection.fetch(f"explain {statement}", *parameters)
                plan = "\n".join(row[0] for row in explained)
                assert f"on {table}" in plan
                for one in ("tile", "stream_bucket", "stream_node"):
                    assert f"Seq Scan on {one}" not in plan
                assert "Hash Join" not in plan
            await connection.execute("reset search_path")


async def test_a_stream_that_cannot_be_continued_stops_the_tree(database_url: str) -> None:
    """An event whose version does not follow is not taken into the map of streams."""
    log = recorded(World(108).lives(20))
    async with ledger(database_url):
        connection: Connection = await asyncpg.connect(database_url)
        try:
            await fold_into(connection, "tree", TreeProjector(), log[:40])
            wrong = replace(log[40], version=log[40].version + 1)
            with pytest.raises(TreeStalled, match="41"):
                await TreeProjector().apply(connection, [wrong, *log[41:50]])
        finally:
            await connection.close()


async def test_rows_are_shown_as_they_are(database_url: str) -> None:
    """What is read raw is what entries are made of, by position, and of one stream by its index."""
    async with ledger(database_url) as store:
        head = await write(store, World(109).lives(12))
        events = await store.read_log(after=0, limit=head)
        pages = [page async for page in read_raw(store.pool, after=0, until=head, page=7)]
        shown = [event for page in pages for event in page]
        assert [event.entry for event in shown] == [encode_entry(event) for event in events]
        assert [event.line for event in shown] == [
            join_line(event.entry, event.salt, event.data) for event in shown
        ]
        stream = events[-1].stream
        async with store.pool.acquire() as connection:
            own = await read_raw_stream(connection, stream, head)
            assert [event.position for event in own] == [
                event.position for event in events if event.stream == stream
            ]
            # The log is short here, so that reading all of it would be the quickest.
            await connection.execute("set enable_seqscan = off")
            explained = await connection.fetch(f"explain {RAW['stream']}", stream, head)
            await connection.execute("reset enable_seqscan")
        plan = "\n".join(row[0] for row in explained)
        assert "events_000000_stream_version_idx" in plan
        assert "pkey on events" not in plan


async def test_damaged_tiles_stop_the_tree(database_url: str) -> None:
    """A tree whose right edge does not fit its size is not built upon."""
    log = recorded(World(106).lives(20))
    async with ledger(database_url):
        connection: Connection = await asyncpg.connect(database_url)
        try:
            await fold_into(connection, "tree", TreeProjector(), log[:40])
            await connection.execute("update tile set hashes = substr(hashes, 33) where level = 0")
            with pytest.raises(TreeStalled, match="40"):
                await TreeProjector().apply(connection, log[40:50])
        finally:
            await connection.close()
