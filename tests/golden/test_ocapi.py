"""OCAPI's samples, reproduced from recorded events; only what the ledger chooses itself is put in.

The documents are laid out in several ways, so both sides are compared without blanks: names, their
order and every value are as they stand there. Corrected first: in the 23.2 sample the opening quote
of `_type` is missing. Volatile: resource states, and the job's name in the log file's (the samples
show another job's).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest

from api.dialects.ocapi.body import encode
from api.dialects.ocapi.errors import execution_not_found, job_not_found, not_executable
from api.dialects.ocapi.render import execution_document
from api.dialects.ocapi.version import Version
from ledger.events import executions as x
from ledger.events.codec import type_of
from ledger.events.definition import Definition
from ledger.events.envelope import Recorded
from ledger.executions.state import ExecutionState, evolve
from ledger.jobs.system import SYSTEM_JOBS

SAMPLES: Final = Path(__file__).parent / "ocapi"
CLIENT: Final = "af7f5c90-ffc1-4ea4-9613-f5b375b7dc19"
SCOPES: Final = ("SiteGenesis", "SiteGenesis-US", "SiteGenesis-DE")
PIPELINE: Final = "A step that executes a pipeline that can be configured via a parameter"
SCRIPT: Final = (
    "A step that executes a script module function that can be configured via a parameter"
)
START: Final = "TestScheduleJobProcessPipeline-StartEnd"
RETURN: Final = "testScriptModuleStep.ds#testReturnStatusOkWithCodeAndMessage"


def sample(name: str, **volatile: str) -> bytes:
    """Give a sample without blanks, with what the ledger chooses itself put in."""
    told = msgspec.json.decode((SAMPLES / name).read_bytes())
    return msgspec.json.encode({**told, **volatile})


def at(told: str) -> datetime:
    """Read an instant of a sample."""
    return datetime.fromisoformat(told).astimezone(UTC)


def folded(number: int, *facts: tuple[str, str, x.ExecutionEvent, int | None]) -> ExecutionState:
    """Fold facts, each with when it happened, when it was recorded, and its number."""
    state: ExecutionState | None = None
    for version, (occurred, recorded, event, own) in enumerate(facts, start=1):
        state = evolve(
            state,
            Recorded(
                position=version,
                stream="execution/x",
                version=version,
                event_id=UUID(int=version),
                type=type_of(event),
                schema_version=1,
                organization="default",
                actor="client",
                occurred_at=at(occurred),
                recorded_at=at(recorded),
                correlation_id=None,
                causation_id=None,
                number=number if version == 1 else own,
                data_digest=b"",
                event=event,
            ),
        )
    assert state is not None
    return state


def created(
    job_id: str, definition: Definition, steps: Sequence[x.PlannedStep] = (), **more: Any
) -> x.ExecutionCreated:
    """Make the fact that begins every execution."""
    return x.ExecutionCreated(
        uuid=UUID(int=7),
        job_id=job_id,
        job_uuid=UUID(int=8),
        job_number=1,
        definition=definition,
        steps=tuple(steps),
        **more,
    )


def planned(index: int, step_id: str, kind: int, scope: str = "Organization") -> x.PlannedStep:
    """Make a step of the sample's job."""
    texts = {
        1: ("ExecutePipeline", START, PIPELINE),
        2: ("ExecuteScriptModule", "testScriptModuleStep.ds#execute", SCRIPT),
        3: ("ExecuteScriptModule", RETURN, ""),
    }[kind]
    return x.PlannedStep(
        index=index,
        step_id=step_id,
        step_type_id=texts[0],
        step_type_info=texts[1],
        description=texts[2],
        scope=scope,
        included_from=None if scope == "Organization" else "JobExecutionTestJob2",
    )


def written(state: ExecutionState, major: int, minor: int) -> bytes:
    """Write an execution as it is answered."""
    return encode(execution_document(state, Version(major, minor)), "json")


def shown(state: ExecutionState) -> Any:
    """Read back what is written of an execution."""
    return msgspec.json.decode(written(state, 17, 4))


