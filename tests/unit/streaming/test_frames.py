"""Frames: what clients of each form find in them, whatever the events hold."""

from datetime import datetime
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from api.streaming.frames import NDJSON, SSE, cloud_batch, http_chunk
from api.streaming.lines import StreamLine, stream_lines
from tests.streams import EventSource, is_heartbeat
from tests.unit.streaming.rows import LINES, ROWS, TEXTS, Row, erased

POSITIONS = st.integers(0, 2**63 - 1)
TYPES = st.sampled_from(["execution.created", "step.finished", "key.revoked"])
Event = dict[str, Any]


def parsed(text: str, cuts: list[int]) -> EventSource:
    """Read a stream that comes in pieces."""
    source, start = EventSource(), 0
    for cut in [*sorted(cut % (len(text) + 1) for cut in cuts), len(text)]:
        source.feed(text[start:cut])
        start = cut
    return source


@given(LINES, st.lists(TYPES, min_size=5, max_size=5), st.lists(st.integers(0, 10**6), max_size=6))
def test_an_event_source_gets_the_lines(
    lines: list[StreamLine], types: list[str], cuts: list[int]
) -> None:
    """Data is the line byte for byte, the id its position, the name its type, however it is cut."""
    named = [
        msgspec.structs.replace(line, type=kind) for line, kind in zip(lines, types, strict=False)
    ]
    text = b"".join(map(SSE.frame, named)).decode()
    source = parsed(text, cuts)
    assert [
        (event.type, event.data.encode(), event.last_event_id) for event in source.dispatched
    ] == [(line.type, line.line, str(line.position)) for line in named]


@given(ROWS, TEXTS)
def test_no_type_breaks_out_of_its_field(row: Row, kind: str) -> None:
    """Whatever stands in the log as a type, the frame is one event with the line as its data."""
    [line] = stream_lines([(*row[:4], kind, *row[5:])])
    source = EventSource()
    source.feed(SSE.frame(line).decode())
    assert [event.data.encode() for event in source.dispatched] == [line.line]
    assert source.last_event_id == str(line.position)


@given(POSITIONS, POSITIONS, st.integers(1, 10**6))
def test_an_id_without_data_moves_the_cursor(scanned: int, head: int, retry_ms: int) -> None:
    """A heartbeat sets the id that is resumed from, and no event is dispatched."""
    source = EventSource()
    source.feed((SSE.opening(retry_ms) + SSE.heartbeat(scanned, head)).decode())
    assert source.retry_ms == retry_ms
    assert source.last_event_id == str(scanned)
    assert source.comments == 1
    assert source.dispatched == []


@given(st.lists(ROWS | ROWS.map(erased), max_size=4), POSITIONS, POSITIONS)
def test_ndjson_is_the_lines_and_heartbeats(rows: list[Row], scanned: int, head: int) -> None:
    """A line an event, byte for byte; a heartbeat has a key that no event has."""
    lines = stream_lines(rows)
    framed = NDJSON.frames(rows) + NDJSON.heartbeat(scanned, head)
    assert framed == b"".join(map(NDJSON.frame, lines)) + NDJSON.heartbeat(scanned, head)
    *events, beat = framed.split(b"\n")[:-1]
    assert events == [line.line for line in lines]
    assert not any(map(is_heartbeat, events))
    assert msgspec.json.decode(beat) == {"heartbeat": {"scanned_through": scanned, "head": head}}


@given(st.lists(ROWS | ROWS.map(erased), max_size=4))
def test_frames_of_rows_are_frames_of_lines(rows: list[Row]) -> None:
    """A page of the log and the ring make the same bytes."""
    for form in (SSE, NDJSON):
        assert form.frames(rows) == b"".join(map(form.frame, stream_lines(rows)))


@given(st.lists(ROWS | ROWS.map(erased), max_size=4))
def test_cloud_events_wrap_the_lines(rows: list[Row]) -> None:
    """The attributes are the event's own, texts of any kind included, and data is the line."""
    lines = stream_lines(rows)
    batch = msgspec.json.decode(cloud_batch(lines), type=list[dict[str, msgspec.Raw]])
    assert [bytes(event["data"]) for event in batch] == [line.line for line in lines]
    for event, line in zip(batch, lines, strict=True):
        told: Event = {key: msgspec.json.decode(raw) for key, raw in event.items()}
        entry: Event = msgspec.json.decode(line.line)
        assert told["specversion"] == "1.0"
        assert told["id"] == entry["event_id"]
        assert told["type"] == entry["type"]
        assert told["subject"] == entry["stream"]
        assert told["time"] == entry["occurred_at"]
        assert told["source"] == "/v1/events"
        assert told["datacontenttype"] == "application/json"
        assert len(told["sequence"]) == 20
        assert int(told["sequence"]) == line.position
        assert datetime.fromisoformat(told["time"]).tzinfo is not None


@given(st.lists(POSITIONS, min_size=2, max_size=2))
def test_sequences_sort_as_positions_do(positions: list[int]) -> None:
    """`sequence` is compared as text."""
    texts = [f"{position:020d}" for position in positions]
    assert (texts[0] < texts[1]) == (positions[0] < positions[1])


@given(st.binary(min_size=1, max_size=300), st.data())
def test_chunks_as_http_frames_them(payload: bytes, data: DataObject) -> None:
    """The length in hex, and the bytes, between line ends."""
    framed = http_chunk(payload)
    size, _, rest = framed.partition(b"\r\n")
    assert rest == payload + b"\r\n"
    assert int(size, 16) == len(payload)
    more = data.draw(st.binary(max_size=5))
    assert (framed + more)[len(size) + 2 :][: int(size, 16)] == payload
