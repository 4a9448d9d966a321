"""Proofs: that an entry is in a tree, and that one tree is the beginning of another.

Making one: `inclusion`, `consistency` and `root` give a `Plan`, which names the tiles it needs and
computes the hashes from them. Checking one needs no tiles and trusts nothing it is given.

Limit: a proof shows nothing without a root that the checker has from a head it believes.

Source: RFC 9162 sections 2.1.3 and 2.1.4.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from ledger.merkle.tree import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    node_hash,
    subtree_hash,
)

TileAt: TypeAlias = tuple[int, int]
"""Level and index."""
MAX_SIZE: Final = 2**63 - 1


class MissingTile(LookupError):
    """A tile that the plan named was not given, or is not as wide as the tree makes it."""


class Node(Struct, frozen=True):
    """The root of a perfect subtree: of `2**height` leaves from `index * 2**height` on."""

    height: int
    index: int

    @property
    def tile(self) -> TileAt:
        """The tile that it is in, or that holds the hashes below it."""
        level, within = divmod(self.height, TILE_HEIGHT)
        return level, (self.index << within) // TILE_WIDTH

    def hash(self, tiles: Mapping[TileAt, bytes]) -> bytes:
        """Compute it.

        Raises:
            MissingTile: its tile is missing or too short.
        """
        within = self.height % TILE_HEIGHT
        start = (self.index << within) % TILE_WIDTH * HASH_BYTES
        end = start + (HASH_BYTES << within)
        hashes = tiles.get(self.tile, b"")
        if len(hashes) < end:
            raise MissingTile(self.tile)
        return subtree_hash(hashes[start:end])


class Span(Struct, frozen=True):
    """The subtree over the leaves from `start` to before `end`; perfect ones stand leftmost."""

    start: int
    end: int

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Its perfect subtrees, from left to right."""
        nodes = []
        start = self.start
        while start < self.end:
            height = (self.end - start).bit_length() - 1
            nodes.append(Node(height, start >> height))
            start += 1 << height
        return tuple(nodes)

    def hash(self, tiles: Mapping[TileAt, bytes]) -> bytes:
        """Compute its root.

        Raises:
            MissingTile: a tile is missing or too short.
        """
        *left, last = (node.hash(tiles) for node in self.nodes)
        for subtree in reversed(left):
            last = node_hash(subtree, last)
        return last


class Plan(Struct, frozen=True):
    """Hashes to compute, in order."""

    spans: tuple[Span, ...]

    @property
    def tiles(self) -> frozenset[TileAt]:
        """The tiles it takes to compute them."""
        return frozenset(node.tile for span in self.spans for node in span.nodes)

    def hashes(self, tiles: Mapping[TileAt, bytes]) -> tuple[bytes, ...]:
        """Compute the hashes; tiles may be wider than they were at the size asked for.

        Raises:
            MissingTile: a tile is missing or too short.
        """
        return tuple(span.hash(tiles) for span in self.spans)


def root(size: int) -> Plan:
    """Plan the root of the tree of the first *size* leaves; nothing to compute when it is empty.

    Raises:
        ValueError: there is no such size.
    """
    _check(size, size)
    return Plan((Span(0, size),) if size else ())


def inclusion(index: int, size: int) -> Plan:
    """Plan the proof that the leaf *index* (from 0) is in the tree of *size* leaves.

    Order: from the leaf to the root.

    Raises:
        ValueError: the tree has no such leaf.
    """
    _check(index, size - 1)
    return Plan(tuple(_descend(index, size)[1]))


def consistency(old: int, new: int) -> Plan:
    """Plan the proof that the tree of *old* leaves is the beginning of that of *new* ones.

    Raises:
        ValueError: *old* is larger than *new*.
    """
    _check(old, new)
    if old in (0, new):
        return Plan(())
    # The last old leaf, followed up to the subtree that ends with it: the old tree's right edge.
    start, end, spans = 0, new, []
    while end != old:
        split = start + _split(end - start)
        if old <= split:
            spans.append(Span(split, end))
            end = split
        else:
            spans.append(Span(start, split))
            start = split
    if start:
        spans.append(Span(start, end))
    return Plan(tuple(reversed(spans)))


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> bool:
    """Check that a leaf hash is number *index* (from 0) of the tree with that size and root."""
    if not 0 <= index < size <= MAX_SIZE or not _are_hashes(leaf, *proof):
        return False
    is_right_side, _ = _descend(index, size)
    if len(is_right_side) != len(proof):
        return False
    computed = leaf
    for is_right, sibling in zip(is_right_side, proof, strict=True):
        computed = node_hash(sibling, computed) if is_right else node_hash(computed, sibling)
    return computed == expected_root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Check that the tree with the old size and root is the beginning of the new one."""
    if not 0 <= old <= new <= MAX_SIZE or not _are_hashes(old_root, new_root, *proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    # Where the old tree is one perfect subtree, the proof leaves its root out.
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    computed_old = computed_new = path[0]
    for sibling in path[1:]:
        if not last:
            return False
        if node & 1 or node == last:
            computed_old = node_hash(sibling, computed_old)
            computed_new = node_hash(sibling, computed_new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            computed_new = node_hash(computed_new, sibling)
        node, last = node >> 1, last >> 1
    return not last and computed_old == old_root and computed_new == new_root


def _check(low: int, high: int) -> None:
    if not 0 <= low <= high <= MAX_SIZE:
        message = f"{low} is not within 0 to {high}"
        raise ValueError(message)


def _are_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)


def _split(count: int) -> int:
    """Give the size of the left subtree: the largest power of two below *count*."""
    return 1 << (count - 1).bit_length() - 1


def _descend(index: int, size: int) -> tuple[list[bool], list[Span]]:
    """Tell, from leaf to root, which side the path comes from and what stands on the other."""
    start, end = 0, size
    sides: list[bool] = []
    siblings: list[Span] = []
    while end - start > 1:
        split = start + _split(end - start)
        sides.append(index >= split)
        if index < split:
            siblings.append(Span(split, end))
            end = split
        else:
            siblings.append(Span(start, split))
            start = split
    return sides[::-1], siblings[::-1]
