"""Whatever is sent is understood or refused as malformed, by name; nothing else happens."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.dialects.cdq import parse, wire
from api.dialects.cdq.errors import failure, of
from api.dialects.cdq.statuses import STATUS_OF, phases_of
from api.dialects.port import MalformedRequest
from ledger.executions.phase import PHASES
from ledger.rejection import REJECTIONS

NAMES = (
    *("user", "organizationId", "storageId", "jobType", "sort", "jobStatus", "startAfter"),
    *("limit", "tag", "tagsConjunction", "featuresOn", "featureOn", "dependentJobId", "other"),
)
VALUES = st.text() | st.sampled_from(["RUNNING", "-createdAt", "true", "50", "NUMBER_OF_TOTAL,"])
BODIES = (wire.Posted, wire.Patched, wire.PostedResult, wire.FetchLast, wire.PostedSchedule)


def listed(**query: str | list[str]) -> parse.ListJobs:
    """Read a list's query."""
    return parse.parse_list(
        {name: value if isinstance(value, list) else [value] for name, value in query.items()}
    )


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(VALUES, max_size=3)))
def test_any_query_is_understood_or_malformed(query: Mapping[str, list[str]]) -> None:
    """Nothing else leaves the parsers."""
    with suppress(MalformedRequest):
        parse.parse_list(query)
    with suppress(MalformedRequest):
        parse.parse_types(query)


@given(st.binary(), st.sampled_from(BODIES))
def test_any_bytes_are_a_request_or_malformed(raw: bytes, kind: type[Any]) -> None:
    """The same for bodies."""
    with suppress(MalformedRequest):
        parse.parse_body(raw, kind, max_depth=16)
    with suppress(MalformedRequest):
        parse.parse_create(raw, max_depth=16)


@pytest.mark.parametrize(
    "told", [["A, B,C"], ["A,B", "C"], ["A", "B", "C"], ["A,,B", " C "], ["A", "A,B,C"]]
)
def test_a_list_is_written_in_several_ways(told: list[str]) -> None:
    """Repeated, at commas, at commas and blanks."""
    assert listed(jobType=told).job_types == ("A", "B", "C")


def test_sorting_is_ascending_unless_told() -> None:
    """A plus sign that was not escaped is a blank by now."""
    assert not listed().descending
    for text in ("createdAt", "+createdAt", " createdAt"):
        assert not listed(sort=text).descending
    assert listed(sort="-createdAt").descending


def test_tags_are_any_of_unless_told() -> None:
    """Both switches say the same."""
    assert not listed(tag="a,b").all_tags
    assert listed(tag="a,b", tagsConjunction="true").all_tags
    assert listed(tag="a,b", featuresOn="TAGS_CONJUNCTION").all_tags


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"limit": ["1", "2"]},
        {"sort": "name"},
        {"sort": "-createdAt,+createdAt"},
        {"jobStatus": "running"},
        {"featuresOn": "OTHER"},
        {"tagsConjunction": "maybe"},
        {"startAfter": "x"},
        {"startAfter": "1"},
        {"dependentJobId": "x"},
        {"dependentJobId": "x", "storageId": "s"},
        {"dependentJobId": "x", "jobType": "T"},
        {"tag": ",".join(f"t{i}" for i in range(101))},
        {"jobType": ",".join(f"t{i}" for i in range(101))},
    ],
)
def test_a_fault_names_its_parameter(query: dict[str, Any]) -> None:
    """The last of the parameters, or the first, is at fault."""
    with pytest.raises(MalformedRequest) as refused:
        listed(**query)
    assert refused.value.path in query


def test_a_cursor_leads_back() -> None:
    """Sixteen digits, as the document's."""
    cursor = parse.encode_cursor(1234)
    assert len(cursor) == 16
    assert listed(startAfter=cursor).after == 1234


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": ""},
        {"type": "T", "name": "x" * 51},
        {"type": "T", "description": "x" * 201},
        {"type": "T", "other": 1},
        {"type": "T", "resourceRequest": {"gpu": 1}},
        {"type": "T", "jobDependencies": [{}]},
        {"type": "T", "expiresAt": "0001-01-01T00:00:00Z"},
        {"type": "T", "startAt": "tomorrow"},
        {"type": "T", "environmentVariables": [{"name": "A", "value": "x" * 512 * 1024}]},
    ],
)
def test_what_cannot_be_run_is_malformed(body: Any) -> None:
    """Each for its own reason."""
    with pytest.raises(MalformedRequest):
        parse.parse_create(msgspec.json.encode(body), max_depth=16)


def test_what_was_not_told_is_not_kept() -> None:
    """Only facts of the vendor's own, under its names."""
    posted = parse.parse_create(b'{"type":"T","storageId":"s","name":"n"}', max_depth=16)
    assert parse.facts_of(posted) == {"storageId": "s"}


def test_every_phase_has_a_status() -> None:
    """And every status but those that are never current stands for phases."""
    assert set(STATUS_OF) == set(PHASES)
    for status in get_args(wire.JobStatus):
        assert bool(phases_of(frozenset((status,)))) == (status != "CREATED")


@pytest.mark.parametrize("kind", REJECTIONS, ids=lambda kind: kind.__name__)
def test_every_refusal_has_a_status(kind: type[Any]) -> None:
    """With words and a technical key."""
    values: dict[str, Any] = {"index": 0, "presented": 1, "current": 2, "record": None}
    told = {name: values.get(name, "x") for name in kind.__struct_fields__}
    status, message = of(kind(**told))
    assert message
    assert failure(status, message).code // 100_000 == status
