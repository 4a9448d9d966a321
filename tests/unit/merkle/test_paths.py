"""Paths of tiles, and bundles of entries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.merkle.paths import (
    MAX_LEVEL,
    TilePath,
    bundle,
    parse_path,
    render_path,
    unbundle,
)

PATHS = st.builds(
    TilePath,
    st.none() | st.integers(0, MAX_LEVEL),
    st.integers(0, 2**55 - 1),
    st.integers(1, 256),
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (TilePath(0, 0), "tile/0/000"),
        (TilePath(0, 999, 1), "tile/0/999.p/1"),
        (TilePath(1, 1000, 255), "tile/1/x001/000.p/255"),
        (TilePath(None, 1234067), "tile/entries/x001/x234/067"),
    ],
)
def test_paths_in_letters(path: TilePath, text: str) -> None:
    """Paths are those of C2SP tlog-tiles."""
    assert render_path(path) == text
    assert parse_path(text) == path


@given(PATHS)
def test_paths_read_back(path: TilePath) -> None:
    """Every tile has a path, and it is read as that tile."""
    assert parse_path(render_path(path)) == path


@given(st.text() | st.from_regex(r"tile/(entries|\d+)/(x?\d+/)*\d+(\.p/\d+)?", fullmatch=True))
def test_paths_of_any_text(text: str) -> None:
    """A text is a path that renders to the same text, or none."""
    path = parse_path(text)
    assert path is None or render_path(path) == text


@pytest.mark.parametrize(
    "text",
    [
        "tile/0/0",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/7/000",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000/",
        "tile/data/000",
        "tile/0/\u0660\u0660\u0660",
    ],
)
def test_each_tile_has_one_path(text: str) -> None:
    """Other ways to write a number are refused."""
    assert parse_path(text) is None


@given(st.lists(st.binary(max_size=300)))
def test_bundles_read_back(entries: list[bytes]) -> None:
    """Entries come out of a bundle as they went in."""
    assert unbundle(bundle(entries)) == entries


@given(st.binary())
def test_bundles_of_any_bytes(raw: bytes) -> None:
    """Bytes are a bundle that is made of the same bytes, or refused."""
    try:
        entries = unbundle(raw)
    except ValueError:
        return
    assert bundle(entries) == raw


def test_an_entry_too_long_for_a_bundle() -> None:
    """Nothing is cut off."""
    assert unbundle(bundle([b"a" * 65535])) == [b"a" * 65535]
    with pytest.raises(OverflowError):
        bundle([b"a" * 65536])
