"""OCAPI documents, as types: their fields in the order of the wire; what is unset is left out."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field


class ExitStatus(Struct, frozen=True, kw_only=True):
    """How something ended."""

    type: str = field(name="_type", default="status")
    code: str
    message: str | UnsetType = UNSET
    status: str


class ParameterDocument(Struct, frozen=True, kw_only=True):
    """A parameter of an execution; a value that is null is left out."""

    type: str = field(name="_type", default="job_execution_parameter")
    name: str
    value: str | UnsetType = UNSET


class StepDocument(Struct, frozen=True, kw_only=True):
    """A step that has started."""

    type: str = field(name="_type", default="job_step_execution")
    duration: int | UnsetType = UNSET
    end_time: str | UnsetType = UNSET
    execution_scope: str
    execution_status: str
    exit_status: ExitStatus | UnsetType = UNSET
    id: str
    include_steps_from_job_id: str | UnsetType = UNSET
    modification_time: str | UnsetType = UNSET
    start_time: str | UnsetType = UNSET
    status: str
    step_description: str
    step_id: str
    step_type_id: str
    step_type_info: str


class JobExecutionDocument(Struct, frozen=True, kw_only=True):
    """An execution of a job."""

    v: str | UnsetType = field(name="_v", default=UNSET)
    type: str = field(name="_type", default="job_execution")
    resource_state: str | UnsetType = field(name="_resource_state", default=UNSET)
    client_id: str | UnsetType = UNSET
    duration: int | UnsetType = UNSET
    end_time: str | UnsetType = UNSET
    execution_scopes: tuple[str, ...] | UnsetType = UNSET
    execution_status: str
    exit_status: ExitStatus | UnsetType = UNSET
    id: str
    is_log_file_existing: bool
    is_restart: bool
    job_id: str
    log_file_name: str
    log_file_path: str | UnsetType = UNSET
    modification_time: str
    parameters: tuple[ParameterDocument, ...] | UnsetType = UNSET
    start_time: str | UnsetType = UNSET
    status: str
    step_executions: tuple[StepDocument, ...] | UnsetType = UNSET


class ListDocument(Struct, frozen=True, kw_only=True):
    """A page of a job's executions (17.2)."""

    v: str = field(name="_v")
    type: str = field(name="_type", default="job_execution_result")
    count: int
    data: tuple[JobExecutionDocument, ...]
    next: dict[str, Any] | UnsetType = UNSET
    previous: dict[str, Any] | UnsetType = UNSET
    start: int
    total: int


class SearchDocument(Struct, frozen=True, kw_only=True):
    """A page of what a search found."""

    v: str = field(name="_v")
    type: str = field(name="_type", default="job_execution_search_result")
    count: int
    hits: tuple[JobExecutionDocument, ...] | UnsetType = UNSET
    next: dict[str, Any] | UnsetType = UNSET
    previous: dict[str, Any] | UnsetType = UNSET
    query: Any
    start: int
    total: int


class FaultBody(Struct, frozen=True, kw_only=True):
    """What went wrong."""

    arguments: dict[str, Any]
    type: str
    message: str


class FaultDocument(Struct, frozen=True, kw_only=True):
    """The answer when something went wrong."""

    v: str = field(name="_v")
    fault: FaultBody
