"""Whatever is sent is understood or refused as malformed, by name; nothing else happens."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.dialects.port import MalformedRequest
from api.dialects.product_live import find, parse
from api.dialects.product_live.errors import of
from api.dialects.product_live.files import named_files, recorded_files, shown_files
from api.dialects.product_live.statuses import STATUS_OF
from api.dialects.product_live.wire import RecordedFile
from ledger.executions.phase import PHASES
from ledger.rejection import REJECTIONS
from projections.documents.compile import Compiler

CONTEXT = dict.fromkeys(("jobAccountId", "userShardId", "userAccountId", "userId"), "1")
FILE = "6b0425428be416450548c93c"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *("id", "jobId", "pipelineId", "status", "createdAt", "endedAt", "info.title"),
        *("input", "output.a.b", "input.", "output..x", "input.a'; drop table x; --", "no"),
    ]
)
LEAVES = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*sorted(find._OPERATORS), "x"]),
        "field": FIELDS,
        "value": JSON | st.just("2023-12-21T00:00:00.000Z"),
    },
    optional={"caseSensitive": st.booleans()},
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["and", "or", "not"]), "queries": st.lists(inner, max_size=3)}
    ),
    max_leaves=8,
)


def refusal(body: Any) -> MalformedRequest:
    """Give why a find request is refused."""
    with pytest.raises(MalformedRequest) as refused:
        find.parse_find(msgspec.json.encode(body), max_depth=2000)
    return refused.value


@given(st.binary())
def test_any_bytes_are_a_request_or_malformed(raw: bytes) -> None:
    """Nothing else leaves the parsers."""
    with suppress(MalformedRequest):
        parse.parse_create(raw, context=CONTEXT, max_depth=16)
    with suppress(MalformedRequest):
        find.parse_find(raw, max_depth=16)


@given(JSON)
def test_any_document_is_a_request_or_malformed(document: Any) -> None:
    """The same with documents that are JSON."""
    raw = msgspec.json.encode(document)
    for body in (raw, b'{"jobId":"J","input":' + raw + b"}"):
        try:
            run = parse.parse_create(body, context=CONTEXT, max_depth=16)
        except MalformedRequest:
            continue
        if isinstance(document, dict):
            assert run.input["context"]["jobId"] == "J"


@given(TREES)
def test_any_tree_is_a_statement_or_malformed(tree: Any) -> None:
    """What is understood compiles, and nothing that was sent is part of the statement's text."""
    try:
        wanted = find.parse_find(msgspec.json.encode(tree), max_depth=64)
    except MalformedRequest:
        return
    compiler = Compiler(first=4)
    text = compiler.condition(wanted)
    assert "drop table" not in text
    assert text.count("$") == len(compiler.parameters)


def test_a_fault_is_named() -> None:
    """Operator, field, value, property: each refusal says which and where."""
    leaf = {"type": "eq", "field": "status", "value": "x"}
    fault = refusal({"type": "and", "queries": [leaf, {**leaf, "type": "like"}]})
    assert (fault.path, fault.reason[:6]) == ("$.queries[1].type", "'like'")
    fault = refusal({**leaf, "field": "status; drop table x"})
    assert (fault.path, fault.reason[:22]) == ("$.field", "'status; drop table x'")
    assert refusal({**leaf, "field": "inputs.a"}).path == "$.field"
    assert refusal({**leaf, "more": 1}).reason == "there is no property 'more' here"
    assert refusal({**leaf, "caseSensitive": "yes"}).path == "$.caseSensitive"
    assert refusal({"type": "eq", "field": "status"}).path == "$.value"
    assert refusal({**leaf, "type": "in"}).path == "$.value"
    assert refusal({"type": "or", "queries": []}).path == "$.queries"
    assert refusal({"type": "greater", "field": "createdAt", "value": "soon"}).path == "$.value"
    assert refusal({"type": "contains", "field": "createdAt", "value": "2023"}).path == "$.type"


