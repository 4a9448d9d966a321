"""How a step ended. Imported by step functions in their own process, so it imports little."""

from typing import Any

from msgspec import Struct

from ledger.events.executions import Attachment, Outcome


class StepResult(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The end of a step; every field may be left out."""

    outcome: Outcome = "ok"
    exit_code: str = ""
    """Free text; OK or ERROR by the outcome when empty."""
    message: str = ""
    counters: dict[str, int] = {}
    output: Any = None
    """Added to what the execution produced."""
    attachments: tuple[Attachment, ...] = ()
    metrics: dict[str, float] = {}
    input_at_fault: bool = False
    """The caller's input is wrong: trying again cannot help."""
    log: str = ""
    """Last part of what was printed; filled in by the worker."""


class StepFailed(Exception):
    """A step ends with an error that its author foresaw; the message is for the reader."""

    def __init__(
        self, message: str, *, exit_code: str = "ERROR", input_at_fault: bool = False
    ) -> None:
        self.message = message
        self.exit_code = exit_code
        self.input_at_fault = input_at_fault
        super().__init__(message)

    def result(self) -> StepResult:
        """Give the same as a result."""
        return StepResult(
            outcome="error",
            exit_code=self.exit_code,
            message=self.message,
            input_at_fault=self.input_at_fault,
        )
