"""Decoding bodies, and merging patches, without a server."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.native.body import decode_body, too_deep
from api.native.cursor import decode_cursor, decode_pair, encode_cursor, encode_pair
from api.native.jobs import merge_patch
from api.native.problems import ProblemError
from api.native.wire import BulkLine, ExecutionPost, JobPost, ReportsPost

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=25,
)


def depth_of(value: Any) -> int:
    """Count the levels of a document."""
    match value:
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case _:
            return 0


@given(JSON, st.integers(0, 6), st.sampled_from([None, 1]))
def test_depth_is_counted_outside_strings(value: Any, limit: int, indent: int | None) -> None:
    """A document is too deep exactly when its levels are more than the limit."""
    raw = json.dumps(value, ensure_ascii=False, indent=indent)
    assert too_deep(raw.encode(errors="replace"), limit) == (depth_of(value) > limit)


@pytest.mark.parametrize("kind", [ExecutionPost, ReportsPost, BulkLine, JobPost])
@given(raw=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_taken_or_refused(kind: type, raw: bytes) -> None:
    """Whatever comes as a body is decoded, or refused with a place; nothing else happens."""
    taken: Any = None
    refusal = None
    try:
        taken = decode_body(raw, kind, 64)
    except ProblemError as error:
        refusal = error.problem
    assert isinstance(taken, kind) or (refusal and refusal.status == 400 and refusal.path)


@given(JSON)
def test_inputs_arrive_as_they_were_sent(value: Any) -> None:
    """What a caller may choose freely is kept to the letter."""
    raw = json.dumps({"input": value}).encode()
    try:
        assert decode_body(raw, ExecutionPost, 64).input == value
    except ProblemError:
        text = raw.decode()
        assert "\\u0000" in text or "\\ud" in text or len(text) > 300


@pytest.mark.parametrize(
    ("target", "change", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_patches_merge_as_the_standard_says(target: Any, change: Any, expected: Any) -> None:
    """The cases of RFC 7396, appendix A."""
    assert merge_patch(target, change) == expected


@given(st.integers(0, 10**18 - 1), st.text(st.characters(exclude_characters="\x00")), st.text())
def test_cursors_come_back_as_they_went(key: int, word: str, anything: str) -> None:
    """A cursor is read by its own list; any other text is refused."""
    assert decode_cursor(encode_cursor("e", key), "e") == key
    with pytest.raises(ProblemError):
        decode_cursor(encode_cursor("e", key), "k")
    clean = word.encode(errors="ignore").decode()
    assert decode_pair(encode_pair((clean, "o"))) == (clean, "o")
    for decode in (decode_pair, lambda text: decode_cursor(text, "e")):
        place = "?after"
        try:
            decode(anything)
        except ProblemError as error:
            place = error.problem.path or ""
        assert place == "?after"
