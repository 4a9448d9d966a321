"""`/checkpoint` and `/tile/…`: the log as C2SP tlog-tiles, for tooling that is not ours.

Hash tiles and the checkpoint are for every key that may read, like `/v1/tree`. Entries name streams,
actors and organizations, so bundles of them are for auditors of all organizations.

What a path once held it holds for ever, narrow tiles too, so all tiles may be cached.

Source: C2SP tlog-tiles, tlog-checkpoint.
"""

from typing import Final

from aiohttp import web

from api.audit import heads
from api.auth.principal import AUDITORS
from api.native.call import Call
from api.native.problems import ProblemError
from ledger.merkle.paths import TilePath, bundle, parse_path
from ledger.merkle.tree import TILE_WIDTH
from ledger.store.raw import read_raw
from projections.tree import query as tree

FOR_EVER: Final = "private, max-age=31536000, immutable"
"""Private, because it takes a key to read them."""


async def checkpoint(call: Call) -> web.Response:
    """Give the newest signed head."""
    newest = await heads.newest(call.node.store.pool)
    if newest is None:
        raise ProblemError(404, "not-found", "Nothing is signed yet.")
    return web.Response(
        body=newest.note.encode(),
        content_type="text/plain",
        charset="utf-8",
        headers={"Cache-Control": "no-cache", "Ledger-Position": str(newest.size)},
    )


async def tile(call: Call) -> web.Response:
    """Give a tile of hashes, or a bundle of entries."""
    path = parse_path(f"tile/{call.path('tile')}")
    body = None
    if path is not None:
        body = await (_entries if path.level is None else _hashes)(call, path)
    if body is None:
        raise ProblemError(404, "not-found", "There is no such tile.")
    return web.Response(
        body=body,
        content_type="application/octet-stream",
        headers={"Cache-Control": FOR_EVER},
    )


async def _hashes(call: Call, path: TilePath) -> bytes | None:
    level = path.level if path.level is not None else 0
    return await tree.tile(call.node.store.pool, level, path.index, path.width)


async def _entries(call: Call, path: TilePath) -> bytes | None:
    if not call.principal.may(AUDITORS) or call.readable is not None:
        raise ProblemError(
            403,
            "forbidden",
            "Your key may not read entries of all organizations.",
            "It takes the role auditor or admin, in all organizations.",
        )
    after = path.index * TILE_WIDTH
    # No tile of the tree, no bundle: what is shown is what the tree holds.
    if await tree.tile(call.node.store.pool, 0, path.index, path.width) is None:
        return None
    entries: list[bytes] = []
    async for page in read_raw(call.node.store.pool, after=after, until=after + path.width):
        entries.extend(event.entry for event in page)
    return bundle(entries) if len(entries) == path.width else None
