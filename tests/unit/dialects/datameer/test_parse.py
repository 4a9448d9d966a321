"""What the vendor's clients send, and what nobody should."""

from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.dialects.datameer import errors, parse
from api.dialects.port import MalformedRequest
from ledger.rejection import REJECTIONS


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("48", parse.ByNumber(48)),
        (
            "f8d450cd-f065-4abb-a232-27cd20c48c2b",
            parse.ByUuid(UUID("f8d450cd-f065-4abb-a232-27cd20c48c2b")),
        ),
        ("Data/x", parse.ByPath(("Data/x", "/Data/x"))),
        ("/Data/x", parse.ByPath(("/Data/x", "Data/x"))),
        ("a%2Fb+c", parse.ByPath(("a/b+c", "/a/b+c", "a/b c", "/a/b c"))),
        ("%C3%9C", parse.ByPath(("Ü", "/Ü"))),
        ("x" * 36, parse.ByPath(("x" * 36, "/" + "x" * 36))),
    ],
)
def test_a_file_has_three_names(raw: str, found: parse.FileName) -> None:
    """A number, a uuid, or else a path, read literally first."""
    assert parse.file_name(raw) == found


@pytest.mark.parametrize("raw", ["", "%00", "x" * 1200])
def test_no_name(raw: str) -> None:
    """What can't be looked for is refused."""
    with pytest.raises(MalformedRequest):
        parse.file_name(raw)


def test_the_printed_body() -> None:
    """Bare keys and trailing commas; ids from both places, each once, in order."""
    body = b'{ variables : { "foo": "fooValue" }, "fileIds" : [4, ]}'
    wanted = parse.sequence("3,4", body)
    assert wanted.files == (parse.ByNumber(3), parse.ByNumber(4))
    assert wanted.variables == {"foo": "fooValue"}
    told = parse.sequence("", b'{variables: {"a: b,}": "c,]"}, fileIds: ["Data/x", 5]}')
    assert told.variables == {"a: b,}": "c,]"}
    assert told.files == (parse.ByPath(("Data/x", "/Data/x")), parse.ByNumber(5))


@pytest.mark.parametrize(
    ("ids", "body"),
    [
        ("", b""),
        (" , ,", b"{}"),
        ("", b'{"fileIds": []}'),
        ("1", b"{"),
        ("1", b"[]"),
        ("1", b'{"fileIds": {"a": 1}}'),
        ("1", b'{"variables": []}'),
        ("1", b'{"variables": {"a": ' + b"[" * 40 + b"]" * 40 + b"}}"),
        (",".join(map(str, range(1001))), b""),
    ],
)
def test_wrong_sequences(ids: str, body: bytes) -> None:
    """Nothing named, no JSON, another shape, too much."""
    with pytest.raises(MalformedRequest):
        parse.sequence(ids, body)


def test_pages() -> None:
    """From 0, ten at a time, bounded."""
    assert parse.page(None, None) == (0, 10)
    assert parse.page("5", "99999") == (5, parse.MAX_PAGE)
    for wrong in ("-1", "x", "", "1e3"):
        with pytest.raises(MalformedRequest):
            parse.page(wrong, None)
    with pytest.raises(MalformedRequest):
        parse.number(None, "configuration")
    assert (parse.number("x", "id"), parse.number("12", "id")) == (None, 12)


@given(st.text(max_size=200), st.binary(max_size=300))
def test_anything(ids: str, body: bytes) -> None:
    """Any bytes are a sequence or a `MalformedRequest`, nothing else."""
    try:
        wanted = parse.sequence(ids, body)
    except MalformedRequest:
        return
    assert wanted.files


@given(st.text() | st.integers(min_value=0) | st.uuids())
def test_any_name(value: object) -> None:
    """Any text is a name or a `MalformedRequest`."""
    try:
        parse.file_name(str(value))
    except MalformedRequest:
        return


def test_every_refusal_has_a_reason() -> None:
    """Whatever the ledger refuses is said in the vendor's form."""
    for kind in REJECTIONS:
        names = [field.name for field in msgspec.structs.fields(kind)]
        status, reason = errors.reason(kind(*("x" for _ in names)))
        assert 400 <= status < 500
        assert reason
