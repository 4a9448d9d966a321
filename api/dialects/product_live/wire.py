"""What goes over the wire, in the vendor's names and order."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

Status = Literal[
    "PENDING", "RUNNING", "COMPLETED", "FAILED", "USER_ERROR", "TERMINATED", "TIMEDOUT"
]


class PostedInfo(Struct, frozen=True, forbid_unknown_fields=True):
    """What a caller may say about an execution."""

    title: str = ""


class Posted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to run a job. `payload` is another name of `input`."""

    jobId: str  # noqa: N815 - the vendor's name
    input: Any = UNSET
    payload: Any = UNSET
    info: PostedInfo = PostedInfo()


class Info(Struct, frozen=True):
    """Words about an execution."""

    title: str


class JobExecution(Struct, frozen=True, kw_only=True):
    """An execution; what is not known yet is left out."""

    object: Literal["job_execution"] = "job_execution"
    jobId: str  # noqa: N815 - the vendor's name
    id: str
    pipelineId: str  # noqa: N815 - the vendor's name
    createdAt: str  # noqa: N815 - the vendor's name
    endedAt: str | UnsetType = UNSET  # noqa: N815 - the vendor's name
    input: Any
    startedAt: str | UnsetType = UNSET  # noqa: N815 - the vendor's name
    status: Status
    output: Any
    info: Info


class Executions(Struct, frozen=True, kw_only=True):
    """A page of executions, and how many there are in all."""

    object: Literal["list"] = "list"
    data: tuple[JobExecution, ...]
    totalElements: int  # noqa: N815 - the vendor's name


class File(Struct, frozen=True, kw_only=True):
    """A stored file, as it stands in an input or output."""

    object: Literal["data_factory_file"] = "data_factory_file"
    id: str
    createdAt: str  # noqa: N815 - the vendor's name
    updatedAt: str  # noqa: N815 - the vendor's name
    url: str


class RecordedFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stored file, as it is recorded: what it holds is known by its digest."""

    object: str
    id: str
    createdAt: str  # noqa: N815 - the vendor's name
    updatedAt: str  # noqa: N815 - the vendor's name
    sha256: str
    size: int
    filename: str = ""
    mediaType: str = ""  # noqa: N815 - as the vendor would write it


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    request_id: str = ""
    path: str | None = None
    """Where in the request the fault lies."""
