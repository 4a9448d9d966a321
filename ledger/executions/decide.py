"""What may happen to an execution next: every command but reports (see `decide_reports`).

Pure and total: any command on any state gives facts, no facts (it had its effect already), or a
refusal. Time comes in as `now`.
"""

from datetime import datetime, timedelta
from typing import Final, assert_never
from uuid import UUID

from ledger.events import executions as x
from ledger.executions import commands as c
from ledger.executions.deadlines import next_due
from ledger.executions.decide_reports import decide_reports
from ledger.executions.decide_retry import after_lease_loss, paused
from ledger.executions.facts import Decision, Facts, facts
from ledger.executions.state import ExecutionState
from ledger.rejection import (
    ContentErased,
    ExecutionGone,
    NotCancellable,
    NotFinished,
    WrongState,
)

_UNNAMED: Final = UUID(int=0)


def decide(
    state: ExecutionState | None, command: c.Command, now: datetime, *, uuid: UUID = _UNNAMED
) -> Decision:
    """Rule on a command; *uuid* names the execution in the refusal when there is none.

    Idempotent: repeating a command whose effect is there yields no facts.
    """
    if isinstance(command, c.Create):
        return _create(command, now) if state is None else ()
    if state is None:
        return ExecutionGone(execution=uuid)
    if state.erased:
        return _on_erased(state, command)
    if state.deleted:
        return _on_deleted(state, command, now)
    return _on_known(state, command, now)


def _on_known(  # noqa: C901 - one case for each command, in the order of a life
    state: ExecutionState, command: c.OnExisting, now: datetime
) -> Decision:
    match command:
        case c.Start():
            return _start(state, command, now)
        case c.Release():
            return _release(state, now)
        case c.Reports():
            return decide_reports(state, command, now)
        case c.Pause():
            return _pause(state, command, now)
        case c.Resume():
            return _resume(state, now)
        case c.Cancel():
            return _cancel(state, command, now)
        case c.Describe():
            return _describe(state, command, now)
        case c.Delete():
            if state.is_open:
                return NotFinished(execution=state.uuid, status=state.status)
            return facts(now, x.ExecutionDeleted(reason=command.reason))
        case c.Erase():
            return _erase(state, command, now)
        case c.LoseLease():
            if not state.is_owned or state.fence != command.fence:
                return ()
            return after_lease_loss(state, now, reason="expired")
        case c.Tick():
            return _tick(state, now)
        case _:
            assert_never(command)


def _on_erased(state: ExecutionState, command: c.OnExisting) -> Decision:
    match command:
        case c.Erase() | c.Tick() | c.LoseLease() | c.Release():
            return ()
        case _:
            return ContentErased(execution=state.uuid)


def _on_deleted(state: ExecutionState, command: c.OnExisting, now: datetime) -> Decision:
    match command:
        case c.Erase():
            return _erase(state, command, now)
        case c.Delete() | c.Tick() | c.LoseLease() | c.Release():
            return ()
        case _:
            return ExecutionGone(execution=state.uuid)


def _erase(state: ExecutionState, command: c.Erase, now: datetime) -> Decision:
    if state.is_open:
        return NotFinished(execution=state.uuid, status=state.status)
    erased = x.ExecutionErased(
        reason=command.reason,
        up_to_version=state.version,
        from_position=state.created_position,
        to_position=state.position,
        outcome=state.outcome,
        files=command.files,
    )
    return facts(now, erased)


def _create(command: c.Create, now: datetime) -> Facts:
    # An instant ahead of the ledger's clock counts as now: nobody could take the execution before.
    occurred_at = min(command.occurred_at or now, now)
    created = command.created
    if command.run_at is not None and command.run_at > now and not created.waits_for:
        return facts(occurred_at, created, x.ExecutionScheduled(run_at=command.run_at))
    if created.waits_for and command.upstreams_done:
        return facts(occurred_at, created, x.ExecutionReleased())
    if command.dispatch_at_once and not created.waits_for:
        return facts(occurred_at, created, x.ExecutionStarted(slot=command.slot))
    return facts(occurred_at, created)


