"""What a worker and a step's own Python process say to each other: JSON, one line a message."""

from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from api.worker.steps.result import StepResult
from ledger.events.executions import Attachment, Progress


class ChildRequest(Struct, frozen=True, kw_only=True):
    """What to call, and with what; sent on standard input."""

    function: str
    execution: str
    number: int
    job_id: str
    step_id: str
    scope: str
    attempt: int
    parameters: dict[str, Any]
    input: Any
    settings: dict[str, Any]
    data_dir: str
    previous: Any


class ProgressTold(Struct, frozen=True, tag="progress"):
    """The step came further."""

    progress: Progress


class OutputAdded(Struct, frozen=True, tag="output"):
    """The step produced something."""

    value: Any
    attachments: tuple[Attachment, ...] = ()


class LogLine(Struct, frozen=True, tag="log"):
    """Words for the log."""

    text: str


class Ended(Struct, frozen=True, tag="ended"):
    """The function returned, or raised."""

    result: StepResult


Message: TypeAlias = ProgressTold | OutputAdded | LogLine | Ended

REQUESTS: Final = msgspec.json.Decoder(ChildRequest)
MESSAGES: Final = msgspec.json.Decoder(Message)
