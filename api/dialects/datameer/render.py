"""Executions, in the vendor's documents. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from api.dialects.datameer import wire as w
from ledger.executions.phase import Phase, phase_of
from ledger.executions.state import ExecutionState

V1: Final[dict[Phase, w.V1Status]] = {
    "waits_for_time": "QUEUED",
    "waits_for_dependency": "WAITING_FOR_OTHER_JOB",
    "waits_for_capacity": "QUEUED",
    "waits_for_worker": "QUEUED",
    "running": "RUNNING",
    "pausing": "RUNNING",
    "paused": "RUNNING",
    "aborting": "RUNNING",
    "ok": "COMPLETED",
    "warning": "COMPLETED_WITH_Warnings",
    "error": "ERROR",
    "invalid_input": "ERROR",
    "timed_out": "ERROR",
    "lease_lost": "ERROR",
    "canceled": "CANCELED",
    "upstream_failed": "CANCELED",
    "erased": "CANCELED",
}
_MONTHS: Final = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
]
_VOLUME: Final = ("IMPORT_BYTES", "IMPORT_OUTPUT_BYTES")


def v2_status(state: ExecutionState) -> w.V2Status:
    """Name where an execution stands, in the second generation's words."""
    status = V1[phase_of(state)]
    return "COMPLETED_WITH_WARNINGS" if status == "COMPLETED_WITH_Warnings" else status


def document(value: Any, *, indent: int) -> bytes:
    """Write a document as the examples are written."""
    return msgspec.json.format(msgspec.json.encode(value), indent=indent)


def long_date(at: datetime, zone: ZoneInfo) -> str:
    """Write an instant as `Sep 28, 2018 6:44:56 PM`."""
    local = at.astimezone(zone)
    half = "AM" if local.hour < 12 else "PM"
    clock = f"{local.hour % 12 or 12}:{local:%M:%S} {half}"
    return f"{_MONTHS[local.month - 1]} {local.day}, {local.year} {clock}"


def short_date(at: datetime, zone: ZoneInfo) -> str:
    """Write an instant as `2012-07-06 18:19:09.0`; the last part is milliseconds."""
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000}"


def status(state: ExecutionState) -> w.Status:
    """Show an execution in short."""
    return w.Status(id=state.number, job_status=V1[phase_of(state)])


def status_v2(
    state: ExecutionState,
    file_id: int,
    zone: ZoneInfo,
    *,
    left_s: float | None = None,
    percent: float | None = None,
) -> w.StatusV2:
    """Show where a file's last execution stands; *left_s* and *percent* while it runs, if known."""
    name = v2_status(state)
    runs = name == "RUNNING"
    return w.StatusV2(
        file_id=file_id,
        job_execution_id=state.number,
        job_status=name,
        start_time=long_date(state.started_at, zone) if state.started_at else None,
        stop_time=long_date(state.ended_at, zone) if state.ended_at else UNSET,
        estimate_time=f"{left_s:.0f}s" if runs and left_s is not None else UNSET,
        job_progress=f"{percent or 0:.0f}" if runs else UNSET,
    )


def details(state: ExecutionState, zone: ZoneInfo) -> w.Details:
    """Show an execution with its counters."""
    created = state.created
    return w.Details(
        start_time=long_date(state.started_at, zone) if state.started_at else None,
        stop_time=long_date(state.ended_at, zone) if state.ended_at else None,
        job_status=V1[phase_of(state)],
        job_configuration_id=created.job_number,
        file=w.File(id=created.job_number, uuid=str(created.job_uuid)),
        success_count=success_count(state),
        failure_count=failure_count(state),
        counters=counters(state),
    )


def older_details(state: ExecutionState, zone: ZoneInfo) -> w.OlderDetails:
    """Show an execution with its counters, as it was before 7.4."""
    return w.OlderDetails(
        counters=counters(state),
        failure_count=failure_count(state),
        job_status=V1[phase_of(state)],
        start_time=short_date(state.started_at, zone) if state.started_at else None,
        stop_time=short_date(state.ended_at, zone) if state.ended_at else None,
        success_count=success_count(state),
    )


def running(
    number: int,
    job_number: int,
    started_at: datetime | None,
    zone: ZoneInfo,
    *,
    left_s: float | None,
    percent: float | None,
) -> w.Running:
    """Show a running execution."""
    return w.Running(
        dap_job_configuration_id=job_number,
        estimate_time=UNSET if left_s is None else f"{left_s:.0f} sec",
        job_execution_id=number,
        job_status="RUNNING",
        progress=int(percent or 0),
        start_time=short_date(started_at, zone) if started_at else None,
    )


def volume(state: ExecutionState) -> w.Volume:
    """Show how much an execution took in."""
    told = counters(state)
    taken = next((told[name] for name in _VOLUME if name in told), 0)
    return w.Volume(id=state.number, job_status=V1[phase_of(state)], imported_volume=taken)


def plan(
    states: Sequence[ExecutionState],
) -> w.Plan:
    """Show a sequence that was created."""
    return w.Plan(
        execution_plan=tuple(
            w.PlanEntry(
                job_configuration_name=state.job_id,
                job_configuration_id=state.created.job_number,
                trigger=True,
                job_execution_id=state.number,
            )
            for state in states
        )
    )


def counters(state: ExecutionState) -> dict[str, int]:
    """Give what was counted: by the execution, or else by its steps together."""
    if state.progress.counters:
        return state.progress.counters
    summed: dict[str, int] = {}
    for step in state.steps:
        for name, count in step.progress.counters.items():
            summed[name] = summed.get(name, 0) + count
    return summed


def success_count(state: ExecutionState) -> int:
    """Give how many records went through."""
    progress = state.progress
    if progress.success_count is not None:
        return progress.success_count
    if progress.processed_items is not None:
        return max(0, progress.processed_items - (progress.failed_items or 0))
    return counters(state).get("IMPORT_RECORDS", 0)


def failure_count(state: ExecutionState) -> int:
    """Give how many records did not."""
    progress = state.progress
    if progress.failure_count is not None:
        return progress.failure_count
    if progress.failed_items is not None:
        return progress.failed_items
    return counters(state).get("IMPORT_DROPPED_RECORDS", 0)
