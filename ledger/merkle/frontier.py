"""A tree hashed from left to right, where stretches of leaves may be given as hashes only.

What was read so far is kept as the perfect subtrees it ends in. A stretch that is not at hand is
covered by perfect subtrees as well: from its first leaf on, always the largest that begins there,
is aligned to its own size and ends within the stretch. So leaves and covers in order make up the
tree, and its root proves all the leaves at once.

Source: RFC 9162 section 2.1.1.
"""

from collections.abc import Iterable
from typing import Self

from ledger.merkle.proof import Node
from ledger.merkle.tree import EMPTY_ROOT, node_hash


def cover(start: int, end: int) -> list[Node]:
    """Name the perfect subtrees over the leaves from *start* to before *end*.

    >>> [(node.height, node.index) for node in cover(3, 9)]
    [(0, 3), (2, 1), (0, 8)]
    """
    nodes = []
    while start < end:
        height = (end - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        nodes.append(Node(height, start >> height))
        start += 1 << height
    return nodes


class Frontier:
    """The right edge of a tree that is being hashed."""

    __slots__ = ("_subtrees", "size")

    def __init__(self, size: int = 0, subtrees: Iterable[tuple[int, bytes]] = ()) -> None:
        self.size = size
        """How many leaves it holds."""
        self._subtrees = list(subtrees)

    def add(self, leaf: bytes) -> None:
        """Add a leaf's hash."""
        self._push(0, leaf)

    def skip(self, end: int, hashes: Iterable[bytes]) -> None:
        """Add the leaves up to before *end* by the hashes that `cover` names.

        Raises:
            ValueError: there are more or fewer hashes than it names.
        """
        for node, hashed in zip(cover(self.size, end), hashes, strict=True):
            self._push(node.height, hashed)

    def root(self) -> bytes:
        """Give the root over all leaves so far."""
        if not self._subtrees:
            return EMPTY_ROOT
        *left, (_, root) = self._subtrees
        for _, subtree in reversed(left):
            root = node_hash(subtree, root)
        return root

    def copy(self) -> Self:
        """Give another one that goes on from here by itself."""
        return type(self)(self.size, self._subtrees)

    def _push(self, height: int, hashed: bytes) -> None:
        self.size += 1 << height
        subtrees = self._subtrees
        while subtrees and subtrees[-1][0] == height:
            hashed = node_hash(subtrees.pop()[1], hashed)
            height += 1
        subtrees.append((height, hashed))
