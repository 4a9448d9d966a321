"""What the worker hands to a step's handler, and what it wants back."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from api.worker.steps.result import StepFailed, StepResult
from ledger.events.executions import Attachment, Progress

S = TypeVar("S", bound=Struct)


class StepReporter(Protocol):
    """Where a running step tells how it comes on; calls return at once."""

    def progress(self, progress: Progress) -> None:
        """Tell how far the step has come; later words replace earlier ones."""
        ...

    def output(
        self,
        value: Any = None,
        attachments: tuple[Attachment, ...] = (),
        metrics: dict[str, float] | None = None,
    ) -> None:
        """Add to what the execution produced; objects are merged name by name."""
        ...


class StepContext(Struct, frozen=True, kw_only=True):
    """One step to run."""

    execution: str
    """The execution's uuid."""
    number: int
    job_id: str
    step_id: str
    index: int
    scope: str
    attempt: int
    settings: dict[str, Any]
    """The definition's `with`."""
    parameters: dict[str, Any]
    input: Any
    output: Any
    """What earlier steps produced."""
    data_dir: Path
    """A folder for files, shared by all steps that this worker runs for one organization."""
    report: StepReporter


Handler: TypeAlias = Callable[[StepContext], Awaitable[StepResult]]


def read_settings(context: StepContext, kind: type[S]) -> S:
    """Read the definition's `with` as *kind*.

    Raises:
        StepFailed: it does not fit.
    """
    try:
        return msgspec.convert(context.settings, kind)
    except msgspec.ValidationError as error:
        raise StepFailed(f"the step's settings are wrong: {error}", exit_code="INVALID") from error