def test_a_creation_reads_as_in_the_sample() -> None:
    """17.4: created, and dispatched at once."""
    definition = Definition(execution_scopes=SCOPES)
    created_at, started_at = "2016-05-20T12:00:33.101Z", "2016-05-20T12:00:33.117Z"
    state = folded(
        40605,
        (created_at, started_at, created("CustomerImportJob", definition, client_id=CLIENT), None),
        (started_at, started_at, x.ExecutionStarted(), None),
    )
    document = shown(state)
    assert written(state, 17, 4) == sample(
        "17_4_create.json",
        _resource_state=document["_resource_state"],
        log_file_name="Job-CustomerImportJob-20160520120033101.log",
    )
    assert len(document["_resource_state"]) == 64


STEPS: Final = (
    ("41265", "Step1", 1, "Organization", "059", "075", "075", "OK", ""),
    ("41266", "Step2", 2, "Organization", "090", "102", "103", "OK", ""),
    ("41267", "Step3 - Step1", 1, "SiteGenesis-DE", "116", "132", "132", "OK", ""),
    (
        "41268",
        "Step3 - Step2",
        3,
        "SiteGenesis-DE",
        "145",
        "159",
        "159",
        "SUCCESS",
        "Step was successful!",
    ),
    ("41269", "Step3 - Step1", 1, "SiteGenesis", "174", "189", "189", "OK", ""),
    (
        "41270",
        "Step3 - Step2",
        3,
        "SiteGenesis",
        "203",
        "216",
        "216",
        "SUCCESS",
        "Step was successful!",
    ),
)


def test_six_steps_read_as_in_the_sample() -> None:
    """17.4: two steps, and two included ones in two scopes, each with its own instants."""
    second = "2016-05-20T11:54:46."
    plan = [planned(i, step[1], step[2], step[3]) for i, step in enumerate(STEPS, start=1)]
    definition = Definition(execution_scopes=SCOPES)
    first = created("CustomerImportJob", definition, plan, client_id=CLIENT)
    facts: list[tuple[str, str, x.ExecutionEvent, int | None]] = [
        (f"{second}018Z", f"{second}018Z", first, None),
        (f"{second}035Z", f"{second}035Z", x.ExecutionStarted(), None),
    ]
    for index, (number, _, _, _, begun, ended, modified, code, message) in enumerate(STEPS, 1):
        begun_at, ended_at = f"{second}{begun}Z", f"{second}{ended}Z"
        started = x.StepStarted(index=index)
        finished = x.StepFinished(index=index, outcome="ok", exit_code=code, message=message)
        facts.append((begun_at, begun_at, started, int(number)))
        facts.append((ended_at, f"{second}{modified}Z", finished, None))
    over = x.ExecutionFinished(outcome="ok", exit_code="OK")
    facts.append((f"{second}220Z", f"{second}224Z", over, None))
    state = folded(90, *facts)
    assert written(state, 17, 4) == sample(
        "17_4_read.json",
        _resource_state=shown(state)["_resource_state"],
        log_file_name="Job-CustomerImportJob-20160520115446018.log",
    )


def test_a_system_job_reads_as_in_the_sample() -> None:
    """23.2: accepted and pending, with its parameters in the job's order."""
    job_id = "sfcc-site-archive-import"
    arguments = (
        x.Argument(name="ImportMode", value="merge"),
        x.Argument(name="ImportFile", value="siteGenesis.zip"),
    )
    first = created(
        job_id, SYSTEM_JOBS[job_id], parameters=arguments, client_id="[your_own_client_id]"
    )
    state = folded(42, ("2017-05-12T14:23:57.242Z", "2017-05-12T14:23:57.316Z", first, None))
    assert written(state, 23, 2) == sample(
        "23_2_create.json", log_file_name="Job-sfcc-site-archive-import-20170512142357242.log"
    )


@pytest.mark.parametrize(
    ("name", "fault", "status"),
    [
        ("17_4_job_not_found.json", job_not_found("CustomerImportJob"), 404),
        ("17_4_not_executable.json", not_executable("CustomerImportJob", 409), 409),
        ("17_4_execution_not_found.json", execution_not_found("90"), 404),
        ("17_4_delete_not_found.json", execution_not_found("85"), 404),
    ],
)
def test_faults_read_as_in_the_samples(name: str, fault: Any, status: int) -> None:
    """17.4: both 404s, on reading and deleting, and the 409."""
    assert fault.status == status
    assert encode(fault.document(Version(17, 4)), "json") == sample(name)
