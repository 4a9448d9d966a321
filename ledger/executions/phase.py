"""One word for where an execution stands: status, what it waits for, and how it ended, in one.

Finer than any vendor's list of statuses, so that each of them is a mapping of phases, which a view
can filter by. Words are not stored in events; views that keep them are rebuilt when they change.
"""

from typing import Final, Literal, assert_never, get_args

from ledger.executions.state import ExecutionState

Phase = Literal[
    "waits_for_time",
    "waits_for_dependency",
    "waits_for_capacity",
    "waits_for_worker",
    "running",
    "pausing",
    "paused",
    "aborting",
    "ok",
    "warning",
    "error",
    "invalid_input",
    "timed_out",
    "lease_lost",
    "canceled",
    "upstream_failed",
    "erased",
]
PHASES: Final[tuple[Phase, ...]] = get_args(Phase)


def phase_of(state: ExecutionState) -> Phase:
    """Tell where an execution stands."""
    if state.erased:
        return "erased"
    match state.status:
        case "pending":
            return _waiting(state)
        case "running" | "pausing" | "paused" | "aborting":
            return state.status
        case "finished":
            return _ended(state)
        case "aborted":
            return "upstream_failed" if state.cause == "upstream_failed" else "canceled"
        case _:
            assert_never(state.status)


def phase_before(state: ExecutionState) -> Phase | None:
    """Tell where it stood before its current status; None when that is its first."""
    match state.previous_status:
        case None | "finished" | "aborted":
            return None
        case "running":
            return "running"
        case "pending" | "pausing" | "paused" | "aborting" if state.started_at is None:
            # What it waited for is not kept; a request to stop or pause is no place to stand at.
            never_free = state.status == "aborted" and state.created.waits_for
            return "waits_for_dependency" if never_free else "waits_for_worker"
        case "pending":
            return "waits_for_worker"
        case _:
            return state.previous_status


def _waiting(state: ExecutionState) -> Phase:
    match state.waiting_for:
        case "time":
            return "waits_for_time"
        case "dependency":
            return "waits_for_dependency"
        case "capacity":
            return "waits_for_capacity"
        case "worker" | None:
            return "waits_for_worker"
        case _:
            assert_never(state.waiting_for)


def _ended(state: ExecutionState) -> Phase:
    match state.outcome:
        case "ok" | "warning":
            return state.outcome
        case "error" | None:
            if state.cause in ("invalid_input", "timed_out", "lease_lost"):
                return state.cause
            return "error"
        case _:
            assert_never(state.outcome)
