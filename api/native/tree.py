"""`/v1/tree`: how far the Merkle tree has grown and is signed, and proofs in it.

For every key that may read: who is to check the events it sees needs the tree over all of them, and
the tree holds hashes only, which nobody can guess because event ids and salts are in them. Positions
count from 1, so the leaf of position p is number p - 1.
"""

import asyncio
from datetime import datetime
from typing import Final, TypeVar

from aiohttp import web
from msgspec import UNSET, Struct, UnsetType

from api.audit import heads
from api.audit.heads import Published
from api.audit.signer import NotTheKey, State
from api.native.call import Call, answer
from api.native.problems import ProblemError, malformed
from api.native.waiting import place
from ledger.errors import ProjectionLagging
from projections.tree import query as tree

T = TypeVar("T")

MAX_WAIT_S: Final = 60.0
LOOK_S: Final = 0.1
"""How often a node that does not sign looks for what another one signed."""


class TreeView(Struct, frozen=True, kw_only=True):
    """The tree over the events up to a position."""

    size: int
    """How many events are in it, which is the position of the last one."""
    root: str
    """Hex."""


class SignedHeadView(Struct, frozen=True, kw_only=True):
    """A head that the ledger has signed; never changed or taken back."""

    size: int
    root: str
    """Hex."""
    streams_root: str
    """Of the map of streams, hex."""
    key: int
    """Number of the key that signed it."""
    note: str
    """The signed text (C2SP tlog-checkpoint); all of the above can be read from it."""
    signed_at: datetime


class SigningView(Struct, frozen=True, kw_only=True):
    """Whether the node that answers signs heads."""

    state: State
    """`inconsistent`: the tree contradicts what was signed; somebody has changed the past."""
    reason: str
    size: int | None
    """The size of the head that is contradicted."""


class TreeStateView(Struct, frozen=True, kw_only=True):
    """The tree as it is, and what of it is signed; of a past size only size and root."""

    size: int
    root: str
    """Hex."""
    streams_root: str | UnsetType = UNSET
    """Of the map of streams, hex."""
    signed: SignedHeadView | UnsetType | None = UNSET
    """The newest signed head."""
    public_key: str | UnsetType | None = UNSET
    """The key that signs heads now, in its C2SP text form."""
    signing: SigningView | UnsetType = UNSET


class HeadList(Struct, frozen=True, kw_only=True):
    """Signed heads, smallest first."""

    heads: tuple[SignedHeadView, ...]
    next_after: int
    """Size to go on from."""


class TreeKeyView(Struct, frozen=True, kw_only=True):
    """A key that signs heads, or did."""

    number: int
    public_key: str
    change: str | None
    """The note by which the key before and this one say that it follows; null for the first."""
    added_at: datetime


class TreeKeyList(Struct, frozen=True, kw_only=True):
    """The ledger's keys, in order; the last one signs."""

    keys: tuple[TreeKeyView, ...]


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
    """Give the tree as far as it has grown and is signed, or as it was at a size."""
    if call.query("size") is not None:
        size = await _size(call, "size")
        found = _there(await tree.head_at(call.node.store.pool, size), size)
        return _answer(TreeStateView(size=found.size, root=found.root.hex()))
    wanted = call.query_integer("signed", 0)
    if wanted > call.node.store.tail.head:
        raise malformed(f"the log ends at {call.node.store.tail.head}", "?signed")
    wait_s = call.query_number("wait", MAX_WAIT_S if wanted else 0, low=0, high=MAX_WAIT_S)
    with place(call, wait_s):
        signed = await _signed(call, wanted, wait_s)
    await call.node.covered("tree", call.minimum_position)
    now = await tree.head(call.node.store.pool)
    keys = await heads.keys(call.node.store.pool)
    standing = call.node.signer.standing
    return _answer(
        TreeStateView(
            size=now.size,
            root=now.root.hex(),
            streams_root=now.streams_root.hex() if now.streams_root else UNSET,
            signed=_head(signed) if signed else None,
            public_key=keys[-1].public_key if keys else None,
            signing=SigningView(state=standing.state, reason=standing.reason, size=standing.size),
        )
    )


async def _signed(call: Call, wanted: int, wait_s: float) -> Published | None:
    """Give the newest signed head, once it covers a position or the time is over."""
    signer = call.node.signer
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    newest = await heads.newest(call.node.store.pool)
    while wanted > (newest.size if newest else 0) and loop.time() < deadline:
        if call.request.transport is None:
            break
        if signer.standing.state in ("signing", "starting"):
            await call.node.covered("tree", wanted)
            await signer.publish()
        newest = await heads.newest(call.node.store.pool)
        if wanted > (newest.size if newest else 0):
            await asyncio.sleep(min(LOOK_S, max(deadline - loop.time(), 0)))
    return newest


async def list_heads(call: Call) -> web.Response:
    """List what was signed, smallest first."""
    after = call.query_integer("after", 0)
    limit = call.query_integer("limit", 100, low=1, high=call.node.settings.max_page)
    found = await heads.page(call.node.store.pool, after, limit)
    view = HeadList(
        heads=tuple(_head(each) for each in found),
        next_after=found[-1].size if found else after,
    )
    return answer(view, headers={"Cache-Control": "no-store"})


async def list_keys(call: Call) -> web.Response:
    """List the keys that sign heads, in order."""
    return await _keys(call, 200)


async def change_key(call: Call) -> web.Response:
    """Replace the key that signs heads; the old one vouches for the new one."""
    if call.readable is not None:
        raise ProblemError(
            403,
            "forbidden",
            "Your key does not act in all organizations.",
            "The tree is all organizations' together, and so is its key.",
        )
    try:
        await call.node.signer.rotate()
    except NotTheKey as error:
        raise ProblemError(
            409, "not-the-key", "This node does not hold the key.", str(error)
        ) from None
    return await _keys(call, 201)


async def _keys(call: Call, status: int) -> web.Response:
    found = await heads.keys(call.node.store.pool)
    view = TreeKeyList(
        keys=tuple(
            TreeKeyView(
                number=key.number,
                public_key=key.public_key,
                change=key.change,
                added_at=key.added_at,
            )
            for key in found
        )
    )
    return answer(view, status=status, headers={"Cache-Control": "no-store"})


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


def _head(head: Published) -> SignedHeadView:
    return SignedHeadView(
        size=head.size,
        root=head.root.hex(),
        streams_root=head.streams_root.hex(),
        key=head.key,
        note=head.note,
        signed_at=head.signed_at,
    )


def _answer(view: TreeStateView | InclusionView | ConsistencyView) -> web.Response:
    match view:
        case ConsistencyView():
            size = view.new.size
        case _:
            size = view.size
    return answer(view, headers={"Ledger-Position": str(size), "Cache-Control": "no-store"})
