"""What a Python step's function gets: its data, and ways to tell how it comes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.worker.steps.messages import ChildRequest, LogLine, Message, OutputAdded, ProgressTold
from ledger.events.executions import Attachment, Progress


class Context:
    """What a step's function gets."""

    def __init__(self, request: ChildRequest, send: Callable[[Message], None]) -> None:
        self.execution = request.execution
        self.number = request.number
        self.job_id = request.job_id
        self.step_id = request.step_id
        self.scope = request.scope
        self.attempt = request.attempt
        self.parameters = request.parameters
        self.input = request.input
        self.settings = request.settings
        self.data_dir = Path(request.data_dir)
        self.previous = request.previous
        """What earlier steps of this execution produced."""
        self._send = send

    def progress(
        self,
        percent: float | None = None,
        *,
        processed_items: int | None = None,
        total_items: int | None = None,
        failed_items: int | None = None,
        counters: dict[str, int] | None = None,
        message: str = "",
    ) -> None:
        """Tell how far the step has come; counters are totals, not increments."""
        told = Progress(
            percent=percent,
            processed_items=processed_items,
            total_items=total_items,
            failed_items=failed_items,
            counters=counters or {},
            message=message,
        )
        self._send(ProgressTold(told))

    def output(self, value: Any = None, attachments: tuple[Attachment, ...] = ()) -> None:
        """Add to what the execution produced; objects are merged name by name."""
        self._send(OutputAdded(value, attachments))

    def log(self, text: str) -> None:
        """Add words to the step's log."""
        self._send(LogLine(text))
