"""A tree hashed from left to right, with stretches left out."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle.frontier import Frontier, cover
from ledger.merkle.tree import EMPTY_ROOT, leaf_hash
from tests.unit.merkle import naive


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_cover_is_made_of_aligned_subtrees(start: int, more: int) -> None:
    """Subtrees follow each other without a gap, each aligned to its own width, few of them."""
    at = start
    nodes = cover(start, start + more)
    for node in nodes:
        assert node.index << node.height == at
        at += 1 << node.height
    assert at == start + more
    assert len(nodes) <= 2 * max(more, 1).bit_length()


@given(st.integers(1, 200), st.data())
def test_leaves_and_covers_make_the_tree(size: int, data: st.DataObject) -> None:
    """Whatever is left out, the root is that of all leaves, at every size on the way."""
    entries = [b"%d" % number for number in range(size)]
    cuts = sorted({0, size, *data.draw(st.lists(st.integers(0, size), max_size=8))})
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT
    for number, (start, end) in enumerate(pairwise(cuts)):
        if number % 2:
            for entry in entries[start:end]:
                frontier.add(leaf_hash(entry))
        else:
            hashes = [
                naive.root(entries[node.index << node.height : (node.index + 1) << node.height])
                for node in cover(start, end)
            ]
            frontier.skip(end, hashes)
        copy = frontier.copy()
        assert copy.root() == frontier.root() == naive.root(entries[:end])
        copy.add(leaf_hash(b"other"))
        assert frontier.root() == naive.root(entries[:end])


def test_a_cover_takes_all_its_hashes() -> None:
    """One hash too many or too few is refused."""
    hashed = hashlib.sha256(b"x").digest()
    for count in (0, 1, 3):
        with pytest.raises(ValueError, match="zip"):
            Frontier().skip(3, [hashed] * count)
