"""The tree, its proofs and the map of streams as they are defined: recursive, slow, from entries.

Written from RFC 6962 section 2.1 and from what the docstrings specify, with no code in common.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache


def _hash(prefix: int, content: bytes) -> bytes:
    return hashlib.sha256(bytes([prefix]) + content).digest()


def _split(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def root(entries: Sequence[bytes]) -> bytes:
    """MTH."""
    match len(entries):
        case 0:
            return hashlib.sha256().digest()
        case 1:
            return _hash(0, entries[0])
        case count:
            split = _split(count)
            return _hash(1, root(entries[:split]) + root(entries[split:]))


def path(index: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH."""
    if len(entries) == 1:
        return []
    split = _split(len(entries))
    if index < split:
        return [*path(index, entries[:split]), root(entries[split:])]
    return [*path(index - split, entries[split:]), root(entries[:split])]


def proof(old: int, entries: Sequence[bytes]) -> list[bytes]:
    """PROOF."""
    return _subproof(old, entries, whole=True)


def _subproof(old: int, entries: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old == len(entries):
        return [] if whole else [root(entries)]
    split = _split(len(entries))
    if old <= split:
        return [*_subproof(old, entries[:split], whole=whole), root(entries[split:])]
    return [*_subproof(old - split, entries[split:], whole=False), root(entries[:split])]


def streams(entries: Sequence[bytes]) -> dict[str, tuple[int, bytes]]:
    """Version and chain of each stream, from the entries."""
    found: dict[str, tuple[int, bytes]] = {}
    for entry in entries:
        name = json.loads(entry)["stream"]
        version, chain = found.get(name, (0, bytes(32)))
        found[name] = (version + 1, hashlib.sha256(chain + _hash(0, entry)).digest())
    return found


def streams_root(found: Mapping[str, tuple[int, bytes]]) -> bytes:
    """The root of the map of streams, as `ledger.merkle.streams` describes it."""
    return _map_hash(_map_records(found), 0)


def stream_proof(
    name: str, found: Mapping[str, tuple[int, bytes]]
) -> tuple[bytes | None, list[bytes]]:
    """The record where a stream's is or would be, and the hashes beside the way to it."""
    key, records = hashlib.sha256(name.encode()).digest(), _map_records(found)
    siblings: list[bytes] = []
    while len(siblings) < 16 or len(records) > 1:
        depth = len(siblings)
        sides = _map_sides(records, depth)
        own = _map_bit(key, depth)
        siblings.append(_map_hash(sides[1 - own], depth + 1))
        records = sides[own]
    return (records[0] if records else None), siblings


def _map_records(found: Mapping[str, tuple[int, bytes]]) -> list[bytes]:
    return [
        hashlib.sha256(name.encode()).digest() + version.to_bytes(8, "big") + chain
        for name, (version, chain) in found.items()
    ]


def _map_sides(records: Sequence[bytes], depth: int) -> tuple[list[bytes], list[bytes]]:
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    for record in records:
        sides[_map_bit(record, depth)].append(record)
    return sides


def _map_bit(record: bytes, depth: int) -> int:
    return int.from_bytes(record[:32], "big") >> (255 - depth) & 1


def _map_hash(records: Sequence[bytes], depth: int) -> bytes:
    if depth >= 16 and not records:
        return bytes(32)
    if depth >= 16 and len(records) == 1:
        return _hash(0, records[0])
    if not records:
        return _empty_map(depth)
    sides = _map_sides(records, depth)
    return _hash(1, _map_hash(sides[0], depth + 1) + _map_hash(sides[1], depth + 1))


@cache
def _empty_map(depth: int) -> bytes:
    return bytes(32) if depth == 16 else _hash(1, _empty_map(depth + 1) * 2)
