"""Reports: what the owner of a lease, or a recorder, tells of the work.

A batch is taken whole or not at all. A report under a fence that is no longer the current one is
refused, and that is put on record once for each fence, so that an auditor sees what a worker that
was given up still tried to say.

A batch that was taken before is known again by what it tells, not by a number of its own. Limit: a
batch in which a step fails and starts again cannot be told from a further failure of that step.
"""

from datetime import datetime, timedelta
from typing import Final, assert_never

from ledger.events import executions as x
from ledger.executions import commands as c
from ledger.executions.decide_retry import after_failure, after_lease_loss, paused
from ledger.executions.facts import Decision, Facts, ahead, facts
from ledger.executions.state import ExecutionState, StepState, merge
from ledger.rejection import ReportFenced, ReportInvalid, WrongState

MAX_CLOCK_AHEAD: Final = timedelta(minutes=5)
_ENDS_HOLD: Final = (c.Paused, c.Canceled, c.HandedBack, c.Finished)


def decide_reports(state: ExecutionState, command: c.Reports, now: datetime) -> Decision:
    """Rule on a batch of reports.

    Idempotent: a batch that was taken before yields no facts, also after the execution closed.
    """
    if command.fence is None:
        holds = state.is_open and not state.is_owned
    else:
        holds = _holds(state, command.fence)
    current_fence = command.fence in (None, state.fence)
    if current_fence and all(_was_told(state, report, holds=holds) for report in command.reports):
        return ()
    if command.fence is not None and not holds:
        return _fenced(state, command)
    if not holds:
        owner = f"owned by worker {state.worker!r}" if state.is_owned else "it has ended"
        return WrongState(command="report", status=state.status, reason=owner)
    return _decide_all(state, command, now)


def _decide_all(state: ExecutionState, command: c.Reports, now: datetime) -> Decision:
    decided = _taken_up(state, command, now)
    current = ahead(state, decided, now=now) if decided else state
    for index, report in enumerate(command.reports):
        outcome = _decide_one(current, report, now)
        if isinstance(outcome, str):
            return ReportInvalid(index=index, reason=outcome)
        ends_hold = bool(outcome) and isinstance(report, _ENDS_HOLD)
        if ends_hold and index + 1 < len(command.reports):
            reason = f"nothing can be told after {report.__struct_config__.tag!r}"
            return ReportInvalid(index=index + 1, reason=reason)
        decided = (*decided, *outcome)
        current = ahead(current, outcome, now=now) if outcome else current
    return () if _told_by(current) == _told_by(state) else decided


def _taken_up(state: ExecutionState, command: c.Reports, now: datetime) -> Facts:
    """Take an execution that nobody runs yet off the queue, when a recorder tells of it."""
    waits = state.status == "pending" or state.waiting_for == "worker"
    if command.fence is not None or not waits:
        return ()
    started = x.ExecutionStarted(
        attempt=state.attempt, fence=state.fence, worker=command.worker or "recorder"
    )
    return facts(_told(command.reports[0], now), started)


def _told_by(state: ExecutionState) -> tuple[object, ...]:
    """Give what reports can change: a batch that leads back to the same told nothing new."""
    return (
        state.status,
        state.worker,
        state.progress,
        state.output,
        state.attachments,
        state.metrics,
        tuple((s.status, s.attempt, s.outcome, s.exit_code, s.progress) for s in state.steps),
    )


def _holds(state: ExecutionState, fence: int) -> bool:
    return state.is_owned and state.fence == fence


def _fenced(state: ExecutionState, command: c.Reports) -> ReportFenced:
    fence = command.fence or 0
    seen = fence in state.refused_fences
    plausible = 0 < fence <= state.fence
    record = (
        x.ReportRefused(
            fence=fence,
            worker=command.worker,
            reports=tuple(str(report.__struct_config__.tag) for report in command.reports)[:20],
        )
        if plausible and not seen
        else None
    )
    return ReportFenced(presented=fence, current=state.fence, record=record)


def _was_told(state: ExecutionState, report: c.Report, *, holds: bool) -> bool:
    """Whether the report tells no more than is on record already, under this hold."""
    match report:
        case c.Finished():
            by_ledger = state.let_go is not None or state.cause in ("timed_out", "lease_lost")
            retried = state.status in ("pending", "paused") and report.outcome != "ok"
            ended = state.status == "finished" and report.outcome in (None, state.outcome)
            return not holds and not by_ledger and (retried or ended)
        case c.Canceled():
            return state.status == "aborted"
        case c.Paused():
            return state.status == "paused"
        case c.HandedBack():
            return not state.is_owned and state.let_go == "handed_back"
        case c.Progressed():
            return merge(state.progress, report.progress) == state.progress
        case c.Produced():
            return _is_produced(state, report)
        case c.StepStarted() | c.StepProgressed() | c.StepFinished():
            step = state.step(report.index)
            return step is not None and _step_was_told(step, report, holds=holds)
        case _:
            assert_never(report)


def _step_was_told(
    step: StepState, report: c.StepStarted | c.StepProgressed | c.StepFinished, *, holds: bool
) -> bool:
    match report:
        case c.StepStarted():
            done = step.status == "running" or step.outcome in ("ok", "warning")
            same = report.occurred_at is not None and report.occurred_at == step.started_at
            return step.attempt > 0 and (done or same or not holds)
        case c.StepProgressed():
            return merge(step.progress, report.progress) == step.progress
        case c.StepFinished():
            exit_code = report.exit_code or default_exit_code(report.outcome)
            ended = step.status == "finished" or not holds
            return ended and (step.outcome, step.exit_code) == (report.outcome, exit_code)
        case _:
            assert_never(report)


