"""Reads the tree view: its head, its tiles, and proofs at any size up to the head's.

Everything is answered from one snapshot. Roots and proofs of past sizes are computed from tiles, a
few for each. The tree tells nobody's secrets: it holds hashes only.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from ledger.merkle import proof as proofs
from ledger.merkle.frontier import cover
from ledger.merkle.paths import MAX_LEVEL
from ledger.merkle.proof import MissingTile, Plan, TileAt
from ledger.merkle.streams import (
    EMPTY_STREAMS_ROOT,
    StreamProof,
    bucket_of,
    buckets_around,
    key_of,
    node_places,
    prove_stream,
    split_bucket,
)
from ledger.merkle.tree import EMPTY_ROOT, HASH_BYTES, TILE_WIDTH
from ledger.store.queries import load
from projections.port import Reader
from projections.reading import reading
from projections.tree.projector import TreeProjector

_SQL: Final = load(Path(__file__).parent / "sql" / "read.sql")
_NAME: Final = TreeProjector.name
_VERSION: Final = TreeProjector.version


class Head(Struct, frozen=True, kw_only=True):
    """The tree over the events up to a position."""

    size: int
    """The position of the last event in it."""
    root: bytes
    streams_root: bytes | None = None
    """Of the map of streams; None for a past size, of which no map is kept."""


class Inclusion(Struct, frozen=True, kw_only=True):
    """That the event at a position is in the tree of a size."""

    position: int
    """1-based; the leaf's number is one less."""
    size: int
    root: bytes
    proof: tuple[bytes, ...]


class Consistency(Struct, frozen=True, kw_only=True):
    """That one tree is the beginning of another."""

    old: Head
    new: Head
    proof: tuple[bytes, ...]


async def head(reader: Reader) -> Head:
    """Give the tree as far as it has grown.

    Raises:
        StoreUnavailable: the database cannot be reached.
        ProjectionRebuilding: the live tables are of another version.
    """
    async with reading(reader, _NAME, _VERSION):
        row = await reader.fetchrow(_SQL["head"])
    if row is None:
        return Head(size=0, root=EMPTY_ROOT, streams_root=EMPTY_STREAMS_ROOT)
    return Head(size=row["size"], root=row["root"], streams_root=row["streams_root"])


async def head_at(reader: Reader, size: int) -> Head | None:
    """Give the tree as it was at a size; None when it is not that large."""
    found = await _planned(reader, size, proofs.root(size))
    return None if found is None else Head(size=size, root=found[0] if found else EMPTY_ROOT)


async def tile(reader: Reader, level: int, index: int, width: int = TILE_WIDTH) -> bytes | None:
    """Give the first *width* hashes of a tile; None when it does not hold as many."""
    if not 0 <= level <= MAX_LEVEL or not 1 <= width <= TILE_WIDTH:
        return None
    _, tiles = await _tiles(reader, [(level, index)])
    hashes = tiles.get((level, index), b"")[: width * HASH_BYTES]
    return hashes if len(hashes) == width * HASH_BYTES else None


async def leaves(reader: Reader, first: int, last: int) -> list[bytes]:
    """Give the leaf hashes of positions, as far as the tree holds them without a hole."""
    indexes = range((first - 1) // TILE_WIDTH, (last - 1) // TILE_WIDTH + 1)
    _, tiles = await _tiles(reader, [(0, index) for index in indexes])
    found: list[bytes] = []
    for position in range(first, last + 1):
        index, place = divmod(position - 1, TILE_WIDTH)
        hashed = tiles.get((0, index), b"")[place * HASH_BYTES : (place + 1) * HASH_BYTES]
        if len(hashed) != HASH_BYTES:
            break
        found.append(hashed)
    return found


async def covers(reader: Reader, stretches: Sequence[tuple[int, int]]) -> list[list[bytes]] | None:
    """Give the hashes that stand for stretches of positions; None when a tile is missing.

    A stretch is its first and its last position; see `ledger.merkle.frontier`.
    """
    nodes = [cover(first - 1, last) for first, last in stretches]
    wanted = sorted({node.tile for each in nodes for node in each})
    _, tiles = await _tiles(reader, wanted)
    try:
        return [[node.hash(tiles) for node in each] for each in nodes]
    except MissingTile:
        return None


async def stream_proof(reader: Reader, stream: str) -> tuple[Head, StreamProof]:
    """Prove what the map of streams holds for a stream, in the tree as it is now."""
    key = key_of(stream)
    bucket = bucket_of(key)
    around, places = buckets_around(bucket), node_places([bucket])
    heights, indexes = [height for height, _ in places], [index for _, index in places]
    async with reading(reader, _NAME, _VERSION):
        (row,) = await reader.fetch(_SQL["stream"], bucket, around, heights, indexes)
    head = Head(size=row["size"], root=row["root"], streams_root=row["streams_root"])
    stored = zip(places, row["nodes"], strict=True)
    nodes = {place: hashes for place, hashes in stored if hashes is not None}
    records = split_bucket(row["records"] or b"")
    return head, prove_stream(key, records, row["around"], nodes)


async def inclusion(reader: Reader, position: int, size: int) -> Inclusion | None:
    """Prove that an event is in the tree of a size; None when the tree is not that large.

    Raises:
        ValueError: the position is not within the size.
    """
    plan = proofs.inclusion(position - 1, size)
    found = await _planned(reader, size, proofs.root(size), plan)
    if found is None:
        return None
    root, *proof = found
    return Inclusion(position=position, size=size, root=root, proof=tuple(proof))


async def consistency(reader: Reader, old: int, new: int) -> Consistency | None:
    """Prove that the tree of one size is the beginning of that of another; None as above.

    Raises:
        ValueError: *old* is larger than *new*.
    """
    plan = proofs.consistency(old, new)
    found = await _planned(reader, new, proofs.root(old), proofs.root(new), plan)
    if found is None:
        return None
    roots = [found.pop(0) if size else EMPTY_ROOT for size in (old, new)]
    return Consistency(
        old=Head(size=old, root=roots[0]),
        new=Head(size=new, root=roots[1]),
        proof=tuple(found),
    )


async def _planned(reader: Reader, size: int, *plans: Plan) -> list[bytes] | None:
    """Compute what plans say, in order, if the tree has grown to *size*."""
    wanted = sorted({tile for plan in plans for tile in plan.tiles})
    grown, tiles = await _tiles(reader, wanted)
    if grown < size:
        return None
    return [hashed for plan in plans for hashed in plan.hashes(tiles)]


async def _tiles(reader: Reader, wanted: list[TileAt]) -> tuple[int, Mapping[TileAt, bytes]]:
    levels, indexes = [level for level, _ in wanted], [index for _, index in wanted]
    async with reading(reader, _NAME, _VERSION):
        rows = await reader.fetch(_SQL["tiles"], levels, indexes)
    tiles = {
        (row["level"], row["index"]): row["hashes"] for row in rows if row["hashes"] is not None
    }
    return (rows[0]["size"] if rows else 0), tiles
