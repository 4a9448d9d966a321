"""The tree against the published vectors, and against an implementation of its own kind."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.merkle.proof import (
    MAX_SIZE,
    MissingTile,
    TileAt,
    consistency,
    inclusion,
    root,
    verify_consistency,
    verify_inclusion,
)
from ledger.merkle.tree import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_BYTES,
    Edge,
    edge_widths,
    grow,
    leaf_hash,
    root_of,
)
from tests.unit.merkle import naive

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""The test data of the Certificate Transparency reference implementation, and its results."""
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
INCLUSIONS = (
    (1, 1, ()),
    (
        1,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        6,
        8,
        (
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (3, 3, ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",)),
    (
        2,
        5,
        (
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ),
    ),
)
"""Number of the leaf, from 1; size; proof."""
CONSISTENCIES = (
    (1, 1, ()),
    (
        1,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        6,
        8,
        (
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (
        2,
        5,
        (
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ),
    ),
)


def grown(entries: list[bytes], *cuts: int) -> tuple[Edge, dict[TileAt, bytes]]:
    """Grow a tree in the given pieces, and give its edge and tiles."""
    edge = Edge()
    tiles: dict[TileAt, bytes] = {}
    for start, end in pairwise((0, *sorted(cuts), len(entries))):
        more = grow(edge, [leaf_hash(entry) for entry in entries[start:end]])
        edge = more.edge
        for tile in more.tiles:
            before = tiles.get((tile.level, tile.index), b"")
            assert tile.hashes.startswith(before)
            assert len(tile.hashes) > len(before)
            tiles[tile.level, tile.index] = tile.hashes
    return edge, tiles


def numbered(count: int) -> list[bytes]:
    """Make that many entries."""
    return [b"entry %d" % number for number in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    """The roots are those of RFC 6962's reference implementation."""
    edge, tiles = grown(LEAVES[:size])
    assert root_of(edge).hex() == ROOTS[size]
    assert [each.hex() for each in root(size).hashes(tiles)] == ([ROOTS[size]] if size else [])
    assert naive.root(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("number", "size", "proof"), INCLUSIONS)
def test_published_inclusion_proofs(number: int, size: int, proof: tuple[str, ...]) -> None:
    """The inclusion proofs are those of the reference implementation, and verify."""
    _, tiles = grown(LEAVES)
    made = inclusion(number - 1, size).hashes(tiles)
    assert [each.hex() for each in made] == list(proof)
    leaf = leaf_hash(LEAVES[number - 1])
    assert verify_inclusion(leaf, number - 1, size, made, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCIES)
def test_published_consistency_proofs(old: int, new: int, proof: tuple[str, ...]) -> None:
    """The consistency proofs are those of the reference implementation, and verify."""
    _, tiles = grown(LEAVES)
    made = consistency(old, new).hashes(tiles)
    assert [each.hex() for each in made] == list(proof)
    old_root, new_root = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new])
    assert verify_consistency(old, new, old_root, new_root, made)


def test_every_proof_of_a_small_tree() -> None:
    """All proofs at all sizes up to 40 are the naive ones, verify, and prove nothing else."""
    entries = numbered(40)
    _, tiles = grown(entries, 3, 17)
    roots = [naive.root(entries[:size]) for size in range(41)]
    for size in range(1, 41):
        for index in range(size):
            proof = inclusion(index, size).hashes(tiles)
            assert list(proof) == naive.path(index, entries[:size])
            leaf = leaf_hash(entries[index])
            assert verify_inclusion(leaf, index, size, proof, roots[size])
            assert not verify_inclusion(leaf, index + 1, size, proof, roots[size])
            assert not verify_inclusion(leaf, index, size, proof, roots[size - 1])
            assert not verify_inclusion(leaf, index, size, (*proof, leaf), roots[size])
        for old in range(1, size + 1):
            proof = consistency(old, size).hashes(tiles)
            assert list(proof) == naive.proof(old, entries[:size])
            assert verify_consistency(old, size, roots[old], roots[size], proof)
            assert not verify_consistency(old - 1, size, roots[old], roots[size], proof)
            assert not verify_consistency(old, size, roots[old - 1], roots[size], proof)
            assert not verify_consistency(old, size, roots[old], roots[size - 1], proof)
            assert not verify_consistency(old, size, roots[old], roots[size], (*proof, roots[1]))


@settings(max_examples=20)
@given(st.data())
def test_trees_of_any_size_grown_in_any_pieces(data: st.DataObject) -> None:
    """Tiles, roots and proofs do not depend on how the leaves came, and are the naive ones."""
    size = data.draw(
        st.one_of(st.integers(0, 1500), st.sampled_from((255, 256, 257, 512, 65536, 65537 + 300)))
    )
    cuts = data.draw(st.lists(st.integers(0, size), max_size=5))
    entries = numbered(size)
    edge, tiles = grown(entries, *cuts)
    assert grown(entries)[1] == tiles
    assert edge.size == size
    assert tuple(len(hashes) // HASH_BYTES for hashes in edge.tiles) == edge_widths(size)
    assert root_of(edge) == naive.root(entries)
    at = data.draw(st.integers(0, size))
    assert (root(at).hashes(tiles) or (EMPTY_ROOT,)) == (naive.root(entries[:at]),)
    if at:
        index = data.draw(st.integers(0, at - 1))
        assert list(inclusion(index, at).hashes(tiles)) == naive.path(index, entries[:at])
        assert list(consistency(at, size).hashes(tiles)) == naive.proof(at, entries)


@given(st.integers(1, MAX_SIZE), st.data())
def test_plans_for_any_size_are_small(size: int, data: st.DataObject) -> None:
    """A proof in the largest possible tree takes few tiles, all of them within the tree."""
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    for plan in (inclusion(index, size), consistency(old, size), root(size)):
        assert len(plan.spans) <= 64
        assert len(plan.tiles) <= 24
        for level, tile in plan.tiles:
            assert 0 <= tile << 8 * (level + 1) < size


@given(st.lists(st.binary(min_size=31, max_size=33), max_size=70), st.data())
def test_verifiers_answer_to_anything(proof: list[bytes], data: st.DataObject) -> None:
    """Numbers and proofs that make no sense are refused and nothing else happens."""
    old, new = data.draw(st.integers()), data.draw(st.integers())
    leaf = leaf_hash(b"a")
    assert not verify_inclusion(leaf, old, new, proof, EMPTY_ROOT)
    assert verify_consistency(old, new, EMPTY_ROOT, leaf, proof) == (
        old == 0 < new <= MAX_SIZE and not proof
    )


def test_a_changed_proof_proves_nothing() -> None:
    """A flipped bit in any hash of a proof is noticed."""
    entries = numbered(300)
    _, tiles = grown(entries)
    whole, old = naive.root(entries), naive.root(entries[:123])
    inclusive = list(inclusion(77, 300).hashes(tiles))
    consistent = list(consistency(123, 300).hashes(tiles))
    leaf = leaf_hash(entries[77])
    for proof in (inclusive, consistent):
        for place, right in enumerate(proof):
            proof[place] = bytes([right[0] ^ 1]) + right[1:]
            assert not (
                verify_inclusion(leaf, 77, 300, inclusive, whole)
                and verify_consistency(123, 300, old, whole, consistent)
            )
            proof[place] = right
    assert verify_inclusion(leaf, 77, 300, inclusive, whole)
    assert verify_consistency(123, 300, old, whole, consistent)


def test_a_tile_that_is_not_there_is_named() -> None:
    """Without its tiles, or with shorter ones, no proof is made."""
    _, tiles = grown(numbered(300))
    for given_tiles in ({}, {**tiles, (0, 0): tiles[0, 0][: TILE_BYTES - HASH_BYTES]}):
        with pytest.raises(MissingTile):
            inclusion(290, 300).hashes({**given_tiles, (1, 0): b""})
    with pytest.raises(MissingTile):
        inclusion(0, 301).hashes(tiles)


def test_what_no_tree_has_is_refused() -> None:
    """Leaves beyond the end and shrinking trees have no proofs."""
    for plan, low, size in ((inclusion, 3, 3), (inclusion, -1, 3), (consistency, 4, 3)):
        with pytest.raises(ValueError, match="not within"):
            plan(low, size)
