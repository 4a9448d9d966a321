"""What an execution has produced so far, and what its running step tells."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from api.native.wire import ExecutionView
from ledger.events.executions import Attachment, Progress
from ledger.executions import commands as c


class Products:
    """Output, attachments and metrics of one execution, earlier attempts included."""

    def __init__(
        self, view: ExecutionView, now: Callable[[], datetime], tell: Callable[[c.Report], None]
    ) -> None:
        self.output: Any = view.output
        self._attachments = {attachment.name: attachment for attachment in view.attachments}
        self._metrics = dict(view.metrics)
        self.now = now
        self.tell = tell

    def add(
        self,
        value: Any = None,
        attachments: tuple[Attachment, ...] = (),
        metrics: dict[str, float] | None = None,
    ) -> None:
        """Take in something new and tell the ledger; a name that is known is replaced."""
        if value is None and not attachments and not metrics:
            return
        if isinstance(value, dict) and isinstance(self.output, dict):
            self.output = {**self.output, **value}
        elif value is not None:
            self.output = value
        self._attachments.update((attachment.name, attachment) for attachment in attachments)
        self._metrics.update(metrics or {})
        self.tell(
            c.Produced(
                output=self.output if value is not None else None,
                attachments=tuple(self._attachments.values()) if attachments else None,
                metrics=dict(self._metrics) if metrics else None,
                occurred_at=self.now(),
            )
        )


class StepTeller:
    """What step *index* of *count* may tell while it runs."""

    def __init__(self, products: Products, index: int, count: int) -> None:
        self._products = products
        self._index = index
        self._count = count

    def progress(self, progress: Progress) -> None:
        """Tell how far the step has come, and with it the execution."""
        now = self._products.now()
        percent = None
        if progress.percent is not None:
            percent = min(max(progress.percent, 0.0), 100.0)
            progress = replace(progress, percent=percent)
        progress = replace(progress, message=progress.message[:1000])
        self._products.tell(c.StepProgressed(index=self._index, progress=progress, occurred_at=now))
        if percent is not None:
            whole = round((100 * (self._index - 1) + percent) / self._count, 1)
            self._products.tell(c.Progressed(progress=Progress(percent=whole), occurred_at=now))

    def output(
        self,
        value: Any = None,
        attachments: tuple[Attachment, ...] = (),
        metrics: dict[str, float] | None = None,
    ) -> None:
        """Add to what the execution produced."""
        self._products.add(value, attachments, metrics)