def _start(state: ExecutionState, command: c.Start, now: datetime) -> Decision:
    if state.lease == command.lease:
        return ()
    due = state.ready_at is not None and state.ready_at <= now
    claimable = state.status in ("pending", "running") and not state.is_owned
    if not (claimable and due and state.waiting_for in ("worker", "time")):
        return WrongState(command="start", status=state.status, reason="not waiting for a worker")
    started = x.ExecutionStarted(
        attempt=state.attempt,
        fence=state.fence + 1,
        worker=command.worker,
        lease=command.lease,
        lease_s=state.policies.lease_s,
        slot=0 if state.slot else command.slot,
    )
    if state.waiting_for == "time":
        return facts(now, x.ExecutionReleased(), started)
    return facts(now, started)


def _release(state: ExecutionState, now: datetime) -> Facts:
    if state.status == "paused":
        waiting_for = state.held.waiting_for if state.held is not None else None
    else:
        waiting_for = state.waiting_for if state.status == "pending" else None
    return facts(now, x.ExecutionReleased()) if waiting_for in ("time", "dependency") else ()


def _pause(state: ExecutionState, command: c.Pause, now: datetime) -> Decision:
    match state.status:
        case "pausing" | "paused":
            return ()
        case "aborting" | "finished" | "aborted":
            return WrongState(command="pause", status=state.status)
        case "pending" | "running":
            requested = x.PauseRequested(
                deadline_at=now + timedelta(seconds=state.policies.pause_grace_s),
                reason=command.reason,
            )
            if state.is_owned:
                return facts(now, requested)
            return facts(now, requested, paused(state, now))
        case _:
            assert_never(state.status)


def _resume(state: ExecutionState, now: datetime) -> Decision:
    match state.status:
        case "paused":
            return facts(now, x.ExecutionResumed())
        case "running" | "pending":
            return ()
        case _:
            return WrongState(command="resume", status=state.status, reason="it is not paused")


def _cancel(state: ExecutionState, command: c.Cancel, now: datetime) -> Decision:
    match state.status:
        case "aborting" | "aborted":
            return ()
        case "finished":
            return WrongState(command="cancel", status=state.status)
        case "pending" | "running" | "pausing" | "paused":
            if not state.policies.cancellable and command.cause == "user":
                return NotCancellable(job_id=state.job_id)
            requested = x.CancelRequested(
                deadline_at=now + timedelta(seconds=state.policies.cancel_grace_s),
                reason=command.reason,
            )
            if state.is_owned:
                return facts(now, requested)
            canceled = x.ExecutionCanceled(cause=command.cause, message=command.reason)
            return facts(now, requested, canceled)
        case _:
            assert_never(state.status)


def _describe(state: ExecutionState, command: c.Describe, now: datetime) -> Decision:
    def changed(told: object, known: object) -> bool:
        return told is not None and told != known

    event = x.ExecutionDescribed(
        name=command.name if changed(command.name, state.name) else None,
        description=(
            command.description if changed(command.description, state.description) else None
        ),
        tags=command.tags if changed(command.tags, state.tags) else None,
        labels=command.labels if changed(command.labels, state.labels) else None,
    )
    return () if event == x.ExecutionDescribed() else facts(now, event)


def _tick(state: ExecutionState, now: datetime) -> Decision:
    due = next_due(state)
    if due is None or due.at > now:
        return ()
    match due.otherwise:
        case "released":
            return facts(now, x.ExecutionReleased())
        case "timed_out":
            return facts(now, timed_out("ran out of time"))
        case "no_worker":
            waited_for = "its upstreams" if state.waiting_for == "dependency" else "a worker"
            return facts(now, timed_out(f"waited too long for {waited_for}"))
        case "canceled":
            return facts(now, x.ExecutionCanceled(message="canceled by deadline", enforced=True))
        case "paused":
            return facts(now, paused(state, now, enforced=True))
        case "deleted":
            return facts(now, x.ExecutionDeleted(reason="retention"))
        case _:
            assert_never(due.otherwise)


def timed_out(message: str) -> x.ExecutionFinished:
    """Make the fact that an execution was closed because its time had passed."""
    return x.ExecutionFinished(
        outcome="error", exit_code="ERROR", message=message, cause="timed_out"
    )
