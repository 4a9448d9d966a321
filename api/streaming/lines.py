"""From rows of the log to lines of the stream, without decoding what they hold.

A line's form is that of `ledger.events.entry`; here it is made of many rows at once, in one call of
the encoder, because whoever reads the log from its beginning waits for nothing else.

Limit: a line is one line. Data that somebody changed behind the ledger's back may hold line breaks,
which the ledger never writes; they become blanks, and the digest tells that the data was changed.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from ledger.events.entry import instant_text

_ENCODE_LINES: Final = msgspec.json.Encoder().encode_lines
_NEWLINE: Final = b"\n"
_RETURN: Final = b"\r"


class StreamLine(Struct, frozen=True, gc=False):
    """One event as a line, and what readers choose it by."""

    position: int
    stream: str
    type: str
    organization: str
    line: bytes
    """The line's bytes, without a newline."""


class _Row(Struct, gc=False):
    """The keys of a line, in their order. The encoder writes UUIDs as entries do."""

    position: int
    stream: str
    version: int
    event_id: UUID
    type: str
    schema_version: int
    organization: str
    actor: str
    occurred_at: datetime | str
    recorded_at: datetime | str
    correlation_id: UUID | None
    causation_id: UUID | None
    number: int | None
    data_digest: str
    salt: str | None
    data: Raw | None


def encode_lines(records: Sequence[Any]) -> bytes:
    """Make the lines of rows, each with a newline behind it."""
    rows = [_row(record) for record in records]
    encoded = _ENCODE_LINES(rows)
    if are_lines(encoded, len(rows)):
        return encoded
    return _ENCODE_LINES([_on_one_line(row) for row in rows])


def are_lines(text: bytes, count: int) -> bool:
    """Whether a text is so many lines, and no data in it breaks one."""
    return text.count(_NEWLINE) == count and _RETURN not in text


def stream_lines(records: Sequence[Any]) -> list[StreamLine]:
    """Make the lines of rows, each apart."""
    lines: Iterable[bytes] = encode_lines(records).split(_NEWLINE)
    return [
        StreamLine(record[0], record[1], record[4], record[6], line)
        for record, line in zip(records, lines, strict=False)  # nothing is behind the last newline
    ]


def _row(record: Any) -> _Row:
    """Take the columns of a row, which begin with a line's keys in their order."""
    (
        position,
        stream,
        version,
        event_id,
        event_type,
        schema_version,
        organization,
        actor,
        occurred_at,
        recorded_at,
        correlation_id,
        causation_id,
        number,
        data_digest,
        salt,
        data,
        *_,
    ) = record
    return _Row(
        position,
        stream,
        version,
        event_id,
        event_type,
        schema_version,
        organization,
        actor,
        # The encoder leaves out the fraction of a whole second, where entries have six zeros.
        occurred_at if occurred_at.microsecond else instant_text(occurred_at),
        recorded_at if recorded_at.microsecond else instant_text(recorded_at),
        correlation_id,
        causation_id,
        number,
        data_digest.hex(),
        None if salt is None else salt.hex(),
        None if data is None else Raw(data),
    )


def _on_one_line(row: _Row) -> _Row:
    if row.data is not None:
        row.data = Raw(bytes(row.data).replace(_RETURN, b" ").replace(_NEWLINE, b" "))
    return row
