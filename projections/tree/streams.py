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
    raw_record,
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
    """Make the tree above the buckets from their stored hashes."""
    above = BucketTree()
    above.put(dict(await connection.fetch(_WRITE["bucket_hashes"])))
    return above


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
    by_stream: defaultdict[str, list[int]] = defaultdict(list)
    for number, event in enumerate(fresh):
        by_stream[event.stream].append(number)
    by_bucket: defaultdict[int, dict[bytes, list[int]]] = defaultdict(dict)
    for stream, numbers in by_stream.items():
        key = key_of(stream)
        by_bucket[bucket_of(key)][key] = numbers
    touched = sorted(by_bucket)
    stored = dict(await connection.fetch(_WRITE["buckets"], touched))
    buckets: list[bytes] = []
    hashes: dict[int, bytes] = {}
    for bucket in touched:
        records = {raw[:HASH_BYTES]: raw for raw in split_bucket(stored[bucket] or b"")}
        for key, numbers in by_bucket[bucket].items():
            records[key] = _extended(key, records.get(key), fresh, leaves, numbers)
        ordered = sorted(records.values())
        buckets.append(b"".join(ordered))
        hashes[bucket] = bucket_hash(ordered)
    above.put(hashes)
    places = node_places(touched)
    await connection.execute(_WRITE["put_buckets"], touched, list(hashes.values()), buckets)
    await connection.execute(
        _WRITE["put_nodes"],
        [height for height, _ in places],
        [index for _, index in places],
        [above.node(height, index) for height, index in places],
    )


def _extended(
    key: bytes,
    stored: bytes | None,
    fresh: Sequence[AnyRecorded],
    leaves: Sequence[bytes],
    numbers: Sequence[int],
) -> bytes:
    """Take a stream's events into its record, which is not stored yet if this is its beginning."""
    version, chain = 0, NOTHING
    if stored is not None:
        record = Record.of(stored)
        version, chain = record.version, record.chain
    for number in numbers:
        version += 1
        if fresh[number].version != version:
            raise TreeStalled(
                f"the event at position {fresh[number].position} is version"
                f" {fresh[number].version} of its stream, where {version} is expected"
            )
        chain = next_chain(chain, leaves[number])
    return raw_record(key, version, chain)
