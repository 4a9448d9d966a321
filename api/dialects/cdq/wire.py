"""What goes over the wire, in the vendor's names and order."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

JobStatus = Literal[
    "UNKNOWN",
    "CREATED",
    "PERSISTED",
    "SCHEDULED",
    "WAITING",
    "RUNNING",
    "FINISHED",
    "DIED",
    "CANCELED",
    "FAILED",
]
Number: TypeAlias = int | str
Text = Annotated[str, Meta(max_length=256)]
Uri = Annotated[str, Meta(max_length=2048)]
Name = Annotated[str, Meta(max_length=50)]
Description = Annotated[str, Meta(max_length=200)]
Word = Annotated[str, Meta(min_length=1, max_length=256)]
Instant = Annotated[datetime, Meta(tz=True)]


class EnvironmentVariable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A variable for what runs."""

    name: Word
    value: str = ""


class JobDependency(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A job that must end well first."""

    job_id: Word


class Label(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name with a value."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    value: Annotated[str, Meta(max_length=400)] = ""


class Lock(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that the job needs for itself."""

    name: Word
    shared: bool = False


class Volume(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Storage that is mounted where the job runs."""

    name: Word
    mount_path: Uri = ""
    read_only: bool = False
    size: Text = ""


class ResourceRequest(
    Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """What the job needs to run. Memory in MB, processors as a share of one."""

    memory_limit: Annotated[int, Meta(ge=0, le=2**40)] | None = None
    memory_request: Annotated[int, Meta(ge=0, le=2**40)] | None = None
    cpu_limit: Annotated[float, Meta(ge=0, le=10**6)] | None = None
    cpu_request: Annotated[float, Meta(ge=0, le=10**6)] | None = None
    xmx_limit: Annotated[int, Meta(ge=0, le=2**40)] | None = None


class Facts(
    Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """What only this vendor says of a job; kept in its creation under these names."""

    commands: Annotated[
        tuple[Annotated[str, Meta(max_length=4000)], ...], Meta(max_length=100)
    ] = ()
    expires_at: Instant | None = None
    docker_image_url: Uri = ""
    domain: Text = ""
    environment_variables: Annotated[tuple[EnvironmentVariable, ...], Meta(max_length=1000)] = ()
    input_uri: Uri = ""
    job_dependencies: Annotated[tuple[JobDependency, ...], Meta(max_length=100)] = ()
    main_label: Text = ""
    report_uri: Uri = ""
    resource_request: ResourceRequest | None = None
    storage_id: Text = ""
    locks: Annotated[tuple[Lock, ...], Meta(max_length=100)] = ()
    volumes: Annotated[tuple[Volume, ...], Meta(max_length=100)] = ()
    workspace_id: Text = ""


class Posted(Facts, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A request to run a job of a type."""

    type: Word
    name: Name = ""
    description: Description = ""
    tags: (
        Annotated[
            tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(max_length=100)
        ]
        | UnsetType
    ) = UNSET
    labels: Annotated[tuple[Label, ...], Meta(max_length=100)] | UnsetType = UNSET
    user: Text = ""
    organization_id: Text = ""
    start_at: Instant | None = None
    input: Any = None


class Patched(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New words for a job."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET


class PostedResult(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a job came to."""

    result_data: Annotated[str, Meta(max_length=1024 * 1024)]


class FetchLast(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Whose last result is asked for."""

    job_type: Word
    storage_id: Text = ""
    user: Text = ""
    tags: Annotated[tuple[Word, ...], Meta(max_length=100)] = ()


class PostedSchedule(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """When jobs of a type run by themselves: a cron expression, or single instants."""

    job_type: Word
    cron: Annotated[str, Meta(max_length=256)] | None = None
    start_at: Annotated[tuple[Instant, ...], Meta(max_length=1000)] = ()
    time_zone: Annotated[str, Meta(max_length=64)] = "UTC"
    paused: bool = False


class PutSchedule(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Another schedule for the same jobs."""

    job_type: Word | UnsetType = UNSET
    """Must be the one it is for, if it is given."""
    cron: Annotated[str, Meta(max_length=256)] | None = None
    start_at: Annotated[tuple[Instant, ...], Meta(max_length=1000)] = ()
    time_zone: Annotated[str, Meta(max_length=64)] = "UTC"
    paused: bool = False


class Job(Struct, frozen=True, kw_only=True, rename="camel"):
    """A job; what has no source is left out."""

    commands: Any = UNSET
    started_at: str | UnsetType = UNSET
    created_at: str
    modified_at: str
    finished_at: str | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET
    docker_image_url: str | UnsetType = UNSET
    domain: str | UnsetType = UNSET
    environment_variables: Any = UNSET
    id: str
    input_uri: str | UnsetType = UNSET
    job_dependencies: Any = UNSET
    job_status: JobStatus
    message: str | UnsetType = UNSET
    main_label: str | UnsetType = UNSET
    labels: Any
    tags: tuple[str, ...]
    last_job_status: JobStatus
    progress: Number | UnsetType = UNSET
    total_items: Number | UnsetType = UNSET
    processed_items: Number | UnsetType = UNSET
    failed_items: Number | UnsetType = UNSET
    report_uri: str | UnsetType = UNSET
    resource_request: Any = UNSET
    user: str | UnsetType = UNSET
    storage_id: str | UnsetType = UNSET
    attachments: Any
    result_data: str | UnsetType = UNSET
    metrics: Any
    locks: Any = UNSET
    type: str
    volumes: Any = UNSET
    name: str
    description: str
    organization_id: str
    workspace_id: str | UnsetType = UNSET


class JobList(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of jobs."""

    jobs: tuple[Job, ...]
    next_start_after: str | UnsetType = UNSET
    total: Number | UnsetType = UNSET


class JobType(Struct, frozen=True, kw_only=True, rename="camel"):
    """A kind of job."""

    type: str
    name: str
    description: str
    tags: tuple[str, ...]
    features: tuple[str, ...]
    organization_id: str


class JobTypeList(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of kinds of jobs."""

    jobs: tuple[JobType, ...]
    next_start_after: str | UnsetType = UNSET


class JobResult(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a job came to."""

    job_id: str
    type: str
    job_status: JobStatus
    finished_at: str | UnsetType = UNSET
    result_data: str | UnsetType = UNSET
    report_uri: str | UnsetType = UNSET
    attachments: Any
    metrics: Any


class ProcessingLog(Struct, frozen=True, kw_only=True, rename="camel"):
    """What one step of a job told."""

    step: Number
    name: str
    type: str
    status: str
    started_at: str | UnsetType = UNSET
    finished_at: str | UnsetType = UNSET
    exit_code: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    progress: Number | UnsetType = UNSET
    processed_items: Number | UnsetType = UNSET
    failed_items: Number | UnsetType = UNSET
    log: str | UnsetType = UNSET


class ProcessingLogs(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a job's steps told, in order."""

    job_id: str
    job_status: JobStatus
    logs: tuple[ProcessingLog, ...]


class ScheduledJob(Struct, frozen=True, kw_only=True, rename="camel"):
    """A schedule by which jobs of a type run by themselves."""

    id: str
    job_type: str
    cron: str | UnsetType = UNSET
    start_at: tuple[str, ...] | UnsetType = UNSET
    time_zone: str
    paused: bool
    next_start_at: str | UnsetType = UNSET
    organization_id: str


class ScheduledJobList(Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of schedules."""

    scheduled_jobs: tuple[ScheduledJob, ...]
    next_start_after: str | UnsetType = UNSET


class Failure(Struct, frozen=True, kw_only=True, rename="camel"):
    """What went wrong: the vendor's number, its name, and words."""

    code: int
    technical_key: str
    message: str
