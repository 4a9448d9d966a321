"""Entries and lines: their bytes are for ever, and they come apart by bytes alone."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.events.entry import (
    Line,
    NotAnEntry,
    decode_entry,
    encode_entry,
    instant_text,
    join_line,
    split_line,
)
from ledger.events.envelope import Recorded
from ledger.events.executions import ExecutionReleased
from ledger.merkle.tree import leaf_hash

SALT = bytes(range(16))
DATA = b'{"reason":"a,\\"salt\\":\\"b","n":1.50}'
PLAIN: Recorded[Any] = Recorded(
    position=1,
    stream="execution/0198c0de-0000-7000-8000-000000000001",
    version=1,
    event_id=UUID("0198c0de-0000-7000-8000-00000000ABCD"),
    type="execution.created",
    schema_version=1,
    organization="acme",
    actor="admin",
    occurred_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    recorded_at=datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC),
    correlation_id=UUID("0198c0de-0000-7000-8000-000000000002"),
    causation_id=UUID("0198c0de-0000-7000-8000-000000000003"),
    number=17,
    data_digest=hashlib.sha256(SALT + DATA).digest(),
    event=ExecutionReleased(),
)
ODD = replace(
    PLAIN,
    position=2**63 - 1,
    stream='job/acme/a,"salt":"\\/\u00e9\u2028\U0001f600\x7f',
    actor='\x01\x1f\t\n\r\b\f\\",',
    occurred_at=datetime(987, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=-2))),
    correlation_id=None,
    causation_id=None,
    number=None,
)
PLAIN_BYTES = (
    b'{"position":1,"stream":"execution/0198c0de-0000-7000-8000-000000000001","version":1,'
    b'"event_id":"0198c0de-0000-7000-8000-00000000abcd","type":"execution.created",'
    b'"schema_version":1,"organization":"acme","actor":"admin",'
    b'"occurred_at":"2026-03-01T12:00:00.000000Z","recorded_at":"2026-03-01T12:00:00.000005Z",'
    b'"correlation_id":"0198c0de-0000-7000-8000-000000000002",'
    b'"causation_id":"0198c0de-0000-7000-8000-000000000003","number":17,'
    b'"data_digest":"d"}'
)
ODD_BYTES = (
    '{"position":9223372036854775807,"stream":"job/acme/a,\\"salt\\":\\"\\\\/\u00e9\u2028\U0001f600'
    '\x7f","version":1,"event_id":"0198c0de-0000-7000-8000-00000000abcd",'
    '"type":"execution.created","schema_version":1,"organization":"acme",'
    '"actor":"\\u0001\\u001f\\t\\n\\r\\b\\f\\\\\\",","occurred_at":"0988-01-01T01:59:59.999999Z",'
    '"recorded_at":"2026-03-01T12:00:00.000005Z","correlation_id":null,"causation_id":null,'
    '"number":null,"data_digest":"d"}'
).encode()


def test_the_bytes_of_an_entry() -> None:
    """An entry looks like this. A failure here means that every tree in the field is wrong."""
    digest = PLAIN.data_digest.hex().encode()
    assert encode_entry(PLAIN) == PLAIN_BYTES.replace(b'"d"', b'"%b"' % digest)
    assert encode_entry(ODD) == ODD_BYTES.replace(b'"d"', b'"%b"' % digest)
    assert leaf_hash(encode_entry(PLAIN)).hex() == (
        "29fdd607ad52ae341affd475dd59cbb35a3d76b32ac0b23cf1b7bca08f8832f1"
    )


def test_the_bytes_of_a_line() -> None:
    """A line is the entry with its closing brace replaced; an erased one ends in nulls."""
    entry = encode_entry(PLAIN)
    assert join_line(entry, SALT, DATA) == (
        entry[:-1] + b',"salt":"000102030405060708090a0b0c0d0e0f","data":' + DATA + b"}"
    )
    assert join_line(entry, None, None) == entry[:-1] + b',"salt":null,"data":null}'
    assert json.loads(join_line(entry, SALT, DATA))["data"]["n"] == 1.5


INSTANTS = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001 - the same
    timezones=st.timezones(),
)
TEXTS = st.text(st.characters(codec="utf-8"))
EVENTS = st.builds(
    Recorded,
    position=st.integers(1, 2**63 - 1),
    stream=TEXTS,
    version=st.integers(1, 2**31 - 1),
    event_id=st.uuids(),
    type=TEXTS,
    schema_version=st.integers(1, 2**15 - 1),
    organization=TEXTS,
    actor=TEXTS,
    occurred_at=INSTANTS,
    recorded_at=INSTANTS,
    correlation_id=st.none() | st.uuids(),
    causation_id=st.none() | st.uuids(),
    number=st.none() | st.integers(1, 2**63 - 1),
    data_digest=st.binary(min_size=32, max_size=32),
    event=st.just(ExecutionReleased()),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS | st.just('a,"data":'), inner),
)


@given(EVENTS)
def test_entries_as_another_encoder_writes_them(event: Recorded[Any]) -> None:
    """The standard library makes the same bytes of the same fields."""
    fields = {name: getattr(event, name) for name in Recorded.__struct_fields__ if name != "event"}
    for name, value in fields.items():
        if isinstance(value, datetime):
            utc = value.astimezone(UTC)
            fields[name] = f"{utc.year:04}" + utc.strftime("-%m-%dT%H:%M:%S.%fZ")
        elif isinstance(value, UUID):
            fields[name] = str(value)
        elif isinstance(value, bytes):
            fields[name] = value.hex()
    expected = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    assert encode_entry(event) == expected
    decoded = decode_entry(expected)
    assert decoded.position == event.position
    assert decoded.occurred_at == instant_text(event.occurred_at)
    assert b"\n" not in expected


@given(EVENTS, st.binary(min_size=16, max_size=16), st.dictionaries(TEXTS, JSON))
def test_lines_come_apart(event: Recorded[Any], salt: bytes, data: dict[str, Any]) -> None:
    """Whatever the texts hold, the parts come back byte for byte."""
    entry = encode_entry(event)
    encoded = msgspec.json.encode(data)
    assert split_line(join_line(entry, salt, encoded)) == Line(entry, salt, encoded)
    assert split_line(join_line(entry, None, None)) == Line(entry, None, None)


@given(
    st.binary()
    | st.tuples(st.integers(0, 500), st.binary(max_size=3), st.integers(0, 5)).map(
        lambda cut: _altered(*cut)
    )
)
def test_lines_of_any_bytes(line: bytes) -> None:
    """Bytes are a line that is joined to the same bytes, or refused."""
    try:
        parts = split_line(line)
    except NotAnEntry:
        return
    assert join_line(parts.entry, parts.salt, parts.data) == line


def _altered(start: int, put: bytes, cut: int) -> bytes:
    line = join_line(encode_entry(PLAIN), SALT, DATA)
    return line[:start] + put + line[start + cut :]


@given(st.integers(0, 450), st.binary(max_size=3), st.integers(0, 5))
def test_entries_have_one_form(start: int, put: bytes, cut: int) -> None:
    """A changed entry is refused, or says something else in the one form that says it."""
    right = encode_entry(PLAIN)
    entry = right[:start] + put + right[start + cut :]
    try:
        decoded = decode_entry(entry)
    except NotAnEntry:
        return
    assert entry == right or decoded != decode_entry(right)


@pytest.mark.parametrize(
    "change",
    [
        (b"{", b"{ "),
        (b'"number":17', b'"number":17.0'),
        (b'"number":17,', b""),
        (b'"acme"', b'"\\u0061cme"'),
        (b'"version":1,', b'"version":1,"version":1,'),
        (b'"number":17,"data_digest":', b'"number":17,"more":1,"data_digest":'),
        (b'"data_digest":"', b'"data_digest":"0'),
    ],
    ids=str,
)
def test_other_ways_to_say_the_same_are_refused(change: tuple[bytes, bytes]) -> None:
    """Blanks, other numbers, other escapes, repeated and missing keys make no entry."""
    entry = encode_entry(PLAIN)
    assert entry.replace(*change) != entry
    with pytest.raises(NotAnEntry):
        decode_entry(entry.replace(*change))


@pytest.mark.parametrize(
    "line",
    [
        encode_entry(PLAIN),
        join_line(encode_entry(PLAIN), SALT, None),
        join_line(encode_entry(PLAIN), SALT, DATA)[:-3],
        join_line(encode_entry(PLAIN), SALT, DATA) + b"\n",
        join_line(encode_entry(PLAIN), None, DATA),
        join_line(encode_entry(PLAIN), SALT, b""),
        join_line(b'{"position":1}', SALT, DATA),
    ],
    ids=range(7),
)
def test_what_is_not_a_line_is_refused(line: bytes) -> None:
    """Cut off, half erased, or without an entry: refused."""
    with pytest.raises(NotAnEntry):
        split_line(line)
