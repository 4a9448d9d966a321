"""Lines made from rows are byte for byte what the ledger's own entry and line are."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from api.streaming.frames import json_page
from api.streaming.lines import encode_lines, stream_lines
from ledger.events.entry import encode_entry, join_line, split_line
from ledger.events.envelope import Recorded
from ledger.events.executions import ExecutionReleased
from tests.unit.streaming.rows import ROWS, Row, erased


def canonical(row: Row) -> bytes:
    """Make a row's line as the ledger does."""
    names = [name for name in Recorded.__struct_fields__ if name != "event"]
    fields = dict(zip(names, row, strict=False))
    event: Recorded[Any] = Recorded(**fields, event=ExecutionReleased())
    return join_line(encode_entry(event), row[14], row[15])


@given(st.lists(ROWS | ROWS.map(erased), max_size=5))
def test_lines_are_the_canonical_ones(rows: list[Row]) -> None:
    """Whatever a row holds, erased or not, its line is that of `ledger.events.entry`."""
    expected = [canonical(row) for row in rows]
    assert encode_lines(rows) == b"".join(line + b"\n" for line in expected)
    lines = stream_lines(rows)
    assert [line.line for line in lines] == expected
    for line, row in zip(lines, rows, strict=True):
        assert (line.position, line.stream, line.type, line.organization) == (
            row[0],
            row[1],
            row[4],
            row[6],
        )


@given(st.lists(ROWS, min_size=1, max_size=4), st.binary(max_size=20), st.integers(0, 3))
def test_any_data_stays_on_one_line(rows: list[Row], data: bytes, index: int) -> None:
    """Bytes that somebody put in place of data break no other line, and are found out."""
    changed = index % len(rows)
    row = rows[changed]
    rows[changed] = (*row[:15], data, *row[16:])
    lines = stream_lines(rows)
    assert len(lines) == len(rows)
    for position, line in enumerate(lines):
        assert b"\n" not in line.line
        assert b"\r" not in line.line
        if position != changed:
            assert line.line == canonical(rows[position])
    tidy = data.replace(b"\n", b" ").replace(b"\r", b" ")
    assert lines[changed].line == canonical((*row[:15], tidy, *row[16:]))


@given(st.lists(ROWS | ROWS.map(erased), max_size=4), st.integers(0, 2**60), st.integers(0, 2**60))
def test_a_page_holds_the_lines_themselves(rows: list[Row], after: int, head: int) -> None:
    """A JSON page decodes, and its events are the lines, spliced in."""
    lines = [line.line for line in stream_lines(rows)]
    page = json_page(lines, after, head)
    decoded = msgspec.json.decode(page)
    assert (decoded["next_after"], decoded["head"]) == (after, head)
    raw = msgspec.json.decode(page, type=dict[str, list[msgspec.Raw] | int])["events"]
    assert isinstance(raw, list)
    assert [bytes(event) for event in raw] == lines
    for line, row in zip(lines, rows, strict=True):
        assert split_line(line).data == row[15]
