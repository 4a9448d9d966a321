"""From an execution's state to its document."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from api.dialects.ocapi.instants import read_stamp, shown, span_ms, stamp
from api.dialects.ocapi.version import Version
from api.dialects.ocapi.wire import (
    ExitStatus,
    JobExecutionDocument,
    ParameterDocument,
    StepDocument,
)
from ledger.events.executions import Outcome
from ledger.executions.state import ExecutionState, StepState

ATTRIBUTE: Final = "ocapi"
"""Where an execution's attributes keep the parameters as they were given."""
LOG_FOLDER: Final = "/Sites/LOGS/jobs"
_LOG_NAME: Final = re.compile(r"Job-(.+)-(\d{17})\.log", re.DOTALL)


def execution_document(
    state: ExecutionState, version: Version, *, alone: bool = True
) -> JobExecutionDocument:
    """Show an execution; in a list (not *alone*) without its version."""
    pending = state.status == "pending"
    begun = has_log(state)
    name = log_file_name(state)
    return JobExecutionDocument(
        v=version.text if alone else UNSET,
        resource_state=UNSET if pending else resource_state(state),
        client_id=state.created.client_id or UNSET,
        duration=UNSET if pending else _duration(state, begun=begun),
        end_time=_instant(state.ended_at),
        execution_scopes=(state.created.definition.execution_scopes if begun else ()) or UNSET,
        execution_status=state.status,
        exit_status=_exit_status(state),
        id=str(state.number),
        is_log_file_existing=begun,
        is_restart=state.created.restart_of is not None,
        job_id=state.job_id,
        log_file_name=name,
        log_file_path=_log_path(state.job_id, name) if begun and version.tells_log_path else UNSET,
        modification_time=shown(state.modified_at),
        parameters=parameters(state) or UNSET,
        start_time=UNSET if pending else _instant(state.started_at),
        status=status_word(state.status, state.exit_code),
        step_executions=tuple(_step(step) for step in state.steps if step.number is not None)
        or UNSET,
    )


def status_word(status: str, exit_code: str) -> str:
    """Give `status`: the exit code of what has finished, else the status in capitals."""
    return exit_code if status == "finished" else status.upper()


def resource_state(state: ExecutionState) -> str:
    """Name the state of the resource: 64 hex digits that change with every fact about it."""
    return hashlib.sha256(f"{state.uuid}/{state.version}".encode()).hexdigest()


def has_log(state: ExecutionState) -> bool:
    """Whether there is a log file: from the first step on."""
    return any(step.number is not None for step in state.steps)


def log_file_name(state: ExecutionState) -> str:
    """Name the log file, by job and instant of creation."""
    return f"Job-{state.job_id}-{stamp(state.created_at)}.log"


def parse_log_name(name: str) -> tuple[str, datetime] | None:
    """Read job id and instant of creation out of a log file's name; None when it is none."""
    match = _LOG_NAME.fullmatch(name)
    created_at = read_stamp(match[2]) if match else None
    return (match[1], created_at) if match and created_at is not None else None


def parameters(state: ExecutionState) -> tuple[ParameterDocument, ...]:
    """Show the parameters as they were given, then those that the job's defaults added."""
    kept = state.created.attributes.get(ATTRIBUTE)
    told = kept.get("parameters") if isinstance(kept, Mapping) else None
    given = [
        (str(item["name"]), item.get("value"))
        for item in (told if isinstance(told, (list, tuple)) else ())
        if isinstance(item, Mapping) and "name" in item
    ]
    names = {name for name, _ in given}
    added = [
        (argument.name, argument.value)
        for argument in state.created.parameters
        if argument.name not in names
    ]
    return tuple(
        ParameterDocument(name=name, value=UNSET if value is None else text_of(value))
        for name, value in (*given, *added)
    )


def text_of(value: Any) -> str:
    """Write a parameter's value as text: OCAPI knows no others."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _log_path(job_id: str, name: str) -> str:
    return f"{LOG_FOLDER}/{job_id}/{name}"


def _instant(at: datetime | None) -> str | UnsetType:
    return UNSET if at is None else shown(at)


def _duration(state: ExecutionState, *, begun: bool) -> int | UnsetType:
    if state.started_at is None:
        return UNSET if state.ended_at is None else 0
    if state.ended_at is not None:
        return span_ms(state.started_at, state.ended_at)
    return span_ms(state.started_at, state.modified_at) if begun else 0


def _exit_status(state: ExecutionState) -> ExitStatus | UnsetType:
    if state.outcome is None:
        return UNSET
    return ExitStatus(
        code=state.exit_code, message=state.message or UNSET, status=_ok_or_error(state.outcome)
    )


def _ok_or_error(outcome: Outcome) -> str:
    return "error" if outcome == "error" else "ok"


def _step(step: StepState) -> StepDocument:
    plan = step.plan
    ended = step.outcome if step.status == "finished" else None
    duration: int | UnsetType = UNSET
    if step.started_at is not None:
        duration = span_ms(step.started_at, step.ended_at or step.modified_at or step.started_at)
    return StepDocument(
        duration=duration,
        end_time=_instant(step.ended_at),
        execution_scope=plan.scope,
        execution_status=step.status,
        exit_status=UNSET
        if ended is None
        else ExitStatus(code=step.exit_code, message=step.message, status=_ok_or_error(ended)),
        id=str(step.number),
        include_steps_from_job_id=plan.included_from or UNSET,
        modification_time=_instant(step.modified_at),
        start_time=_instant(step.started_at),
        status=status_word(step.status, step.exit_code),
        step_description=plan.description,
        step_id=plan.step_id,
        step_type_id=plan.step_type_id,
        step_type_info=plan.step_type_info,
    )
