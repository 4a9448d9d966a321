"""Random rows of the log, and their lines."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st

from api.streaming.lines import StreamLine, stream_lines

Row = tuple[Any, ...]

TEXTS = st.text(st.characters(codec="utf-8"))
INSTANTS = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001 - the same
    timezones=st.just(UTC),
)
WHOLE_SECONDS = INSTANTS.map(lambda instant: instant.replace(microsecond=0))
DATA = st.dictionaries(TEXTS | st.just('a,"data":'), TEXTS | st.integers(-9, 9)).map(
    msgspec.json.encode
)
ROWS = st.tuples(
    st.integers(1, 2**63 - 1),
    TEXTS,
    st.integers(1, 2**31 - 1),
    st.uuids(),
    TEXTS,
    st.integers(1, 2**15 - 1),
    TEXTS,
    TEXTS,
    INSTANTS | WHOLE_SECONDS,
    INSTANTS | WHOLE_SECONDS,
    st.none() | st.uuids(),
    st.none() | st.uuids(),
    st.none() | st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=16, max_size=16),
    DATA,
    st.integers(0, 2**40),
)


def erased(row: Row) -> Row:
    """Give a row as it is after its erasure."""
    return (*row[:14], None, None, *row[16:])


LINES = st.lists(ROWS | ROWS.map(erased), max_size=5).map(stream_lines)


def line(position: int, **fields: str) -> StreamLine:
    """Make a line that only its position and what is given tell apart."""
    known = {"stream": "execution/1", "type": "step.started", "organization": "acme", **fields}
    return StreamLine(position=position, line=b'{"position":%d}' % position, **known)
