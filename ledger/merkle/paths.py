"""Where tiles and bundles of entries are found, and how entries are bundled.

Numbers are written in groups of three digits, all but the last with an `x` before, so that a file
tree can hold them. Levels go to 5 for us: 256**7 entries are more than positions reach.

Source: C2SP tlog-tiles.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ledger.merkle.tree import TILE_HEIGHT, TILE_WIDTH

MAX_LEVEL: Final = 63 // TILE_HEIGHT - 1
_NUMBER: Final = re.compile(r"((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_MAX_GROUPS: Final = 6
_LENGTH_BYTES: Final = 2
MAX_ENTRY_BYTES: Final = (1 << 8 * _LENGTH_BYTES) - 1


class TilePath(Struct, frozen=True):
    """A tile of a level, or a bundle of entries; both are 256 wide."""

    level: int | None
    """None: the entries themselves."""
    index: int
    width: int = TILE_WIDTH


def render_path(path: TilePath) -> str:
    """Write a tile's path.

    >>> render_path(TilePath(0, 1234067, 5))
    'tile/0/x001/x234/067.p/5'
    """
    kind = "entries" if path.level is None else str(path.level)
    digits = str(path.index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    partial = "" if path.width == TILE_WIDTH else f".p/{path.width}"
    return f"tile/{kind}/{number}{partial}"


def parse_path(text: str) -> TilePath | None:
    """Read a tile's path; None when it is not written as `render_path` does.

    >>> parse_path("tile/entries/x001/002")
    TilePath(level=None, index=1002, width=256)
    """
    word, _, rest = text.partition("/")
    kind, _, number = rest.partition("/")
    match = _NUMBER.fullmatch(number)
    if word != "tile" or match is None or not re.fullmatch(r"entries|[0-9]", kind):
        return None
    groups = [*re.findall(r"[0-9]{3}", match[1]), match[2]]
    level = None if kind == "entries" else int(kind)
    width = int(match[3]) if match[3] else TILE_WIDTH
    path = TilePath(level, int("".join(groups)), width)
    is_possible = len(groups) <= _MAX_GROUPS and (level is None or level <= MAX_LEVEL)
    return path if is_possible and render_path(path) == text else None


def bundle(entries: Sequence[bytes]) -> bytes:
    """Put entries into one file, the length of each before it.

    Raises:
        OverflowError: an entry is longer than `MAX_ENTRY_BYTES`.
    """
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in entries)


def unbundle(raw: bytes) -> list[bytes]:
    """Take a file of entries apart.

    Raises:
        ValueError: it ends within an entry.
    """
    entries = []
    start = 0
    while start < len(raw):
        begins = start + _LENGTH_BYTES
        end = begins + int.from_bytes(raw[start:begins], "big")
        if begins > len(raw) or end > len(raw):
            raise ValueError("it ends within an entry")
        entries.append(raw[begins:end])
        start = end
    return entries
