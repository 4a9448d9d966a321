"""The document's answers, made from facts, are the document's bytes (white space aside)."""

import json
from pathlib import Path

import msgspec
import pytest

from api.dialects.product_live import parse, render
from api.dialects.product_live.find import parse_find
from ledger.events import executions as x
from ledger.events.definition import Definition
from ledger.executions.state import ExecutionState
from projections.documents import criteria as k
from tests.unit.dialects.facts import at, created, fold, uuid_of

GOLDEN = Path(__file__).parents[3] / "golden" / "product_live"
JOB = "65819ba43ad5b963658ab35d"
CONTEXT = {
    "jobAccountId": "2629",
    "userShardId": "2629",
    "userAccountId": "2629",
    "userId": "5443",
}


def golden(name: str) -> bytes:
    """Read a sample without its white space."""
    return json.dumps(
        json.loads((GOLDEN / f"{name}.json").read_text()), separators=(",", ":")
    ).encode()


def life(report_host: str = "") -> ExecutionState:
    """Give the sample's execution: just started, or ended when *report_host* is named."""
    body = b'{"jobId": "65819ba43ad5b963658ab35d"}'
    run = parse.parse_create(body, context=CONTEXT, max_depth=64)
    facts: list[tuple[str, x.ExecutionEvent]] = [
        (
            "2023-12-21T14:04:18.511Z",
            created(
                uuid_of("658445e23ad5b929948ab731", 511),
                run.job_id,
                job_uuid=uuid_of("6582b5fb7bcba4a7a1147473"),
                definition=Definition(name="Import Schema"),
                input=run.input,
            ),
        ),
        ("2023-12-21T14:04:18.469Z", x.ExecutionStarted()),
    ]
    if report_host:
        digest = "98d345609f420b36b4296849498f5692fe655518110e7b174456d921ab32b4e2"
        url = f"https://{report_host}/data-factory/2629/download/{digest}/report.xml"
        output = {
            "subWorkflowId": "0cc9caaa-01f7-44cc-be89-2e34181d248e",
            "report": {"url": url, "filename": "report.xml"},
        }
        facts += [
            ("2023-12-21T14:04:34.000Z", x.OutputSet(output=output)),
            ("2023-12-21T14:04:34.359Z", x.ExecutionFinished(outcome="ok", exit_code="OK")),
        ]
    return fold(facts)


def test_a_created_execution_is_shown_as_the_document_shows_it() -> None:
    """Running, with the context that the server adds, and an empty output."""
    shown = render.encode(render.job_execution(life(), base_url=""))
    assert shown == golden("created")


def test_a_finished_execution_is_shown_as_the_document_shows_it() -> None:
    """Completed, with its end and output."""
    shown = render.job_execution(life("app.product-live.com"), base_url="")
    assert render.encode(shown) == golden("read")


@pytest.mark.parametrize(
    ("name", "host", "total"),
    [("list", "app.stage.product-live.com", 1), ("found", "app.product-live.com", 12)],
)
def test_a_page_is_shown_as_the_document_shows_it(name: str, host: str, total: int) -> None:
    """A list object, its executions, and how many there are."""
    shown = render.executions((life(host),), total, base_url="")
    assert render.encode(shown) == golden(name)


def test_the_example_with_a_comma_too_many_is_understood() -> None:
    """The document's own request ends in a comma before its brace."""
    body = b'{\n"jobId": "65819ba43ad5b963658ab35d",\n}'
    assert parse.parse_create(body, context=CONTEXT, max_depth=64).job_id == JOB


def test_the_document_s_queries_are_understood() -> None:
    """Both examples of a find request."""
    status = {"type": "eq", "caseSensitive": True, "field": "status", "value": "COMPLETED"}
    since = {
        "type": "greater",
        "caseSensitive": True,
        "field": "createdAt",
        "value": "2023-12-21T00:00:00.000Z",
    }
    completed = k.InPhase(frozenset(("ok", "warning")))
    assert parse_find(msgspec.json.encode(status), max_depth=64) == completed
    both = msgspec.json.encode({"type": "and", "queries": [status, since]})
    later = k.InstantOrder("created_at", "greater", at("2023-12-21T00:00:00Z"))
    assert parse_find(both, max_depth=64) == k.Every((completed, later))
