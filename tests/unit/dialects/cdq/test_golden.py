"""The document's answers, made from facts, are the document's bytes (white space aside).

The samples show numbers quoted, which the schema does not: a setting does the same. In them `{}`
stands for an object that the document does not describe, and two instants have neither seconds nor
`Z`: those are replaced in the sample by what we send for them.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from api.dialects.cdq import parse, render, wire
from ledger.events import executions as x
from ledger.executions.state import ExecutionState
from tests.unit.dialects.facts import created, fold

GOLDEN = Path(__file__).parents[3] / "golden" / "cdq"
JOB = "35f23c03-1c22-45fe-9484-3ffe769325de"
OTHER = "c074b9f3-abf0-4f8e-9a20-74deb6cfa2a4"
REQUEST = {
    "type": "DATA_CURATION_JOB",
    "name": "Process vendor data.",
    "description": "I started this job to improve quality of our data.",
    "tags": ["tag"],
    "labels": [{"name": "purpose", "value": "test"}],
    "mainLabel": "My job.",
    "user": "742429-234242-4343-232323",
    "storageId": "72d6900fce6b326088f5d9d91049e3e6",
    "workspaceId": OTHER,
    "commands": ["command"],
    "environmentVariables": [{"name": "MODE", "value": "fast"}],
    "dockerImageUrl": "data-curation",
    "domain": "cdqag/data-curation-job",
    "inputUri": "input-uri",
    "reportUri": "https://link-to-my-report",
    "jobDependencies": [{"jobId": OTHER}],
    "resourceRequest": {
        "memoryLimit": 1024,
        "memoryRequest": 1024,
        "cpuLimit": 0.2,
        "cpuRequest": 0.1,
        "xmxLimit": 512,
    },
    "locks": [{"name": "storage"}],
    "volumes": [{"name": "data", "mountPath": "/data"}],
    "expiresAt": "2019-09-07T00:00:00Z",
}


def golden(name: str, **corrected: Any) -> str:
    """Read a sample without its white space, with what is corrected in it."""
    sample = json.loads((GOLDEN / f"{name}.json").read_text())
    return json.dumps({**sample, **corrected}, separators=(",", ":"))


def placeholders(encoded: bytes) -> str:
    """Give an answer with `{}` for the objects that the document does not describe."""
    body = json.loads(encoded)
    for name, value in body.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            body[name] = [{}]
    return json.dumps(body, separators=(",", ":"))


def life() -> ExecutionState:
    """Give the sample's job, at a moment when it runs and ran before."""
    posted = parse.parse_create(json.dumps(REQUEST).encode(), max_depth=16)
    start = "2019-09-07T00:00:00Z"
    progress = x.Progress(percent=50, total_items=100, processed_items=50, failed_items=10)
    assert posted.tags is not UNSET
    assert posted.labels is not UNSET
    return fold(
        [
            (
                start,
                created(
                    UUID(JOB),
                    posted.type,
                    job_uuid=UUID(OTHER),
                    name=posted.name,
                    description=posted.description,
                    tags=posted.tags,
                    labels={label.name: label.value for label in posted.labels},
                    user=posted.user,
                    attributes=parse.facts_of(posted),
                ),
            ),
            (start, x.ExecutionStarted(fence=1, worker="w", lease=UUID(OTHER), lease_s=15)),
            (start, x.ExecutionProgressed(progress=progress)),
            (
                start,
                x.OutputSet(
                    output="{'param1': 'value1'}",
                    attachments=(x.Attachment(name="list.csv", uri="https://files/list.csv"),),
                    metrics={"rows": 100.0},
                ),
            ),
            (start, x.CancelRequested(deadline_at=datetime.fromisoformat(start))),
        ],
        organization="cdq_monitor",
    )


def test_a_job_is_shown_as_the_document_shows_it() -> None:
    """All its fields, in its order; a job that is being canceled still runs, and ran before."""
    shown = render.Renderer(quotes_numbers=True).job(life())
    at = "2019-09-07T00:00:00Z"
    # The message and the end belong to other moments of a job's life than the status RUNNING.
    state = render.encode(shown)
    body = json.loads(state)
    assert (body["jobStatus"], body["lastJobStatus"]) == ("RUNNING", "RUNNING")
    ended = json.loads(golden("job"))
    expected = golden("job", createdAt=at, modifiedAt=at, message=body["message"])
    expected = expected.replace(f'"finishedAt":"{ended["finishedAt"]}",', "")
    assert placeholders(state) == expected


def test_every_field_of_the_document_can_be_shown() -> None:
    """All of them, in its order, and none more."""
    names = [field.encode_name for field in msgspec.structs.fields(wire.Job)]
    assert names == list(json.loads(golden("job")))


def test_a_page_is_shown_as_the_document_shows_it() -> None:
    """Jobs, where the next page starts, and the total."""
    page = render.Renderer(quotes_numbers=True).jobs((life(),), "5712566172571652", 67)
    assert placeholders(render.encode(page)) == golden("jobs")


def test_numbers_are_numbers() -> None:
    """As the schema says, unless a setting says otherwise."""
    body = json.loads(render.encode(render.Renderer(quotes_numbers=False).job(life())))
    assert (body["progress"], body["totalItems"], body["failedItems"]) == (50, 100, 10)


def test_a_page_of_types_is_shown_as_the_document_shows_it() -> None:
    """Under the name `jobs`."""
    kind = wire.JobType(
        type="T", name="T", description="", tags=(), features=(), organization_id="o"
    )
    page = wire.JobTypeList(jobs=(kind,), next_start_after="5712566172571652")
    assert placeholders(render.encode(page)) == golden("types")
