"""Keeps the map of streams beside the tree; see `ledger.merkle.streams` for what it is."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ledger.errors import Unavailable
from ledger.merkle.streams import (
    NOTHING,
    Record,
    bucket_hash,
    bucket_of,
    key_of,
    next_chain,
    node_places,
    split_bucket,
    update_nodes,
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


async def extend_map(
    connection: Connection, fresh: Sequence[AnyRecorded], leaves: Sequence[bytes]
) -> bytes:
    """Take events and their leaf hashes into the map, and give its new root.

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
    places = node_places(touched)
    levels, indexes = [level for level, _ in places], [index for _, index in places]
    stored = {
        row["bucket"]: row["records"] for row in await connection.fetch(_WRITE["buckets"], touched)
    }
    nodes = {
        (row["level"], row["index"]): row["hashes"]
        for row in await connection.fetch(_WRITE["nodes"], levels, indexes)
        if row["hashes"] is not None
    }
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
    updated, root = update_nodes(nodes, hashes)
    await connection.execute(_WRITE["put_buckets"], touched, buckets)
    await connection.execute(
        _WRITE["put_nodes"],
        [level for level, _ in updated],
        [index for _, index in updated],
        list(updated.values()),
    )
    return root


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
