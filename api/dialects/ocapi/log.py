"""An execution's log file, as text from its events.

It only ever grows: each event adds its lines at the end, so that a client that asks for the bytes
after those it has sees the rest.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from ledger.events import executions as x
from ledger.events.envelope import Recorded


def render_log(events: Iterable[Recorded[Any]]) -> bytes:
    """Write the log of an execution's events, in their order."""
    steps: tuple[x.PlannedStep, ...] = ()
    lines: list[str] = []
    for fact in events:
        if isinstance(fact.event, x.ExecutionCreated):
            steps = fact.event.steps
        at = _shown(fact.occurred_at)
        lines.extend(f"[{at}] {_visible(line)}" for line in _lines(fact.event, steps))
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _shown(at: datetime) -> str:
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03} GMT"


def _lines(event: Any, steps: Sequence[x.PlannedStep]) -> Iterator[str]:  # noqa: C901 - one case an event
    match event:
        case x.ExecutionCreated():
            yield f"INFO  Job {event.job_id!r} was created by {event.user or event.trigger!r}."
        case x.ExecutionStarted() if event.worker:
            yield f"INFO  Job taken by worker {event.worker!r}, attempt {event.attempt}."
        case x.ExecutionStarted():
            yield "INFO  Job started."
        case x.StepStarted():
            yield f"INFO  {_step(steps, event.index)} started."
        case x.StepFinished():
            name = _step(steps, event.index)
            for line in event.log.splitlines():
                yield f"INFO  {name}: {line}"
            level = {"ok": "INFO ", "warning": "WARN ", "error": "ERROR"}[event.outcome]
            told = f": {_one_line(event.message)}" if event.message else "."
            yield f"{level} {name} finished with exit code {event.exit_code!r}{told}"
        case x.LeaseLost():
            yield f"WARN  Worker {event.worker!r} let go of the job ({event.reason})."
        case x.RetryScheduled():
            yield f"INFO  Attempt {event.attempt} follows ({event.reason})."
        case x.PauseRequested():
            yield "INFO  The job was asked to pause."
        case x.ExecutionPaused():
            yield "INFO  The job is paused."
        case x.ExecutionResumed():
            yield "INFO  The job was resumed."
        case x.CancelRequested():
            yield "INFO  The job was asked to stop."
        case x.ExecutionCanceled():
            yield f"WARN  The job was aborted ({event.cause})."
        case x.ExecutionFinished():
            level = "ERROR" if event.outcome == "error" else "INFO "
            told = f": {_one_line(event.message)}" if event.message else "."
            yield f"{level} Job finished with exit code {event.exit_code!r}{told}"
        case _:
            return


def _step(steps: Sequence[x.PlannedStep], index: int) -> str:
    step = steps[index - 1] if 1 <= index <= len(steps) else None
    return f"Step {step.step_id!r} ({step.scope})" if step is not None else f"Step {index}"


def _visible(line: str) -> str:
    """Take away what would move a reader's cursor or colour its terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())
