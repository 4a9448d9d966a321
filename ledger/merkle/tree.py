"""Hashing, and the growth of a tree by its right edge.

A tree that grows needs only the hashes on its right edge: at each level the tile that is not yet
full. Everything left of it is in full tiles, which stay as they are.

Source: RFC 9162 section 2.1.1; C2SP tlog-tiles.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

HASH_BYTES: Final = 32
TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
TILE_BYTES: Final = TILE_WIDTH * HASH_BYTES
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
_PAIR_BYTES: Final = 2 * HASH_BYTES


class Tile(Struct, frozen=True):
    """A stretch of hashes at one level; all tiles but the last of a level are full."""

    level: int
    index: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes it holds: 1 to 256."""
        return len(self.hashes) // HASH_BYTES


class Edge(Struct, frozen=True):
    """What a tree must remember in order to grow."""

    size: int = 0
    """How many leaves there are."""
    tiles: tuple[bytes, ...] = ()
    """The hashes in the tile that is not full, leaves first; empty where all are full."""


class Grown(Struct, frozen=True):
    """A tree with leaves added."""

    edge: Edge
    tiles: tuple[Tile, ...]
    """Tiles that are new or wider than before; the new content whole."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry, so that it cannot be taken for an inner node."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into one."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def subtree_hash(hashes: bytes) -> bytes:
    """Hash a row of 1, 2, 4, 8 … hashes into the one above them all."""
    sha256 = hashlib.sha256
    while len(hashes) > HASH_BYTES:
        hashes = b"".join(
            sha256(b"\x01" + hashes[start : start + _PAIR_BYTES]).digest()
            for start in range(0, len(hashes), _PAIR_BYTES)
        )
    return hashes


def edge_widths(size: int) -> tuple[int, ...]:
    """Tell how many hashes the unfilled tile of each level holds, leaves first.

    >>> edge_widths(256 * 3 + 2)
    (2, 3)
    """
    widths = []
    while size:
        size, width = divmod(size, TILE_WIDTH)
        widths.append(width)
    return tuple(widths)


def grow(edge: Edge, leaves: Sequence[bytes]) -> Grown:
    """Add leaf hashes at the right.

    >>> grow(Edge(), [leaf_hash(b"a"), leaf_hash(b"b")]).edge.size
    2
    """
    size = edge.size + len(leaves)
    tiles: list[Tile] = []
    kept: list[bytes] = []
    added = b"".join(leaves)
    for level in range(max(len(edge.tiles), len(edge_widths(size)))):
        before = edge.tiles[level] if level < len(edge.tiles) else b""
        row = before + added
        first = (edge.size >> TILE_HEIGHT * level) // TILE_WIDTH
        above: list[bytes] = []
        for start in range(0, len(row), TILE_BYTES):
            hashes = row[start : start + TILE_BYTES]
            if len(hashes) == TILE_BYTES:
                above.append(subtree_hash(hashes))
            if added:
                tiles.append(Tile(level, first + start // TILE_BYTES, hashes))
        kept.append(row[len(row) - len(row) % TILE_BYTES :])
        added = b"".join(above)
    return Grown(Edge(size, tuple(kept)), tuple(tiles))


def root_of(edge: Edge) -> bytes:
    """Compute a tree's root from its right edge."""
    root: bytes | None = None
    for hashes in edge.tiles:
        end = len(hashes)
        for height in range(TILE_HEIGHT):
            if not end // HASH_BYTES >> height & 1:
                continue
            # The narrowest perfect subtrees stand rightmost.
            start = end - (HASH_BYTES << height)
            subtree = subtree_hash(hashes[start:end])
            root = subtree if root is None else node_hash(subtree, root)
            end = start
    return EMPTY_ROOT if root is None else root
