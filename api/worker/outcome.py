"""What the ends of steps make of their execution. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from api.native.wire import StepView
from api.worker.steps.result import StepResult
from ledger.events.executions import Outcome, Progress
from ledger.executions import commands as c

_SEVERITY: Final[Mapping[Outcome, int]] = {"ok": 0, "warning": 1, "error": 2}
_MAX_TEXT: Final = 4000
_MAX_EXIT_CODE: Final = 100


def needs_run(step: StepView) -> bool:
    """Tell whether a step is still to be run.

    Pending ones are run even if they ran before: they were interrupted, or are tried again.
    """
    match step.status:
        case "skipped":
            return False
        case "finished":
            return step.outcome == "error"
        case _:
            return True


def finished_report(index: int, end: StepResult, now: datetime) -> c.StepFinished:
    """Say how a step ended, cut to what the ledger takes."""
    return c.StepFinished(
        index=index,
        outcome=end.outcome,
        exit_code=end.exit_code[:_MAX_EXIT_CODE] or None,
        message=end.message[:_MAX_TEXT],
        progress=Progress(percent=100.0 if end.outcome != "error" else None, counters=end.counters),
        log=end.log,
        occurred_at=now,
    )


def ending(ends: Mapping[int, StepResult], now: datetime) -> c.Finished:
    """Say how the execution ended: as its worst step did, and in that step's words.

    When none is worse than ok, the last step that chose an exit code gives it.
    """
    ordered = [ends[index] for index in sorted(ends)]
    if not ordered:
        return c.Finished(outcome="ok", occurred_at=now)
    worst = max(ordered, key=lambda end: _SEVERITY[end.outcome])
    told = worst
    if worst.outcome == "ok":
        told = next((e for e in reversed(ordered) if e.exit_code not in {"", "OK"}), ordered[-1])
    return c.Finished(
        outcome=worst.outcome,
        exit_code=told.exit_code[:_MAX_EXIT_CODE] or None,
        message=told.message[:_MAX_TEXT],
        input_at_fault=worst.input_at_fault,
        occurred_at=now,
    )
