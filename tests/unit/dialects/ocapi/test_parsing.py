"""OCAPI's parsers: any bytes give what was asked or a fault, and nothing else."""

from collections.abc import Callable
from datetime import UTC
from typing import Any, Final, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.dialects.ocapi.body import choose_format, decode, encode
from api.dialects.ocapi.errors import Fault
from api.dialects.ocapi.instants import read_instant, read_stamp, shown, stamp
from api.dialects.ocapi.matching import matches, narrow
from api.dialects.ocapi.parse import Requested, parse_run
from api.dialects.ocapi.ranges import parse_range
from api.dialects.ocapi.render import parse_log_name
from api.dialects.ocapi.search import FIELDS, parse_page, parse_search
from api.dialects.ocapi.version import parse_version
from api.dialects.ocapi.xml import LISTS, from_xml, to_xml
from ledger.events.definition import Definition, Parameter
from ledger.jobs.system import SYSTEM_JOBS

MEDIA: Final = ("", "application/json", "application/xml", "text/xml", "text/plain")
DECLARED: Final = Definition(
    parameters=(
        Parameter(name="count", type="integer"),
        Parameter(name="share", type="number"),
        Parameter(name="dry", type="boolean"),
        Parameter(name="file"),
    )
)
JOBS: Final = (Definition(), DECLARED, *SYSTEM_JOBS.values())

T = TypeVar("T")


def tried(read: Callable[[], T]) -> T | Fault:
    """Give what is read, or the fault that refuses it; anything else fails the test."""
    try:
        return read()
    except Fault as fault:
        return fault


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
names = st.sampled_from(
    (
        "parameters",
        "name",
        "value",
        "file_name",
        "mode",
        "site_scope",
        "named_sites",
        "all_storefront_sites",
        "data_units",
        "export_file",
        "overwrite_export_file",
        "query",
        "count",
        "start",
        "sorts",
        "match_all_query",
        "term_query",
        "text_query",
        "bool_query",
        "filtered_query",
        "filter",
        "term_filter",
        "range_filter",
        "query_filter",
        "bool_filter",
        "filters",
        "must",
        "should",
        "must_not",
        "field",
        "fields",
        "operator",
        "values",
        "search_phrase",
        "from",
        "to",
        "_type",
    )
)
documents = st.dictionaries(
    names | st.text(max_size=5),
    st.recursive(
        leaves | st.sampled_from(("merge", "is", "and", "not", "id", "job_id", "start_time")),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=12,
    ),
    max_size=4,
)


@given(raw=st.binary(max_size=200), media=st.sampled_from(MEDIA), job=st.sampled_from(JOBS))
def test_any_bytes_give_a_run_or_a_fault(raw: bytes, media: str, job: Definition) -> None:
    """A creation's body is understood or refused."""
    outcome = tried(lambda: parse_run(decode(raw, media), job))
    assert isinstance(outcome, Requested) or 400 <= outcome.status < 500


@given(document=documents, job=st.sampled_from(JOBS))
def test_any_document_gives_a_run_or_a_fault(document: dict[str, Any], job: Definition) -> None:
    """A document of any shape is understood or refused, and what is understood can be recorded."""
    outcome = tried(lambda: parse_run(decode(msgspec.json.encode(document), ""), job))
    if isinstance(outcome, Fault):
        assert 400 <= outcome.status < 500
    else:
        msgspec.json.encode(outcome)


@given(document=documents)
def test_any_document_gives_a_search_or_a_fault(document: dict[str, Any]) -> None:
    """A search of any shape is understood or refused, and what is understood can be matched."""
    facts: Any = dict.fromkeys(FIELDS)
    search = tried(lambda: parse_search(document))
    if isinstance(search, Fault):
        assert 400 <= search.status < 500
        return
    narrow(search.condition)
    matches(search.condition, facts)


