"""Keeps the map of streams beside the tree; see `ledger.merkle.streams` for what it is."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ledger.errors import Unavailable
from ledger.merkle.streams import (
    NOTHING,
    BucketTree,
    Record,
    bucket_hash,
    bucket_of,
    key_of,
    next_chain,
    node_places,
    split_bucket,
)
from ledger.merkle.tree import HASH_BYTES
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.port import Connection

_WRITE: Final = load(Path(__file__).parent / "sql" / "write.sql")


class TreeStalled(Unavailable):
    """The tree cannot go on from where it is.

    It is no fault of the event that came, so that event is not set aside.
    """


async def read_map(connection: Connection) -> BucketTree:
    """Read what is stored above the buckets."""
    rows = await connection.fetch(_WRITE["lowest_nodes"])
    return BucketTree((row["index"], row["hashes"]) for row in rows)


async def extend_map(
    connection: Connection,
    above: BucketTree,
    fresh: Sequence[AnyRecorded],
    leaves: Sequence[bytes],
) -> None:
    """Take events and their leaf hashes into the stored map, and into the tree above its buckets.

    Raises:
        TreeStalled: an event's version does not follow its stream's last one.
    """
    by_bucket: defaultdict[int, defaultdict[bytes, list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    keys: dict[str, bytes] = {}
    for number, event in enumerate(fresh):
        key = keys.get(event.stream)
        if key is None:
            key = keys[event.stream] = key_of(event.stream)
        by_bucket[bucket_of(key)][key].append(number)
    touched = sorted(by_bucket)
    stored = dict(await connection.fetch(_WRITE["buckets"], touched))
    buckets: list[bytes] = []
    hashes: dict[int, bytes] = {}
    for bucket in touched:
        records = {raw[:HASH_BYTES]: raw for raw in split_bucket(stored[bucket] or b"")}
        for key, numbers in by_bucket[bucket].items():
            record = Record.of(records[key]) if key in records else Record(key, 0, NOTHING)
            records[key] = _extended(record, fresh, leaves, numbers).raw
        ordered = sorted(records.values())
        buckets.append(b"".join(ordered))
        hashes[bucket] = bucket_hash(ordered)
    above.put(hashes)
    places = node_places(touched)
    await connection.execute(_WRITE["put_buckets"], touched, buckets)
    await connection.execute(
        _WRITE["put_nodes"],
        [level for level, _ in places],
        [index for _, index in places],
        [above.node(level, index) for level, index in places],
    )


def _extended(
    record: Record,
    fresh: Sequence[AnyRecorded],
    leaves: Sequence[bytes],
    numbers: Sequence[int],
) -> Record:
    version, chain = record.version, record.chain
    for number in numbers:
        event = fresh[number]
        version += 1
        if event.version != version:
            raise TreeStalled(
                f"the event at position {event.position} is version {event.version} of its stream,"
                f" where {version} is expected"
            )
        chain = next_chain(chain, leaves[number])
    return Record(record.key, version, chain)
