"""Who must act next on an execution, and by when: no open state is without an answer."""

from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Final, Literal

from msgspec import Struct

from ledger.executions.state import ExecutionState

Actor = Literal["worker", "ledger", "user", "upstream"]


LEASE_CHECK: Final = timedelta(minutes=1)


class Due(Struct, frozen=True, kw_only=True, gc=False):
    """The next thing that must happen; when `at` passes, the ledger itself does `otherwise`."""

    at: datetime
    who: Actor
    otherwise: Literal["released", "timed_out", "no_worker", "canceled", "paused", "deleted"]


def next_due(state: ExecutionState) -> Due | None:
    """Name the earliest deadline of an execution.

    None only for a closed execution that is kept for ever. A worker's lease is not a fact and is
    watched by the store's lease table; it always ends before the deadlines here matter.
    """
    dues = _dues(state)
    return dues[0] if len(dues) == 1 else min(dues, key=attrgetter("at"), default=None)


def look_again_at(state: ExecutionState, now: datetime) -> datetime | None:
    """Say when the timer is to look at an execution.

    At its deadline, and every minute while a worker holds it, to see that the hold is watched.
    """
    due = next_due(state)
    if due is None:
        return None
    return min(due.at, now + LEASE_CHECK) if state.is_owned else due.at


def _dues(state: ExecutionState) -> list[Due]:
    policies = state.policies
    if state.erased:
        return []
    if not state.is_open:
        if state.deleted or policies.retention_s is None:
            return []
        ended = _not_before_known(state, state.ended_at or state.modified_at)
        kept_until = ended + _seconds(policies.retention_s)
        return [Due(at=kept_until, who="ledger", otherwise="deleted")]
    dues: list[Due] = []
    if state.started_at is not None:
        who: Actor = "worker" if state.status == "running" else "ledger"
        timeout_at = _not_before_known(state, state.started_at) + _seconds(policies.timeout_s)
        dues.append(Due(at=timeout_at, who=who, otherwise="timed_out"))
    if state.waiting_for == "time" and state.ready_at is not None:
        dues.append(Due(at=state.ready_at, who="ledger", otherwise="released"))
    elif state.waiting_for is not None:
        since = _not_before_known(state, state.ready_at or state.resumed_at or state.created_at)
        waits_until = since + _seconds(policies.queue_timeout_s)
        upstream = state.waiting_for == "dependency"
        dues.append(
            Due(at=waits_until, who="upstream" if upstream else "worker", otherwise="no_worker")
        )
    if state.deadline_at is not None:
        match state.status:
            case "pausing":
                dues.append(Due(at=state.deadline_at, who="worker", otherwise="paused"))
            case "paused":
                dues.append(Due(at=state.deadline_at, who="user", otherwise="timed_out"))
            case _:
                dues.append(Due(at=state.deadline_at, who="worker", otherwise="canceled"))
    return dues


def _not_before_known(state: ExecutionState, told: datetime) -> datetime:
    """Give the instant that a deadline counts from: a reporter's, unless it is older than the record.

    Work recorded after the fact carries old instants; they must not time it out at once.
    """
    return max(told, state.known_at or state.created_at)


@lru_cache(maxsize=1024)
def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)
