"""`/v1/tree`: how far the Merkle tree has grown, and proofs in it.

For every key that may read: who is to check the events it sees needs the tree over all of them, and
the tree holds hashes only. Positions count from 1, so the leaf of position p is number p - 1.
"""

from typing import TypeVar

from aiohttp import web
from msgspec import Struct

from api.native.call import Call, answer
from api.native.problems import malformed
from ledger.errors import ProjectionLagging
from projections.tree import query as tree

T = TypeVar("T")


class TreeView(Struct, frozen=True, kw_only=True):
    """The tree over the events up to a position."""

    size: int
    """How many events are in it, which is the position of the last one."""
    root: str
    """Hex."""


class InclusionView(Struct, frozen=True, kw_only=True):
    """That the event at a position is in the tree of a size (RFC 9162 section 2.1.3)."""

    position: int
    size: int
    root: str
    proof: tuple[str, ...]
    """Hex, from the leaf to the root."""


class ConsistencyView(Struct, frozen=True, kw_only=True):
    """That one tree is the beginning of another (RFC 9162 section 2.1.4)."""

    old: TreeView
    new: TreeView
    proof: tuple[str, ...]
    """Hex."""


async def read(call: Call) -> web.Response:
    """Give the tree as far as it has grown, or as it was at a size."""
    if call.query("size") is None:
        await call.node.covered("tree", call.minimum_position)
        return _answer(_view(await tree.head(call.node.store.pool)))
    size = await _size(call, "size")
    return _answer(_view(_there(await tree.head_at(call.node.store.pool, size), size)))


async def inclusion(call: Call) -> web.Response:
    """Prove that the event at a position is in the tree, as it is or as it was at a size."""
    size = await _size(call, "size")
    if call.query("position") is None:
        raise malformed("say which event: position=…", "?position")
    position = call.query_integer("position", 0, low=1)
    if position > size:
        raise malformed(f"{position} is not in the tree of size {size}", "?position")
    found = _there(await tree.inclusion(call.node.store.pool, position, size), size)
    return _answer(
        InclusionView(
            position=position,
            size=size,
            root=found.root.hex(),
            proof=tuple(each.hex() for each in found.proof),
        )
    )


async def consistency(call: Call) -> web.Response:
    """Prove that the tree of one size is the beginning of that of another."""
    new = await _size(call, "to")
    if call.query("from") is None:
        raise malformed("say from which size: from=…", "?from")
    old = call.query_integer("from", 0)
    if old > new:
        raise malformed(f"{old} is larger than {new}", "?from")
    found = _there(await tree.consistency(call.node.store.pool, old, new), new)
    return _answer(
        ConsistencyView(
            old=_view(found.old),
            new=_view(found.new),
            proof=tuple(each.hex() for each in found.proof),
        )
    )


async def _size(call: Call, name: str) -> int:
    """Read a size, which the log must have reached, and wait for the tree; by default it is all.

    Raises:
        ProblemError: the log is not that long.
        ProjectionLagging: the tree is not that far yet.
    """
    head = call.node.store.tail.head
    size = call.query_integer(name, -1) if call.query(name) is not None else None
    if size is not None and size > head:
        raise malformed(f"the log ends at {head}", f"?{name}")
    await call.node.covered("tree", max(size or 0, call.minimum_position))
    return (await tree.head(call.node.store.pool)).size if size is None else size


def _there(found: T | None, size: int) -> T:
    """Give what was found; a rebuild may have put a shorter tree in its place meanwhile."""
    if found is None:
        raise ProjectionLagging("tree", size, 0)
    return found


def _view(head: tree.Head) -> TreeView:
    return TreeView(size=head.size, root=head.root.hex())


def _answer(view: TreeView | InclusionView | ConsistencyView) -> web.Response:
    match view:
        case ConsistencyView():
            size = view.new.size
        case _:
            size = view.size
    return answer(view, headers={"Ledger-Position": str(size), "Cache-Control": "no-store"})
