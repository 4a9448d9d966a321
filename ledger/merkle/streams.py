"""The map of streams: how many events each stream has, committed to by one root in each tree head.

The tree over the entries proves that an event is in the log. It cannot prove that no other event of
an execution is, nor that a stream does not exist. For that a head has a second root, over a map that
holds one record for each stream. All of it follows from the entries, so whoever has them computes
the root anew. What follows here is all that a second implementation needs:

    key        SHA-256(the stream's name in UTF-8)                                       32 bytes
    chain      of version v: SHA-256(chain of v - 1 ‖ leaf hash of the stream's entry v)  32 bytes
               that of version 0 is 32 zero bytes
    record     key ‖ version, as 8 bytes, most significant first ‖ chain                  72 bytes

    hash(records, depth) =
        32 zero bytes                                  there is none, and depth >= 16
        SHA-256(0x00 ‖ record)                         there is one, and depth >= 16
        SHA-256(0x01 ‖ hash(those whose key has a 0 at bit `depth`, depth + 1)
                     ‖ hash(those whose key has a 1 there, depth + 1))           else

    root       hash(all records, 0)

Bits are counted from the most significant bit of the key's first byte. Records are of a stream's
newest version only. So the first 16 levels are always there, down to 65,536 buckets, and below them
the tree is only as deep as it takes to tell the keys apart.

A proof follows a key's bits down from the root until a record stands alone or there is none. It
shows what is there: the stream's own record, nothing, or another stream's record, and then the
stream does not exist. Otherwise it shows hashes only. They cannot be guessed: a record's chain
depends on event ids and on salted digests.

Limit: an update hashes its stream's bucket anew, so with tens of millions of streams somebody would
have to keep hashes further down. What is hashed would not change.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from ledger.merkle.tree import HASH_BYTES, node_hash, subtree_hash

BUCKET_BITS: Final = 16
BUCKETS: Final = 1 << BUCKET_BITS
NODE_BITS: Final = 4
NODE_WIDTH: Final = 1 << NODE_BITS
"""Hashes that a stored node holds: of the 16 subtrees four levels below it."""
NODE_HEIGHTS: Final = range(2 * NODE_BITS, BUCKET_BITS + 1, NODE_BITS)
"""How far above the buckets nodes are stored; one is over 2**height buckets. There are none over 16,
because the hash of each bucket is stored beside its records."""
KEY_BITS: Final = 8 * HASH_BYTES
NOTHING: Final = bytes(HASH_BYTES)
"""The hash of an empty bucket, or of an empty part of one; also the chain of version 0."""
_VERSION_BYTES: Final = 8
RECORD_BYTES: Final = 2 * HASH_BYTES + _VERSION_BYTES


class Record(Struct, frozen=True):
    """What the map says of a stream."""

    key: bytes
    version: int
    """How many events the stream has."""
    chain: bytes
    """Binds all of them, in order."""

    @property
    def raw(self) -> bytes:
        """Its 72 bytes."""
        return raw_record(self.key, self.version, self.chain)

    @classmethod
    def of(cls, raw: bytes) -> "Record":
        """Read 72 bytes."""
        version = int.from_bytes(raw[HASH_BYTES:-HASH_BYTES], "big")
        return cls(raw[:HASH_BYTES], version, raw[-HASH_BYTES:])


def raw_record(key: bytes, version: int, chain: bytes) -> bytes:
    """Give the 72 bytes of a record."""
    return key + version.to_bytes(_VERSION_BYTES, "big") + chain


class StreamProof(Struct, frozen=True):
    """What stands where a stream's record is, or would be."""

    found: Record | None
    """The one record there: the stream's own, or another's; None when there is none."""
    siblings: tuple[bytes, ...]
    """The hashes beside the way, from the root down."""


def key_of(stream: str) -> bytes:
    """Give a stream's place in the map."""
    return hashlib.sha256(stream.encode()).digest()


def next_chain(chain: bytes, leaf: bytes) -> bytes:
    """Add an event's leaf hash to its stream's chain."""
    return hashlib.sha256(chain + leaf).digest()


def bucket_of(key: bytes) -> int:
    """Give the number of a key's bucket."""
    return int.from_bytes(key[:2], "big")


def split_bucket(raw: bytes) -> list[bytes]:
    """Take a bucket's records apart."""
    return [raw[start : start + RECORD_BYTES] for start in range(0, len(raw), RECORD_BYTES)]


def bucket_hash(records: Sequence[bytes]) -> bytes:
    """Hash the records of one bucket, which are sorted."""
    return _hash(records, BUCKET_BITS)


def buckets_around(bucket: int) -> range:
    """Name the 16 buckets of the subtree, four levels high, that a bucket is in."""
    first = bucket - bucket % NODE_WIDTH
    return range(first, first + NODE_WIDTH)


def node_places(buckets: Iterable[int]) -> list[tuple[int, int]]:
    """Name the stored nodes above buckets, as height and index, lowest first."""
    places: list[tuple[int, int]] = []
    indexes = {bucket >> NODE_BITS for bucket in buckets}
    for height in NODE_HEIGHTS:
        indexes = {index >> NODE_BITS for index in indexes}
        places.extend((height, index) for index in sorted(indexes))
    return places


