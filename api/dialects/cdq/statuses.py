"""The vendor's statuses, as what phases come to."""

from typing import Final

from api.dialects.cdq.wire import JobStatus
from ledger.executions.phase import Phase, phase_before, phase_of
from ledger.executions.state import ExecutionState

STATUS_OF: Final[dict[Phase, JobStatus]] = {
    "waits_for_time": "PERSISTED",
    "waits_for_dependency": "WAITING",
    "waits_for_capacity": "SCHEDULED",
    "waits_for_worker": "SCHEDULED",
    "running": "RUNNING",
    "pausing": "WAITING",
    "paused": "WAITING",
    "aborting": "RUNNING",
    "ok": "FINISHED",
    "warning": "FINISHED",
    "error": "FAILED",
    "invalid_input": "FAILED",
    "timed_out": "FAILED",
    "lease_lost": "DIED",
    "canceled": "CANCELED",
    "upstream_failed": "CANCELED",
    "erased": "UNKNOWN",
}
_FIRST: Final[dict[JobStatus, JobStatus]] = {"PERSISTED": "CREATED"}
"""What comes before a job's first status; before the others it was accepted."""
_WORDS: Final[dict[Phase, str]] = {
    "warning": "It finished with warnings.",
    "invalid_input": "Its input was at fault.",
    "timed_out": "It took too long.",
    "lease_lost": "Its worker was lost.",
    "canceled": "It was canceled.",
    "upstream_failed": "A job that it depends on did not end well.",
    "paused": "It is paused.",
    "aborting": "It is being canceled.",
}


def status_of(state: ExecutionState) -> JobStatus:
    """Tell where a job stands."""
    return STATUS_OF[phase_of(state)]


def last_status_of(state: ExecutionState) -> JobStatus:
    """Tell where a job stood before."""
    before = phase_before(state)
    if before is None:
        return _FIRST.get(status_of(state), "PERSISTED")
    return STATUS_OF[before]


def message_of(state: ExecutionState) -> str:
    """Explain a status, where there is something to explain."""
    return state.message or _WORDS.get(phase_of(state), "")


def phases_of(statuses: frozenset[str]) -> list[Phase]:
    """Give the phases that any of these statuses stands for."""
    return sorted(phase for phase, status in STATUS_OF.items() if status in statuses)
