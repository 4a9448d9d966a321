"""Reads the jobs view; see `projections.executions.query` for what all queries have in common."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from ledger.jobs.state import JobState
from ledger.store.queries import load
from projections.encoded import text
from projections.executions.projector import ExecutionsProjector
from projections.jobs.projector import DECODE_JOB, JobsProjector
from projections.port import Pool, Reader
from projections.reading import listing, reading

_SQL: Final = load(Path(__file__).parent / "sql" / "read.sql")
_NAME: Final = JobsProjector.name
_VERSION: Final = JobsProjector.version
_EXECUTIONS: Final = (ExecutionsProjector.name, ExecutionsProjector.version)
"""Whose rows tell a job's last execution, and how its executions ended."""


class LastExecution(Struct, frozen=True, kw_only=True):
    """The newest execution of a job that is not deleted."""

    uuid: UUID
    number: int
    status: str
    outcome: str | None
    created_at: datetime
    ended_at: datetime | None


class JobCounts(Struct, frozen=True, kw_only=True):
    """How a job's executions stand and ended, deleted ones included, erased ones not."""

    open: int = 0
    ok: int = 0
    warning: int = 0
    error: int = 0
    aborted: int = 0


class JobView(Struct, frozen=True, kw_only=True):
    """A job, and how it has been doing."""

    state: JobState
    last: LastExecution | None
    counts: JobCounts


class FoundJob(Struct, frozen=True, kw_only=True):
    """A job, or none, as of a position."""

    position: int
    job: JobView | None


class JobPage(Struct, frozen=True, kw_only=True):
    """A page of jobs, by job id, then organization."""

    position: int
    """The rows reflect the log up to here."""
    items: tuple[JobView, ...]
    next_after: tuple[str, str] | None
    """Job id and organization to ask for next as `after`; None at the end."""
    total: int | None = None
    """How many match in all, if it was asked for."""


async def by_job_id(
    reader: Reader,
    job_id: str,
    *,
    organizations: Sequence[str] | None,
    include_retired: bool = False,
) -> FoundJob:
    """Find a job by the name its author chose; of several organizations' the first."""
    return await _one(reader, "by_job_id", text(job_id), organizations, include_retired)


async def by_uuid(
    reader: Reader,
    uuid: UUID,
    *,
    organizations: Sequence[str] | None,
    include_retired: bool = False,
) -> FoundJob:
    """Find a job by its uuid."""
    return await _one(reader, "by_uuid", uuid, organizations, include_retired)


async def by_number(
    reader: Reader,
    number: int,
    *,
    organizations: Sequence[str] | None,
    include_retired: bool = False,
) -> FoundJob:
    """Find a job by its ledger-wide number."""
    return await _one(reader, "by_number", number, organizations, include_retired)


async def by_oid(
    reader: Reader,
    oid: str,
    *,
    organizations: Sequence[str] | None,
    include_retired: bool = False,
) -> FoundJob:
    """Find a job by its 24-digit object id."""
    return await _one(reader, "by_oid", oid, organizations, include_retired)


async def by_path(
    reader: Reader,
    paths: Sequence[str],
    *,
    organizations: Sequence[str] | None,
    include_retired: bool = False,
) -> FoundJob:
    """Find a job by the first of *paths* that one has."""
    told = [text(path) for path in paths]
    return await _one(reader, "by_path", told, organizations, include_retired)


async def _one(
    reader: Reader,
    statement: str,
    key: object,
    organizations: Sequence[str] | None,
    include_retired: bool,  # noqa: FBT001 - private, mirrors the statement
) -> FoundJob:
    async with reading(reader, *_EXECUTIONS), reading(reader, _NAME, _VERSION):
        row = await reader.fetchrow(_SQL[statement], key, organizations, include_retired)
        if row is None:
            return FoundJob(position=0, job=None)
        job = _view(row) if row["state"] is not None else None
    return FoundJob(position=row["reflects"], job=job)


def _view(row: Any) -> JobView:
    last = (
        LastExecution(
            uuid=row["last_uuid"],
            number=row["last_number"],
            status=row["last_status"],
            outcome=row["last_outcome"],
            created_at=row["last_created_at"],
            ended_at=row["last_ended_at"],
        )
        if row["last_uuid"] is not None
        else None
    )
    counts = (
        JobCounts(**{name: row[name] for name in JobCounts.__struct_fields__})
        if row["ok"] is not None
        else JobCounts()
    )
    return JobView(state=DECODE_JOB(row["state"]), last=last, counts=counts)


async def page(
    pool: Pool,
    *,
    organizations: Sequence[str] | None,
    tags: Sequence[str] | None = None,
    job_type: str | None = None,
    path_prefix: str | None = None,
    include_retired: bool = False,
    after: tuple[str, str] | None = None,
    limit: int = 50,
    with_total: bool = False,
) -> JobPage:
    """List jobs by job id, then organization; *tags*: any of them."""
    told = (organizations, include_retired, tags, job_type, path_prefix)
    total: int | None = None
    async with reading(pool, *_EXECUTIONS), listing(pool, _NAME, _VERSION) as connection:
        rows = await connection.fetch(_SQL["page"], *told, *(after or (None, None)), limit + 1)
        if with_total:
            total = await connection.fetchval(_SQL["total"], *told)
        views = [_view(row) for row in rows if row["state"] is not None]
    # The outer joins keep the inner order, but nothing obliges them to.
    views.sort(key=lambda view: (view.state.job_id, view.state.organization))
    items = tuple(views[:limit])
    more = len(views) > limit and items
    return JobPage(
        position=rows[0]["reflects"] if rows else 0,
        items=items,
        next_after=(items[-1].state.job_id, items[-1].state.organization) if more else None,
        total=total,
    )
