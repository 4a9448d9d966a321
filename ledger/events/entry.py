"""The entry of an event: the canonical line that the Merkle tree is made of. For ever.

An entry is a JSON object on one line that says everything about an event but its data, which it
binds by digest. Whoever has the bytes needs no JSON encoder to check them: the leaf of the tree is
the hash of the entry's bytes, and the digest that of the salt and the data's bytes.

Form: the keys of `Entry`, all of them, in that order, without blanks; what is absent is `null`;
UTF-8, with the escapes of RFC 8785 and no others; UUIDs in lower-case letters; instants in UTC with
six digits after the second and a `Z`; bytes in hex, lower-case.

A line of the stream is the entry with its closing brace replaced by `,"salt":…,"data":…}`. Both are
`null` once the event was erased; the entry stays.

Limit: entries are made from rows of the log, so the same row must make the same bytes in every
later version of this code. Nothing here may change; a new kind of entry would need a new tree.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from ledger.events.envelope import Recorded

DIGEST_BYTES: Final = 32
_ENCODE: Final = msgspec.json.Encoder().encode
_SALT: Final = b',"salt":'
_DATA: Final = b',"data":'
_NULL: Final = b"null"
_END: Final = re.compile(rb'"data_digest":"[0-9a-f]{64}"')
_END_BYTES: Final = len('"data_digest":""') + 2 * DIGEST_BYTES
_HEX: Final = re.compile(rb'"((?:[0-9a-f]{2})*)"')
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NEWLINE: Final = b"\n"


class NotAnEntry(ValueError):
    """The bytes are not what this module writes."""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an entry says, in the order and the texts of its bytes."""

    position: int
    stream: str
    version: int
    event_id: str
    type: str
    schema_version: int
    organization: str
    actor: str
    occurred_at: str
    recorded_at: str
    correlation_id: str | None
    causation_id: str | None
    number: int | None
    data_digest: str


class Line(Struct, frozen=True):
    """A line of the stream in its parts, byte for byte."""

    entry: bytes
    """The bytes that are a leaf of the tree."""
    salt: bytes | None
    """None, with the data, once erased."""
    data: bytes | None


_DECODER: Final = msgspec.json.Decoder(Entry)


def instant_text(instant: datetime) -> str:
    """Write an instant as entries do.

    >>> instant_text(datetime(2026, 3, 1, 12, tzinfo=UTC))
    '2026-03-01T12:00:00.000000Z'
    """
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    text: str = msgspec.to_builtins(instant)
    # It leaves out the fraction of a whole second.
    return text if instant.microsecond else f"{text.removesuffix('Z')}.000000Z"


def encode_entry(event: Recorded[Any]) -> bytes:
    """Make the entry of a recorded event."""
    return render_entry(
        Entry(
            position=event.position,
            stream=event.stream,
            version=event.version,
            event_id=str(event.event_id),
            type=event.type,
            schema_version=event.schema_version,
            organization=event.organization,
            actor=event.actor,
            occurred_at=instant_text(event.occurred_at),
            recorded_at=instant_text(event.recorded_at),
            correlation_id=_text(event.correlation_id),
            causation_id=_text(event.causation_id),
            number=event.number,
            data_digest=event.data_digest.hex(),
        )
    )


def render_entry(entry: Entry) -> bytes:
    """Write an entry from its texts."""
    return _ENCODE(entry)


def decode_entry(entry: bytes) -> Entry:
    """Read an entry.

    Raises:
        NotAnEntry: it is not, or not in the one form that entries have.
    """
    try:
        decoded = _DECODER.decode(entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAnEntry(str(error)) from error
    if _ENCODE(decoded) != entry or not _DIGEST.fullmatch(decoded.data_digest):
        raise NotAnEntry("not in the form that entries have")
    return decoded


def join_line(entry: bytes, salt: bytes | None, data: bytes | None) -> bytes:
    """Make a line of the stream, without a newline; an erased event has neither salt nor data."""
    told_salt = _NULL if salt is None else b'"%b"' % salt.hex().encode()
    told_data = _NULL if data is None else data
    return b"%b%b%b%b%b}" % (entry[:-1], _SALT, told_salt, _DATA, told_data)


def split_line(line: bytes) -> Line:
    """Take a line of the stream apart by its bytes alone.

    Within a JSON text a quotation mark has a backslash before it, so the first `,"salt":` stands
    where the entry's closing brace stood, whatever texts the entry holds.

    Raises:
        NotAnEntry: it is not made like a line.
    """
    head, salt_key, rest = line.partition(_SALT)
    salt, data_key, rest = rest.partition(_DATA)
    if not (salt_key and data_key and rest.endswith(b"}")) or _NEWLINE in line:
        raise NotAnEntry("not a line of the stream")
    if not head.startswith(b"{") or not _END.fullmatch(head[-_END_BYTES:]):
        raise NotAnEntry("it does not begin with an entry")
    data = rest[:-1]
    if salt == _NULL and data == _NULL:
        return Line(head + b"}", None, None)
    match = _HEX.fullmatch(salt)
    if match is None or data in (b"", _NULL):
        raise NotAnEntry("salt and data are not of one kind")
    return Line(head + b"}", bytes.fromhex(match[1].decode()), data)


def _text(uuid: UUID | None) -> str | None:
    return None if uuid is None else str(uuid)