@given(raw=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes_give_xml_or_a_fault(raw: bytes) -> None:
    """XML is read or refused."""
    outcome = tried(lambda: from_xml(raw))
    assert isinstance(outcome, dict) or outcome.kind == "BodyDecodingException"


@pytest.mark.parametrize(
    "raw",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<!DOCTYPE a><a/>",
        b"<a>" * 200 + b"</a>" * 200,
        b"<a><b>1</b><b>2</b></a>",
    ],
)
def test_xml_that_could_do_harm_is_refused(raw: bytes) -> None:
    """Document types, entities, nesting without end and doubled properties are refused."""
    with pytest.raises(Fault):
        from_xml(raw)


text = st.text(
    st.characters(min_codepoint=32, exclude_characters="\ufffe\uffff", exclude_categories=["Cs"]),
    min_size=1,
    max_size=20,
)


@given(
    name=text,
    value=text,
    arguments=st.dictionaries(text.filter(lambda told: told not in LISTS), text, max_size=3),
)
def test_xml_goes_there_and_back(name: str, value: str, arguments: dict[str, str]) -> None:
    """What is written as XML is read as the same document."""
    document: dict[str, Any] = {
        "_v": "17.4",
        "_type": "job_execution",
        "parameters": [{"_type": "job_execution_parameter", "name": name, "value": value}],
        "execution_scopes": ["A", "B"],
        "exit_status": {"_type": "status", "code": name, "message": ""},
    }
    assert from_xml(to_xml(document)) == document
    fault = {"_v": "17.4", "fault": {"arguments": arguments, "type": "T", "message": value}}
    read = from_xml(to_xml(fault))
    assert (read["fault"]["arguments"] or {}) == arguments


def test_numbers_and_flags_become_text_in_xml() -> None:
    """XML knows text only: that is what a reader finds."""
    read = from_xml(encode({"_type": "x", "count": 3, "flag": True, "none": None}, "xml"))
    assert read == {"_type": "x", "count": "3", "flag": "true", "none": ""}


@pytest.mark.parametrize(
    ("extension", "parameter", "accept", "form"),
    [
        ("", None, "", "json"),
        ("", None, "*/*", "json"),
        ("", None, "text/xml", "xml"),
        ("", None, "application/json, application/xml", "json"),
        ("", None, "application/json;q=0.5, application/xml", "xml"),
        ("", None, "text/html", "json"),
        ("", None, "application/xml;q=nonsense", "xml"),
        ("xml", None, "application/json", "xml"),
        ("json", "xml", "application/xml", "json"),
        ("", "xml", "application/json", "xml"),
    ],
)
def test_the_format_is_chosen(
    extension: str, parameter: str | None, accept: str, form: str
) -> None:
    """Extension, parameter and Accept choose the format, in this order."""
    assert choose_format(extension, parameter, accept) == form


@given(st.text(max_size=40))
def test_any_text_is_read_or_not(told: str) -> None:
    """Addresses, headers and instants of any text raise nothing but faults."""
    choose_format("", None, told)
    parse_range(told, 10)
    parse_version(told)
    parse_log_name(told)
    read_stamp(told)
    read_instant(told)
    outcome = tried(lambda: parse_page(told, told))
    assert isinstance(outcome, tuple) or outcome.status == 400


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_go_there_and_back(instant: Any) -> None:
    """An instant is read as it is shown; a stamp as it is written."""
    if 2 <= instant.year <= 9997:
        assert shown(read_instant(shown(instant)) or instant) == shown(instant)
    if instant.year >= 1000:
        assert stamp(read_stamp(stamp(instant)) or instant) == stamp(instant)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, "none"),
        ("bytes=0-0", (0, 0)),
        ("bytes=2-99", (2, 9)),
        ("bytes=-99", (0, 9)),
        ("bytes=-0", "impossible"),
        ("bytes=10-", "impossible"),
        ("bytes=5-4", "none"),
        ("bytes=-", "none"),
    ],
)
def test_ranges_are_read(header: str | None, wanted: Any) -> None:
    """One range of bytes is understood; anything else asks for the whole."""
    assert parse_range(header, 10) == wanted


