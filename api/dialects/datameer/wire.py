"""The vendor's documents, field by field in the order it writes them."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

V1Status = Literal[
    "RUNNING",
    "COMPLETED",
    "COMPLETED_WITH_Warnings",
    "ERROR",
    "CANCELED",
    "QUEUED",
    "WAITING_FOR_OTHER_JOB",
]
V2Status = Literal[
    "_NONE",
    "RUNNING",
    "COMPLETED",
    "COMPLETED_WITH_WARNINGS",
    "ERROR",
    "CANCELED",
    "QUEUED",
    "WAITING_FOR_OTHER_JOB",
]


class Status(Struct, frozen=True, kw_only=True):
    """An execution in `job-status` and `job-history`; `id` is the execution's."""

    id: int
    job_status: V1Status = field(name="jobStatus")


class StatusV2(Struct, frozen=True, kw_only=True, rename="kebab"):
    """Where a file's last execution stands; without one only the first and the third field."""

    status: Literal["success"] = "success"
    file_id: int | UnsetType = UNSET
    job_execution_id: int | UnsetType = UNSET
    job_status: V2Status
    start_time: str | UnsetType | None = UNSET
    stop_time: str | UnsetType = UNSET
    estimate_time: str | UnsetType = UNSET
    """Seconds, as `11s`."""
    job_progress: str | UnsetType = UNSET
    """Percent, as text."""


class File(Struct, frozen=True, kw_only=True):
    """The file that an execution's job is."""

    id: int
    uuid: str


class Details(Struct, frozen=True, kw_only=True, rename="camel"):
    """An execution since 7.4."""

    start_time: str | None
    stop_time: str | None
    job_status: V1Status
    job_configuration_id: int
    file: File
    success_count: int
    failure_count: int
    counters: dict[str, int]


class OlderDetails(Struct, frozen=True, kw_only=True, rename="camel"):
    """An execution before 7.4."""

    counters: dict[str, int]
    failure_count: int
    job_status: V1Status
    start_time: str | None
    stop_time: str | None
    success_count: int


class Running(Struct, frozen=True, kw_only=True, rename="camel"):
    """A running execution in `list-running`."""

    dap_job_configuration_id: int
    estimate_time: str | UnsetType = UNSET
    """Seconds, as `11 sec`; absent when nothing tells."""
    job_execution_id: int
    job_status: V1Status
    progress: int
    start_time: str | None


class Volume(Struct, frozen=True, kw_only=True, rename="camel"):
    """An execution in `volume-report`."""

    id: int
    job_status: V1Status
    imported_volume: int
    """Bytes."""


class Triggered(Struct, frozen=True, kw_only=True, rename="kebab"):
    """An execution that was created."""

    status: Literal["success"] = "success"
    job_execution_id: int
    job_execution_user: str
    job_execution_trigger: Literal["RESTAPI"] = "RESTAPI"


class PlanEntry(Struct, frozen=True, kw_only=True, rename="kebab"):
    """One execution of a sequence."""

    job_configuration_name: str
    job_configuration_id: int
    trigger: bool
    job_execution_id: int


class Plan(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A sequence that was created."""

    status: Literal["success"] = "success"
    execution_plan: tuple[PlanEntry, ...]


class Deleted(Struct, frozen=True, kw_only=True):
    """Whether the delete changed anything."""

    status: bool


class Success(Struct, frozen=True, kw_only=True):
    """It was done, and there is nothing to tell."""

    status: Literal["success"] = "success"


class Failure(Struct, frozen=True, kw_only=True):
    """Everything that goes wrong."""

    status: Literal["failure"] = "failure"
    reason: str