def test_a_tree_is_bounded() -> None:
    """In nodes, depth and values."""
    leaf: Any = {"type": "eq", "field": "status", "value": "x"}
    assert "more than 200 queries" in refusal({"type": "or", "queries": [leaf] * 10_000}).reason
    nested = leaf
    for _ in range(12):
        nested = {"type": "not", "queries": [nested]}
    assert "nested deeper than 12" in refusal(nested).reason
    deep = b'{"type":"not","queries":[' * 500 + msgspec.json.encode(leaf) + b"]}" * 500
    with pytest.raises(MalformedRequest) as refused:
        find.parse_find(deep, max_depth=64)
    assert refused.value.reason == "the JSON is nested deeper than 64"
    many = {"type": "in", "field": "jobId", "value": ["x"] * 501}
    assert "more than 500 values" in refusal(many).reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"jobId":""}',
        b'{"jobId":1}',
        b'{"jobId":"x","other":1}',
        b'{"jobId":"x","input":1,"payload":2}',
        b'{"jobId":"\\u0000"}',
        b'{"jobId":"x","info":{"title":"' + b"x" * 257 + b'"}}',
    ],
)
def test_what_cannot_be_run_is_malformed(body: bytes) -> None:
    """Each for its own reason."""
    with pytest.raises(MalformedRequest):
        parse.parse_create(body, context=CONTEXT, max_depth=16)


def test_input_may_be_anything() -> None:
    """The context is added to objects only; `payload` is another name."""
    for told, kept in ((b"3", 3), (b'"x"', "x"), (b"[1]", [1]), (b"false", False)):
        body = b'{"jobId":"J","payload":' + told + b"}"
        assert parse.parse_create(body, context=CONTEXT, max_depth=16).input == kept
    body = b'{"jobId":"J","input":{"context":{"mine":1,"userId":"me"},"a":2}}'
    run = parse.parse_create(body, context=CONTEXT, max_depth=16)
    assert run.input["a"] == 2
    assert (run.input["context"]["mine"], run.input["context"]["userId"]) == (1, "1")


def test_pages_are_bounded() -> None:
    """A page or size that is no number, or too large, is refused."""
    assert parse.parse_page(None, None, default_size=20) == parse.Page(page=0, size=20)
    assert parse.parse_page("2", "10", default_size=20).offset == 20
    for page, size in (("x", None), ("-1", None), (None, "0"), (None, "1001"), ("9" * 10, None)):
        with pytest.raises(MalformedRequest):
            parse.parse_page(page, size, default_size=20)


def test_files_are_recorded_whole_and_shown_short() -> None:
    """The event holds the digest; the vendor's object holds a url."""
    named = {"a": [{"object": "data_factory_file", "id": FILE}], "b": {"object": "other"}}
    assert list(named_files(named)) == [(FILE, "$.a[0]")]
    file = RecordedFile(
        object="data_factory_file", id=FILE, createdAt="c", updatedAt="u", sha256="s", size=3
    )
    recorded = recorded_files(named, {FILE: file})
    assert recorded["a"][0]["sha256"] == "s"
    assert shown_files(recorded, "http://h")["a"][0] == {
        "object": "data_factory_file",
        "id": FILE,
        "createdAt": "c",
        "updatedAt": "u",
        "url": f"http://h/v1/data_factory/files/{FILE}",
    }
    with pytest.raises(MalformedRequest):
        list(named_files({"object": "data_factory_file", "id": "../../etc"}))


def test_every_phase_has_a_status() -> None:
    """No execution is without one."""
    assert set(STATUS_OF) == set(PHASES)


@pytest.mark.parametrize("kind", REJECTIONS, ids=lambda kind: kind.__name__)
def test_every_refusal_is_a_problem(kind: type[Any]) -> None:
    """With a status of its own."""
    values: dict[str, Any] = {"index": 0, "presented": 1, "current": 2, "record": None}
    told = {name: values.get(name, "x") for name in kind.__struct_fields__}
    assert 400 <= of(kind(**told)).status < 500
