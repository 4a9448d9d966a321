"""Which reports travel together: cut so that the same batch sent twice records nothing twice.

The ledger sees that a report tells nothing new by comparing it with what it knows. That works for
`started` while the step runs, and for `finished` while the step stays finished; so the two never
share a batch when they are about the same step, in either order. Progress is merged into what comes
after it, and the report that lets go of the execution travels alone.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from ledger.events.executions import Progress
from ledger.executions import commands as c
from ledger.executions.state import merge

MAX_BATCH: Final = 200


def add(pending: list[c.Report], report: c.Report) -> None:
    """Append a report, merged with those that it makes superfluous."""
    match report:
        case c.StepProgressed() | c.StepFinished():
            _add_step(pending, report)
        case c.Progressed():
            for place, earlier in enumerate(pending):
                if isinstance(earlier, c.Progressed):
                    del pending[place]
                    report = replace(report, progress=merge(earlier.progress, report.progress))
                    break
            pending.append(report)
        case c.Produced():
            for place, earlier in enumerate(pending):
                if isinstance(earlier, c.Produced):
                    pending[place] = _later(earlier, report)
                    return
            pending.append(report)
        case _:
            pending.append(report)


def _add_step(pending: list[c.Report], report: c.StepProgressed | c.StepFinished) -> None:
    place = _last_about(pending, report.index)
    if place is None or not isinstance(earlier := pending[place], c.StepProgressed):
        pending.append(report)
        return
    told = merge(earlier.progress, report.progress or Progress())
    if isinstance(report, c.StepProgressed):
        pending[place] = replace(report, progress=told)
    else:
        del pending[place]
        pending.append(replace(report, progress=told))


def _last_about(pending: Sequence[c.Report], index: int) -> int | None:
    places = (
        place for place in range(len(pending) - 1, -1, -1) if _step_of(pending[place]) == index
    )
    return next(places, None)


def _step_of(report: c.Report) -> int | None:
    return (
        report.index
        if isinstance(report, c.StepStarted | c.StepProgressed | c.StepFinished)
        else None
    )


def _later(earlier: c.Produced, later: c.Produced) -> c.Produced:
    return c.Produced(
        output=earlier.output if later.output is None else later.output,
        attachments=earlier.attachments if later.attachments is None else later.attachments,
        metrics=earlier.metrics if later.metrics is None else later.metrics,
        occurred_at=later.occurred_at,
    )


def length_of_next(pending: Sequence[c.Report]) -> int:
    """Tell how many of the waiting reports the next batch takes.

    >>> started, ended = c.StepStarted(index=1), c.StepFinished(index=1, outcome="ok")
    >>> length_of_next([started, ended])
    1
    >>> length_of_next([ended, c.StepStarted(index=2)])
    2
    """
    begun: set[int] = set()
    ended: set[int] = set()
    for count, report in enumerate(pending[:MAX_BATCH]):
        match report:
            case c.StepStarted():
                if report.index in ended:
                    return count
                begun.add(report.index)
            case c.StepFinished():
                if report.index in begun:
                    return count
                ended.add(report.index)
            case c.Finished() | c.Canceled() | c.Paused() | c.HandedBack():
                return max(count, 1)
            case _:
                pass
    return min(len(pending), MAX_BATCH)
