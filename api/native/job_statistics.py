"""`/v1/jobs/{job_id}/statistics` and `/due-times`: how a job has been doing, and when it is due."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Struct

from api.native.call import Call, answer
from api.native.jobs import find
from api.native.wire import JobCounts
from ledger.events.jobs import JobFollowSkipped, JobScheduleFired, JobScheduleSkipped
from ledger.ids import job_stream
from ledger.jobs.schedule import next_due_times
from ledger.store.pool import store_errors
from ledger.store.queries import load
from projections.history import query as history
from projections.jobs import query as jobs

_SQL: Final = load(Path(__file__).parent / "sql" / "due_times.sql")
_FACTS: Final[dict[str, type[JobScheduleFired | JobScheduleSkipped | JobFollowSkipped]]] = {
    "job.schedule_fired": JobScheduleFired,
    "job.schedule_skipped": JobScheduleSkipped,
    "job.follow_skipped": JobFollowSkipped,
}
MAX_COMING: Final = 10


class JobStatistics(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a job's executions stand and ended, deleted ones included, erased ones not."""

    counts: JobCounts
    position: int
    typical_s: float | None = None
    """Median of the last 20 that ended ok."""


class PastDueTime(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a due time, or of an upstream's end that the job follows."""

    at: datetime
    """When it was recorded."""
    position: int
    due_at: datetime | None = None
    """Absent when it was no due time but an upstream that ended."""
    execution: UUID | None = None
    """The execution that was created; absent when none was."""
    upstream: UUID | None = None
    reason: str = ""
    """Why no execution was created."""


class DueTimes(Struct, frozen=True, kw_only=True):
    """When a job is due, and what became of the times that have passed."""

    next: tuple[datetime, ...]
    """Ascending; none while the schedule is paused."""
    past: tuple[PastDueTime, ...]
    """Newest first."""


async def statistics(call: Call) -> web.Response:
    """Show how a job has been doing."""
    state = await find(call)
    await call.node.covered("jobs", call.minimum_position)
    await call.node.covered("executions", call.minimum_position)
    pool = call.node.store.pool
    found = await jobs.by_job_id(pool, state.job_id, organizations=[state.organization])
    typical = await history.estimate(pool, state.organization, [state.job_id])
    typical_ms = typical.get(state.job_id)
    view = JobStatistics(
        counts=msgspec.convert(found.job.counts, JobCounts, from_attributes=True)
        if found.job is not None
        else JobCounts(),
        position=found.position,
        typical_s=None if typical_ms is None else typical_ms / 1000,
    )
    return answer(view, headers={"Ledger-Position": str(found.position)})


async def due_times(call: Call) -> web.Response:
    """Show when a job is due next, and what became of its last due times."""
    state = await find(call)
    limit = call.query_integer("limit", 20, low=1, high=call.node.settings.max_page)
    with store_errors():
        rows: Sequence[Any] = await call.node.store.pool.fetch(
            _SQL["past"], job_stream(state.organization, state.job_id), list(_FACTS), limit
        )
    coming = next_due_times(state.schedule, call.node.clock(), MAX_COMING) if state.schedule else ()
    return answer(DueTimes(next=coming, past=tuple(_past(row) for row in rows)))


def _past(row: Any) -> PastDueTime:
    fact = msgspec.json.decode(row["data"], type=_FACTS[row["type"]])
    return PastDueTime(
        at=row["recorded_at"],
        position=row["position"],
        due_at=getattr(fact, "due_at", None),
        execution=getattr(fact, "execution", None),
        upstream=getattr(fact, "upstream", None),
        reason=getattr(fact, "reason", ""),
    )
