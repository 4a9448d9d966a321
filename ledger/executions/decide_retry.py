"""What follows when an attempt ends badly: another attempt, or the end."""

from datetime import datetime, timedelta
from typing import Literal

from ledger.events import executions as x
from ledger.executions.facts import Facts, facts
from ledger.executions.state import ExecutionState


def after_failure(
    state: ExecutionState, failed: x.ExecutionFinished, occurred_at: datetime, now: datetime
) -> Facts:
    """Rule on an attempt that ended in an error: retry by policy, or finish as told.

    An error in the input, and an error after a cancel was asked for, are never tried again. A pause
    that was asked for comes between the attempts.
    """
    retry = state.policies.retry
    failures = state.attempt - state.lease_losses
    if failed.cause == "invalid_input" or state.status == "aborting":
        return facts(occurred_at, failed)
    if failures >= retry.max_attempts:
        if retry.max_attempts > 1:
            failed = x.ExecutionFinished(
                outcome="error",
                exit_code=failed.exit_code,
                message=failed.message,
                cause="retries_exhausted",
            )
        return facts(occurred_at, failed)
    again = x.RetryScheduled(
        attempt=state.attempt + 1,
        run_at=now + timedelta(seconds=retry.delay_before(failures + 1)),
        reason="failed",
        message=failed.message,
    )
    if state.status == "pausing":
        return facts(now, again, paused(state, now))
    return facts(now, again)


def paused(state: ExecutionState, now: datetime, *, enforced: bool = False) -> x.ExecutionPaused:
    """Make the fact that an execution stands still, with its limit."""
    limit_at = now + timedelta(seconds=state.policies.pause_limit_s)
    return x.ExecutionPaused(limit_at=limit_at, enforced=enforced)


def after_lease_loss(
    state: ExecutionState, now: datetime, *, reason: Literal["expired", "handed_back"]
) -> Facts:
    """Rule on an execution whose worker let go, or fell silent.

    A pause or cancel that was under way is completed; work handed back does not count as a loss.
    """
    lost = x.LeaseLost(fence=state.fence, worker=state.worker, reason=reason)
    if state.status == "aborting":
        return facts(now, lost, x.ExecutionCanceled(message="its worker was lost", enforced=True))
    if state.status == "pausing":
        return facts(now, lost, paused(state, now, enforced=True))
    if reason == "handed_back":
        again = x.RetryScheduled(attempt=state.attempt, run_at=now, reason="handed_back")
        return facts(now, lost, again)
    if state.lease_losses >= state.policies.max_lease_losses:
        closed = x.ExecutionFinished(
            outcome="error", exit_code="ERROR", message="its worker was lost", cause="lease_lost"
        )
        return facts(now, lost, closed)
    again = x.RetryScheduled(attempt=state.attempt + 1, run_at=now, reason="lease_lost")
    return facts(now, lost, again)
