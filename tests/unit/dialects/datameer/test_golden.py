"""The document's answers, made from facts, are the document's bytes (white space aside)."""

import json
from pathlib import Path
from typing import Any, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from api.dialects.datameer import errors, render
from api.dialects.datameer import wire as w
from ledger.events import executions as x
from ledger.executions.phase import PHASES
from ledger.executions.state import ExecutionState
from tests.unit.dialects.facts import at, created, fold

GOLDEN = Path(__file__).parents[3] / "golden" / "datameer"
UTC = ZoneInfo("UTC")
UUID_1 = UUID("01980000-0000-7000-8000-000000000001")
START, STOP = "2018-09-28T18:44:56Z", "2018-09-28T18:44:58Z"


def golden(name: str) -> bytes:
    """Read a sample, with the white space of a document that is written evenly."""
    raw = (GOLDEN / f"{name}.json").read_text()
    deep = raw.startswith(("{\n    ", "[\n    "))
    return json.dumps(json.loads(raw), indent=4 if deep else 2).encode()


def life(
    number: int = 3,
    start: str | None = START,
    stop: str | None = None,
    outcome: Any = "ok",
    *,
    progress: x.Progress | None = None,
    **job: Any,
) -> ExecutionState:
    """Give an execution that was created, and perhaps started and ended."""
    facts: list[tuple[str, x.ExecutionEvent]] = [
        (start or "2018-09-28T10:00:00Z", created(UUID_1, "job", **{"job_uuid": UUID_1, **job}))
    ]
    if start is not None:
        facts.append((start, x.ExecutionStarted(fence=1, worker="w", lease=UUID_1)))
    if progress is not None:
        facts.append((start or START, x.ExecutionProgressed(progress=progress)))
    if stop is not None:
        end: x.ExecutionEvent = x.ExecutionFinished(outcome=outcome, exit_code="OK")
        if outcome == "canceled":
            end = x.ExecutionCanceled()
        facts.append((stop, end))
    return fold(facts, number=number)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("v1_running", life(49)),
        ("v1_completed", life(30, stop=STOP)),
        ("v1_warnings", life(32, stop=STOP, outcome="warning")),
        ("v1_error", life(36, stop=STOP, outcome="error")),
        ("v1_canceled", life(39, stop=STOP, outcome="canceled")),
    ],
)
def test_job_status(name: str, state: ExecutionState) -> None:
    """The first generation's status."""
    assert render.document(render.status(state), indent=4) == golden(name)


@pytest.mark.parametrize(
    ("name", "state", "file_id", "known"),
    [
        ("v2_running", life(3), 48, {"left_s": 11.2, "percent": 0.0}),
        ("v2_completed", life(3, stop=STOP), 48, {}),
        (
            "v2_warnings",
            life(4, "2018-09-28T10:09:47Z", "2018-09-28T10:09:52Z", "warning"),
            46,
            {},
        ),
        ("v2_queued", life(4, None), 48, {}),
        ("v2_canceled", life(4, None, "2018-09-28T18:58:41Z", "canceled"), 48, {}),
    ],
)
def test_status_v2(name: str, state: ExecutionState, file_id: int, known: Any) -> None:
    """The second generation's status; null and absent as in the samples."""
    told = render.status_v2(state, file_id, UTC, **known)
    assert render.document(told, indent=2) == golden(name)


def test_never_run() -> None:
    """An empty object, and `_NONE`."""
    assert render.document({}, indent=4) == golden("v1_never")
    assert render.document(w.StatusV2(job_status="_NONE"), indent=2) == golden("v2_never")


def test_history() -> None:
    """A bare array."""
    states = [life(number, stop=STOP) for number in (30, 27, 23)]
    told = [render.status(state) for state in states]
    assert render.document(told, indent=4) == golden("history")