class BucketTree:
    """The tree above the buckets, in memory: 12 MB, in which a change costs the way to the root.

    It may stand for what is stored only as long as the two have the same root.
    """

    def __init__(self) -> None:
        self._hashes = [NOTHING]
        """Place 1 is the root's, and below place n are 2n and 2n + 1; the buckets' come last."""
        for height in reversed(range(BUCKET_BITS + 1)):
            self._hashes += [_EMPTY_HASHES[height]] * (BUCKETS >> height)

    def put(self, changed: Mapping[int, bytes]) -> None:
        """Take in new hashes of buckets."""
        hashes, sha256 = self._hashes, hashlib.sha256
        for bucket, hashed in changed.items():
            hashes[BUCKETS + bucket] = hashed
        places = {(BUCKETS + bucket) >> 1 for bucket in changed}
        while places:
            for place in places:
                below = hashes[2 * place] + hashes[2 * place + 1]
                hashes[place] = sha256(b"\x01" + below).digest()
            places = {place >> 1 for place in places if place > 1}

    @property
    def root(self) -> bytes:
        """The hash over all buckets."""
        return self._hashes[1]

    def node(self, height: int, index: int) -> bytes:
        """Give a node as it is stored."""
        first = (BUCKETS >> height - NODE_BITS) + index * NODE_WIDTH
        return b"".join(self._hashes[first : first + NODE_WIDTH])


def streams_root(records: Iterable[Record]) -> bytes:
    """Compute the root over all records, in any order."""
    buckets: dict[int, list[bytes]] = {}
    for record in records:
        buckets.setdefault(bucket_of(record.key), []).append(record.raw)
    tree = BucketTree()
    tree.put({number: bucket_hash(sorted(raw)) for number, raw in buckets.items()})
    return tree.root


def prove_stream(
    key: bytes,
    bucket: Sequence[bytes],
    around: Iterable[bytes | None],
    nodes: Mapping[tuple[int, int], bytes],
) -> StreamProof:
    """Prove what the map holds for a key, from what is stored.

    That is the sorted records of its bucket, the hashes of the `buckets_around` it in their order, and
    the nodes at its `node_places`. What is None or missing is empty.
    """
    siblings: list[bytes] = []
    number = bucket_of(key)
    for height in reversed(NODE_HEIGHTS):
        below = height - NODE_BITS
        hashes = nodes.get((height, number >> height), _EMPTY_HASHES[below] * NODE_WIDTH)
        siblings.extend(_beside((number >> below) % NODE_WIDTH, hashes))
    hashes = b"".join(hashed or NOTHING for hashed in around)
    siblings.extend(_beside(number % NODE_WIDTH, hashes))
    records, depth = list(bucket), BUCKET_BITS
    while len(records) > 1:
        sides: tuple[list[bytes], list[bytes]] = ([], [])
        for record in records:
            sides[_bit(record, depth)].append(record)
        own = _bit(key, depth)
        siblings.append(_hash(sides[1 - own], depth + 1))
        records = sides[own]
        depth += 1
    return StreamProof(Record.of(records[0]) if records else None, tuple(siblings))


def verify_stream(stream: str, proof: StreamProof, root: bytes) -> Record | None:
    """Give the stream's record under a root, or None where the proof shows that there is none.

    Raises:
        ValueError: the proof shows nothing under that root.
    """
    key = key_of(stream)
    depth = len(proof.siblings)
    if not BUCKET_BITS <= depth <= KEY_BITS or any(len(s) != HASH_BYTES for s in proof.siblings):
        raise ValueError("the proof of the stream has the wrong length")
    hashed = NOTHING
    found = proof.found
    if found is not None:
        if len(found.raw) != RECORD_BYTES or len(found.key) != HASH_BYTES:
            raise ValueError("what the proof of the stream shows is no record")
        if any(_bit(found.key, place) != _bit(key, place) for place in range(depth)):
            raise ValueError("the proof is about another place than the stream's")
        hashed = _record_hash(found.raw)
    for place, sibling in reversed(list(enumerate(proof.siblings))):
        pair = (sibling, hashed) if _bit(key, place) else (hashed, sibling)
        hashed = node_hash(*pair)
    if hashed != root:
        raise ValueError("the proof of the stream does not lead to the root of the map")
    return found if found is not None and found.key == key else None


def _bit(key: bytes, place: int) -> int:
    return key[place >> 3] >> (7 - (place & 7)) & 1


def _record_hash(record: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + record).digest()


def _hash(records: Sequence[bytes], depth: int) -> bytes:
    """Hash records that are sorted and have the bits before *depth* in common."""
    if len(records) < 2:
        return _record_hash(records[0]) if records else NOTHING
    byte, mask = depth >> 3, 0x80 >> (depth & 7)
    zeros = 0
    for record in records:
        if record[byte] & mask:
            break
        zeros += 1
    return node_hash(_hash(records[:zeros], depth + 1), _hash(records[zeros:], depth + 1))


def _beside(slot: int, hashes: bytes) -> Iterator[bytes]:
    """Give what stands beside the way to a slot, from the top down."""
    for height in reversed(range(NODE_BITS)):
        other = (slot >> height ^ 1) << height
        yield subtree_hash(hashes[other * HASH_BYTES : (other + (1 << height)) * HASH_BYTES])


def _empty() -> tuple[bytes, ...]:
    """Give the hash of an empty subtree for each height above the buckets."""
    hashes = [NOTHING]
    for _ in range(BUCKET_BITS):
        hashes.append(node_hash(hashes[-1], hashes[-1]))
    return tuple(hashes)


_EMPTY_HASHES: Final = _empty()
EMPTY_STREAMS_ROOT: Final = _EMPTY_HASHES[BUCKET_BITS]
