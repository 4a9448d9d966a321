"""The routes of jobs, their schedules and how they have been doing."""

from typing import Any

from api.auth.principal import OPERATORS, READERS
from api.native import executions, job_statistics, jobs
from api.native import wire as w
from api.route import Query, Route
from api.routes.parameters import IF_MATCH, LIMIT, MIN_POSITION, PAGE
from ledger.events.definition import Definition, Schedule

_JOB_QUERY = (
    Query(name="type", description="Only of this type."),
    Query(name="tag", description="Only with one of these tags.", repeated=True),
    *PAGE,
)


def job_routes() -> tuple[Route, ...]:
    """Give them all."""
    return (*_jobs(), *_job_statistics())


def _jobs() -> tuple[Route, ...]:
    one = "/v1/jobs/{job_id}"
    common: dict[str, Any] = {"tag": "jobs"}
    return (
        Route(
            method="GET",
            path="/v1/jobs",
            handler=jobs.list_jobs,
            roles=READERS,
            summary="List jobs",
            answer=w.JobList,
            query=_JOB_QUERY,
            headers=MIN_POSITION,
            **common,
        ),
        Route(
            method="POST",
            path="/v1/jobs",
            handler=jobs.define,
            roles=OPERATORS,
            status=201,
            summary="Define a job",
            body=w.JobPost,
            answer=w.JobView,
            **common,
        ),
        Route(
            method="GET",
            path=one,
            handler=jobs.read,
            roles=READERS,
            summary="Read a job",
            answer=w.JobView,
            **common,
        ),
        Route(
            method="PUT",
            path=one,
            handler=jobs.put,
            roles=OPERATORS,
            headers=IF_MATCH,
            summary="Define a job or replace its definition",
            body=Definition,
            answer=w.JobView,
            **common,
        ),
        Route(
            method="PATCH",
            path=one,
            handler=jobs.patch,
            roles=OPERATORS,
            headers=IF_MATCH,
            summary="Change parts of a definition (merge patch)",
            body=Definition,
            body_type="application/merge-patch+json",
            answer=w.JobView,
            **common,
        ),
        Route(
            method="DELETE",
            path=one,
            handler=jobs.retire,
            roles=OPERATORS,
            headers=IF_MATCH,
            status=204,
            summary="Retire a job",
            **common,
        ),
        Route(
            method="GET",
            path=f"{one}/schedule",
            handler=jobs.read_schedule,
            roles=READERS,
            summary="Read a job's schedule",
            answer=Schedule,
            **common,
        ),
        Route(
            method="PUT",
            path=f"{one}/schedule",
            handler=jobs.set_schedule,
            roles=OPERATORS,
            headers=IF_MATCH,
            summary="Let a job run by itself",
            body=Schedule,
            answer=w.JobView,
            **common,
        ),
        Route(
            method="DELETE",
            path=f"{one}/schedule",
            handler=jobs.clear_schedule,
            roles=OPERATORS,
            headers=IF_MATCH,
            status=204,
            summary="Clear a job's schedule",
            **common,
        ),
        Route(
            method="GET",
            path=f"{one}/history",
            handler=executions.job_history,
            roles=READERS,
            summary="List a job's executions, newest first",
            answer=w.HistoryList,
            query=PAGE,
            headers=MIN_POSITION,
            **common,
        ),
    )


def _job_statistics() -> tuple[Route, ...]:
    one = "/v1/jobs/{job_id}"
    common: dict[str, Any] = {"method": "GET", "roles": READERS, "tag": "jobs"}
    return (
        Route(
            path=f"{one}/statistics",
            handler=job_statistics.statistics,
            summary="Show how a job has been doing",
            answer=job_statistics.JobStatistics,
            headers=MIN_POSITION,
            **common,
        ),
        Route(
            path=f"{one}/due-times",
            handler=job_statistics.due_times,
            summary="Show when a job is due, and what became of its last due times",
            answer=job_statistics.DueTimes,
            query=(LIMIT,),
            **common,
        ),
    )