def _told(report: c.Report, now: datetime) -> datetime:
    return report.occurred_at or now


def _decide_one(state: ExecutionState, report: c.Report, now: datetime) -> Facts | str:
    occurred_at = _told(report, now)
    if occurred_at > now + MAX_CLOCK_AHEAD:
        return f"occurred_at {occurred_at.isoformat()} lies in the future"
    if not state.is_open or state.status == "paused":
        return f"the execution is {state.status} already"
    match report:
        case c.Paused():
            if state.status != "pausing":
                return f"nobody asked to pause; the execution is {state.status}"
            return facts(occurred_at, paused(state, now))
        case c.Canceled():
            if state.status != "aborting":
                return f"nobody asked to cancel; the execution is {state.status}"
            return facts(occurred_at, x.ExecutionCanceled(message=report.message))
        case c.HandedBack():
            if not state.is_owned:
                return "nobody holds the execution"
            return after_lease_loss(state, now, reason="handed_back")
        case c.Finished():
            return _finish(state, report, occurred_at, now)
        case _:
            return _open_report(state, report, occurred_at)


def _open_report(
    state: ExecutionState,
    report: c.StepStarted | c.StepProgressed | c.StepFinished | c.Progressed | c.Produced,
    occurred_at: datetime,
) -> Facts | str:
    match report:
        case c.Progressed():
            if merge(state.progress, report.progress) == state.progress:
                return ()
            return facts(occurred_at, x.ExecutionProgressed(progress=report.progress))
        case c.Produced():
            return _produced(state, report, occurred_at)
        case c.StepStarted():
            return _step_started(state, report, occurred_at)
        case c.StepProgressed():
            return _step_progressed(state, report, occurred_at)
        case c.StepFinished():
            return _step_finished(state, report, occurred_at)
        case _:
            assert_never(report)


def _produced(state: ExecutionState, report: c.Produced, occurred_at: datetime) -> Facts:
    if _is_produced(state, report):
        return ()
    event = x.OutputSet(
        output=report.output, attachments=report.attachments, metrics=report.metrics
    )
    return facts(occurred_at, event)


def _is_produced(state: ExecutionState, report: c.Produced) -> bool:
    return (
        report.output in (None, state.output)
        and report.attachments in (None, state.attachments)
        and report.metrics in (None, state.metrics)
    )


def _step_started(
    state: ExecutionState, report: c.StepStarted, occurred_at: datetime
) -> Facts | str:
    step = state.step(report.index)
    if step is None:
        return f"there is no step {report.index}; the plan has {len(state.steps)}"
    repeated = report.occurred_at is not None and report.occurred_at == step.started_at
    if step.status == "running" or repeated:
        return ()
    if step.status in ("finished", "skipped") and step.outcome != "error":
        return f"step {report.index} is {step.status} already"
    return facts(occurred_at, x.StepStarted(index=report.index, attempt=step.attempt + 1))


def _step_progressed(
    state: ExecutionState, report: c.StepProgressed, occurred_at: datetime
) -> Facts | str:
    step = state.step(report.index)
    if step is None:
        return f"there is no step {report.index}; the plan has {len(state.steps)}"
    if merge(step.progress, report.progress) == step.progress:
        return ()
    if step.status != "running":
        return f"step {report.index} is {step.status}, not running"
    return facts(occurred_at, x.StepProgressed(index=report.index, progress=report.progress))


def _step_finished(
    state: ExecutionState, report: c.StepFinished, occurred_at: datetime
) -> Facts | str:
    step = state.step(report.index)
    if step is None:
        return f"there is no step {report.index}; the plan has {len(state.steps)}"
    exit_code = report.exit_code or default_exit_code(report.outcome)
    if step.status == "finished" and (step.outcome, step.exit_code) == (report.outcome, exit_code):
        return ()
    if step.status != "running":
        return f"step {report.index} is {step.status}, not running"
    event = x.StepFinished(
        index=report.index,
        attempt=step.attempt,
        outcome=report.outcome,
        exit_code=exit_code,
        message=report.message,
        progress=report.progress,
        log=report.log,
    )
    return facts(occurred_at, event)


def _finish(
    state: ExecutionState, report: c.Finished, occurred_at: datetime, now: datetime
) -> Facts | str:
    outcome = report.outcome or worst(state)
    if outcome != "error" and any(step.status == "running" for step in state.steps):
        return "a step is still running"
    finished = x.ExecutionFinished(
        outcome=outcome,
        exit_code=report.exit_code or default_exit_code(outcome),
        message=report.message,
        cause="invalid_input" if report.input_at_fault and outcome == "error" else None,
    )
    # Work that a recorder tells of runs elsewhere: trying it again is not the ledger's to decide.
    if outcome == "error" and state.is_owned:
        return after_failure(state, finished, occurred_at, now)
    return facts(occurred_at, finished)


def worst(state: ExecutionState) -> x.Outcome:
    """Give the worst outcome among the finished steps."""
    outcomes = {step.outcome for step in state.steps}
    if "error" in outcomes:
        return "error"
    return "warning" if "warning" in outcomes else "ok"


def default_exit_code(outcome: x.Outcome) -> str:
    """Give the exit code of work that chose none."""
    return "ERROR" if outcome == "error" else "OK"
