"""Functions that python steps call in the tests."""

import os
import sys
from pathlib import Path
from typing import Any

from api.worker.steps.context import Context
from api.worker.steps.result import StepFailed, StepResult


def sums(context: Context) -> StepResult:
    """Add up the input, telling as it goes."""
    numbers = context.input
    context.progress(50, counters={"SEEN": len(numbers)})
    print("adding", len(numbers), "numbers")  # noqa: T201 - lands in the log
    print('{"type":"ended","result":{}}')  # noqa: T201 - must not be taken for a message
    return StepResult(
        exit_code=str(context.parameters["code"]),
        counters={"SUM": sum(numbers)},
        output={"sum": sum(numbers)},
    )


def doubles(context: Context) -> dict[str, Any]:
    """Go on with what the earlier step produced."""
    return {"output": {"double": 2 * context.previous["sum"]}}


def fails(context: Context) -> None:
    """End with an error that the author foresaw."""
    raise StepFailed("row 17 is bad", exit_code="BAD_ROW", input_at_fault=True)


def crashes(context: Context) -> None:
    """End with an error that the author did not foresee."""
    raise ZeroDivisionError("by zero")


def vanishes(context: Context) -> None:
    """End without a word."""
    sys.stdout.flush()
    os._exit(9)


def second_time(context: Context) -> StepResult:
    """Fail at first, then succeed."""
    mark = context.data_dir / "tried"
    if mark.exists():
        return StepResult()
    mark.touch()
    raise StepFailed("not yet")


def lists_environment(context: Context) -> dict[str, Any]:
    """Tell which variables it sees."""
    return {"output": {"names": sorted(os.environ), "cwd": str(Path.cwd())}}