def test_details() -> None:
    """Both forms, each with its own dates and order."""
    counters = json.loads(golden("details_older"))["counters"]
    progress = x.Progress(success_count=494400, failure_count=0, counters=counters)
    older = life(1, "2012-07-06T18:19:09Z", "2012-07-06T18:21:07Z", progress=progress)
    told: Any = render.older_details(older, UTC)
    assert render.document(told, indent=4) == golden("details_older")
    counters = json.loads(golden("details"))["counters"]
    newer = life(
        1,
        "2018-07-18T13:46:38Z",
        "2018-07-18T13:47:03Z",
        progress=x.Progress(counters=counters),
        job_uuid=UUID("f8d450cd-f065-4abb-a232-27cd20c48c2b"),
        job_number=6,
    )
    # Configuration and file are one thing here, so one of the sample's two ids is put in.
    body = render.document(render.details(newer, UTC), indent=2)
    body = body.replace(b'"jobConfigurationId": 6', b'"jobConfigurationId": 4')
    assert body == golden("details")


def test_list_running() -> None:
    """Time left only where something tells it."""
    sample = json.loads(golden("list_running"))
    told = [
        render.running(
            entry.get("jobExecutionId", 0),
            entry["dapJobConfigurationId"],
            at("2011-05-19T22:35:39Z"),
            UTC,
            left_s=11.4 if "estimateTime" in entry else None,
            percent=None,
        )
        for entry in sample
    ]
    # The last entry of the sample lacks its execution's id, which every execution has.
    body = render.document(told, indent=4).replace(b'        "jobExecutionId": 0,\n', b"")
    assert body == golden("list_running")


def test_triggered_and_planned() -> None:
    """What creates something tells what."""
    for name, number, user in (("v2_triggered", 3, "analyst"), ("triggered", 11, "admin")):
        told = w.Triggered(job_execution_id=number, job_execution_user=user)
        assert render.document(told, indent=2) == golden(name)
    states = [
        fold([(START, created(UUID_1, job, job_uuid=UUID_1, job_number=n))], number=number)
        for job, n, number in (("apache_log", 3, 16), ("categorization", 4, 17))
    ]
    assert render.document(render.plan(states), indent=2) == golden("plan")


def test_failures_and_deletes() -> None:
    """Failures have a reason, deletes a truth."""
    for name, reason in (
        ("v2_failure", errors.NO_FILE),
        ("not_found", errors.no_entity("Data", "272")),
    ):
        assert render.document(w.Failure(reason=reason), indent=2) == golden(name)
    for name, changed in (("deleted", True), ("deleted_already", False)):
        assert render.document(w.Deleted(status=changed), indent=2) == golden(name)


def test_dates() -> None:
    """Midnight and noon, another zone, and milliseconds without padding."""
    night, noon = at("2026-01-02T00:05:00.007Z"), at("2026-07-02T12:05:00.120Z")
    assert render.long_date(night, UTC) == "Jan 2, 2026 12:05:00 AM"
    assert render.long_date(noon, UTC) == "Jul 2, 2026 12:05:00 PM"
    assert render.long_date(noon, ZoneInfo("Europe/Berlin")) == "Jul 2, 2026 2:05:00 PM"
    assert render.short_date(night, UTC) == "2026-01-02 00:05:00.7"
    assert render.short_date(noon, UTC) == "2026-07-02 12:05:00.120"


def test_every_phase_has_a_word() -> None:
    """No execution is without a status."""
    assert set(render.V1) == set(PHASES)
    assert set(render.V1.values()) == set(get_args(w.V1Status))


def test_counts() -> None:
    """As told, or from the items, or from the counters; a volume from the bytes that were read."""
    items = life(progress=x.Progress(processed_items=10, failed_items=3))
    assert (render.success_count(items), render.failure_count(items)) == (7, 3)
    counted = life(progress=x.Progress(counters={"IMPORT_RECORDS": 5, "IMPORT_DROPPED_RECORDS": 1}))
    assert (render.success_count(counted), render.failure_count(counted)) == (5, 1)
    assert render.volume(counted).imported_volume == 0
    assert render.success_count(life()) == render.failure_count(life()) == 0