def test_declared_parameters_are_read_as_declared() -> None:
    """OCAPI's values are texts; the job gets what it declared, and keeps what it did not."""
    body = {
        "parameters": [
            {"name": "count", "value": "-7"},
            {"name": "extra", "value": "x"},
            {"name": "share", "value": "0.5"},
            {"name": "dry", "value": "TRUE"},
            {"name": "file", "value": None},
        ]
    }
    requested = parse_run(body, DECLARED)
    assert {a.name: a.value for a in requested.arguments} == {
        "count": -7,
        "share": 0.5,
        "dry": True,
        "file": None,
    }
    kept = requested.attributes["ocapi"]["parameters"]
    assert [item["name"] for item in kept] == ["count", "extra", "share", "dry", "file"]
    for name, value in (("count", "1.5"), ("share", "half"), ("dry", "yes")):
        with pytest.raises(Fault, match="MalformedParameterException"):
            parse_run({"parameters": [{"name": name, "value": value}]}, DECLARED)


@pytest.mark.parametrize(
    ("job_id", "body", "wanted"),
    [
        (
            "sfcc-site-archive-import",
            {"file_name": "a.zip"},
            [("ImportMode", "merge"), ("ImportFile", "a.zip")],
        ),
        (
            "sfcc-site-archive-import",
            {"parameters": [{"name": "ImportFile", "value": "a.zip"}]},
            [("ImportMode", "merge"), ("ImportFile", "a.zip")],
        ),
        (
            "sfcc-site-archive-export",
            {"data_units": {"sites": {"all": True}}, "export_file": "a.zip"},
            [
                ("DataUnits", '{"sites":{"all":true}}'),
                ("ExportFile", "a.zip"),
                ("OverwriteExportFile", "false"),
            ],
        ),
        (
            "sfcc-search-index-product-full-update",
            {"site_scope": {"named_sites": ["A"]}},
            [("SiteScope", '{"named_sites":["A"]}')],
        ),
        (
            "sfcc-search-index-content-full-update",
            {"site_scope": {"all_storefront_sites": True}},
            [("SiteScope", '{"all_storefront_sites":true}')],
        ),
    ],
)
def test_system_jobs_have_documents_of_their_own(job_id: str, body: Any, wanted: Any) -> None:
    """A system job's parameters come in its own order, defaults included."""
    requested = parse_run(body, SYSTEM_JOBS[job_id])
    assert [(a.name, a.value) for a in requested.arguments] == wanted


@pytest.mark.parametrize(
    ("job_id", "body", "kind"),
    [
        ("sfcc-site-archive-import", None, "PropertyConstraintViolationException"),
        ("sfcc-site-archive-import", {"file_name": ""}, "PropertyConstraintViolationException"),
        ("sfcc-site-archive-import", {"file_name": "../a"}, "PropertyConstraintViolationException"),
        ("sfcc-site-archive-import", {"file_name": 3}, "PropertyConstraintViolationException"),
        ("sfcc-site-archive-import", {"file_name": "a", "x": 1}, "UnknownPropertyException"),
        (
            "sfcc-site-archive-import",
            {"file_name": "a", "mode": "wipe"},
            "EnumConstraintViolationException",
        ),
        (
            "sfcc-site-archive-export",
            {"export_file": "a", "overwrite_export_file": "x"},
            "PropertyConstraintViolationException",
        ),
        (
            "sfcc-site-archive-export",
            {"export_file": "a", "data_units": []},
            "PropertyConstraintViolationException",
        ),
        ("sfcc-search-index-product-full-update", {}, "MissingSiteScopeParameterException"),
        ("sfcc-search-index-product-full-update", None, "MissingSiteScopeParameterException"),
        (
            "sfcc-search-index-product-full-update",
            {"site_scope": {"named_sites": []}},
            "InvalidSiteScopeParameterException",
        ),
        (
            "sfcc-search-index-product-full-update",
            {"site_scope": {"named_sites": ["../x"]}},
            "InvalidSiteScopeParameterException",
        ),
        (
            "sfcc-search-index-product-full-update",
            {"site_scope": {"all_storefront_sites": False}},
            "InvalidSiteScopeParameterException",
        ),
    ],
)
def test_system_jobs_have_faults_of_their_own(job_id: str, body: Any, kind: str) -> None:
    """What a system job's document cannot be is refused with its own fault."""
    with pytest.raises(Fault) as caught:
        parse_run(body, SYSTEM_JOBS[job_id])
    assert caught.value.kind == kind
