"""The map of streams: its root, kept node by node, and what its proofs show and do not show."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle.streams import (
    NOTHING,
    BucketTree,
    Record,
    StreamProof,
    bucket_hash,
    bucket_of,
    buckets_around,
    key_of,
    next_chain,
    node_places,
    prove_stream,
    streams_root,
    verify_stream,
)
from tests.unit.merkle import naive

NAMES = st.lists(st.text(max_size=8), unique=True, max_size=40)


def _crowd(count: int) -> list[str]:
    """Names whose keys share a bucket, and one bit or more beyond it."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        name = f"execution/{number}"
        if key_of(name)[:2] == key_of("execution/0")[:2]:
            found.append(name)
        number += 1
    return found


CROWD = _crowd(5)


def _record(name: str, version: int = 1) -> Record:
    return Record(key_of(name), version, hashlib.sha256(name.encode()).digest())


class Kept:
    """A map as it is stored: buckets with their hashes, and nodes above them."""

    def __init__(self) -> None:
        self.buckets: dict[int, dict[bytes, bytes]] = {}
        self.hashes: dict[int, bytes] = {}
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.tree = BucketTree()

    @property
    def root(self) -> bytes:
        """The root of all of it, which a tree made of the stored hashes has too."""
        stored = BucketTree()
        stored.put(self.hashes)
        assert stored.root == self.tree.root
        return self.tree.root

    def put(self, records: list[Record]) -> None:
        """Take in new or changed records."""
        for record in records:
            self.buckets.setdefault(bucket_of(record.key), {})[record.key] = record.raw
        changed = {
            n: bucket_hash(sorted(self.buckets[n].values()))
            for n in {bucket_of(record.key) for record in records}
        }
        self.hashes.update(changed)
        self.tree.put(changed)
        self.nodes.update((place, self.tree.node(*place)) for place in node_places(changed))

    def prove(self, name: str) -> StreamProof:
        """Prove what there is of a stream."""
        key = key_of(name)
        number = bucket_of(key)
        bucket = sorted(self.buckets.get(number, {}).values())
        around = [self.hashes.get(each) for each in buckets_around(number)]
        return prove_stream(key, bucket, around, self.nodes)


@given(NAMES, st.lists(st.sampled_from(CROWD), unique=True), st.integers(1, 9))
def test_kept_by_parts_is_computed_whole(names: list[str], crowd: list[str], portion: int) -> None:
    """However the records came, the root is that of the definition."""
    names = list(dict.fromkeys([*names, *crowd]))
    kept = Kept()
    for start in range(0, len(names), portion):
        kept.put([_record(name) for name in names[start : start + portion]])
    kept.put([_record(name, 2) for name in names[::2]])
    records = [_record(name, 2 - number % 2) for number, name in enumerate(names)]
    assert kept.root == streams_root(records)
    told = {
        name: (record.version, record.chain) for name, record in zip(names, records, strict=True)
    }
    assert kept.root == naive.streams_root(told)
    for name in [*names, *CROWD, "execution/none"]:
        proof = kept.prove(name)
        found = None if proof.found is None else proof.found.raw
        assert (found, list(proof.siblings)) == naive.stream_proof(name, told)


@given(NAMES, st.lists(st.sampled_from(CROWD), unique=True))
def test_every_stream_is_proved_or_proved_absent(names: list[str], crowd: list[str]) -> None:
    """A proof gives the record, or that there is none; under another root it gives nothing."""
    names = list(dict.fromkeys([*names, *crowd]))
    kept = Kept()
    if names:
        kept.put([_record(name) for name in names])
    for name in [*names, *CROWD, "execution/none"]:
        proof = kept.prove(name)
        found = verify_stream(name, proof, kept.root)
        assert found == (_record(name) if name in names else None)
        with pytest.raises(ValueError, match="does not lead"):
            verify_stream(name, proof, NOTHING)


def test_a_proof_is_of_one_stream_only() -> None:
    """What was proved of one stream says nothing of another, and a record cannot be hidden."""
    kept = Kept()
    kept.put([_record(name) for name in CROWD])
    one, other = CROWD[:2]
    proof = kept.prove(one)
    record = proof.found
    assert record is not None
    for false in (
        StreamProof(None, proof.siblings),
        StreamProof(Record(record.key, record.version - 1, record.chain), proof.siblings),
        StreamProof(Record(record.key, record.version, NOTHING), proof.siblings),
        StreamProof(_record(other), proof.siblings),
        StreamProof(record, proof.siblings[:-1]),
        StreamProof(record, proof.siblings[1:]),
        StreamProof(record, (*proof.siblings, NOTHING)),
        StreamProof(record, ()),
        StreamProof(record, (b"", *proof.siblings[1:])),
        StreamProof(Record(record.key[:-1], record.version, record.chain), proof.siblings),
    ):
        with pytest.raises(ValueError, match="proof"):
            verify_stream(one, false, kept.root)
    with pytest.raises(ValueError, match="proof"):
        verify_stream("execution/elsewhere", proof, kept.root)


def test_a_known_map() -> None:
    """The root of a small map, written down: it may never come out otherwise."""
    chain = next_chain(next_chain(NOTHING, b"\1" * 32), b"\2" * 32)
    records = [Record(key_of("job/default/a"), 2, chain), Record(key_of("key/b"), 1, NOTHING)]
    assert streams_root([]).hex() == ROOT_OF_NONE
    assert streams_root(records).hex() == ROOT_OF_TWO


ROOT_OF_NONE = "bbc84bb1eca9b98b546708cadcf829983dd03da168f65aeae21724003072c21a"
ROOT_OF_TWO = "7c9d145f713fa2cf31ce45e7b2fbb79eda8a564eaefbb897d41cb94e22647798"
