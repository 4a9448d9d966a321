"""Writes the tree view."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ledger.events.entry import encode_entry
from ledger.merkle.streams import BucketTree
from ledger.merkle.tree import HASH_BYTES, Edge, edge_widths, grow, leaf_hash, root_of
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.port import Connection
from projections.tree.streams import TreeStalled, extend_map, read_map

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")


class TreeProjector:
    """Adds a leaf an event, and keeps the map of streams at the same position.

    The part of the map that every batch needs stays in memory from batch to batch. It is used again
    only where the stored head has its root, so a batch that was rolled back, another generation or
    another owner make it be read anew.
    """

    name: Final = "tree"
    version: Final = 3
    interests: Final[frozenset[str] | None] = None
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    def __init__(self) -> None:
        self._above: BucketTree | None = None

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`.

        Raises:
            TreeStalled: an event before the batch's is not in the tree, tiles were damaged, or
                versions do not follow each other; replay what was set aside, or rebuild the view.
        """
        rows = await connection.fetch(_WRITE["edge"])
        edge = _edge(rows)
        fresh = [event for event in batch if event.position > edge.size]
        if not fresh:
            return
        for expected, event in enumerate(fresh, start=edge.size + 1):
            if event.position != expected:
                raise TreeStalled(f"the tree is missing the event at position {expected}")
        leaves = [leaf_hash(encode_entry(event)) for event in fresh]
        # Taken out while it is worked on: what fails in between, or runs beside, finds none.
        above, self._above = self._above, None
        if above is None or above.root != rows[0]["streams_root"]:
            above = await read_map(connection)
        await extend_map(connection, above, fresh, leaves)
        grown = grow(edge, leaves)
        await connection.execute(
            _WRITE["put"],
            [tile.level for tile in grown.tiles],
            [tile.index for tile in grown.tiles],
            [tile.hashes for tile in grown.tiles],
        )
        await connection.execute(_WRITE["head"], grown.edge.size, root_of(grown.edge), above.root)
        self._above = above


def _edge(rows: Sequence[Any]) -> Edge:
    """Put the right edge together; at levels without a row all tiles are full.

    Raises:
        TreeStalled: a tile is not as wide as the size says.
    """
    size: int = rows[0]["size"]
    found = {row["level"]: row["hashes"] for row in rows if row["hashes"] is not None}
    widths = edge_widths(size)
    tiles = tuple(found.get(level, b"") for level in range(len(widths)))
    if tuple(len(hashes) for hashes in tiles) != tuple(width * HASH_BYTES for width in widths):
        raise TreeStalled(f"the tiles of the tree do not add up to its size, {size}")
    return Edge(size, tiles)
