"""Every native route, in one list: the API at a glance, and the source of its description."""

from typing import Any, Final

from api.auth.principal import (
    ADMINS,
    AUDITORS,
    EVERYBODY,
    OPERATORS,
    READERS,
    REPORTERS,
    WORKERS,
)
from api.consumer_routes import consumer_routes
from api.native import (
    activity,
    admin,
    bulk,
    changes,
    erase,
    events,
    executions,
    exports,
    health,
    job_statistics,
    jobs,
    me,
    projections,
    reports,
    tiles,
    tree,
    work,
    workers,
)
from api.native import wire as w
from api.openapi import docs, openapi
from api.route import OpenRoute, Query, Route
from api.webhook_routes import webhook_routes
from ledger.events.definition import Definition, Schedule

_LIMIT = Query(name="limit", description="Items a page holds at most.", type="integer")
_AFTER = Query(name="after", description="Cursor of the page before.")
_PAGE = (_LIMIT, _AFTER)
_IF = ("If-Match",)
_MIN = ("Ledger-Min-Position",)
_TIMES = tuple(
    Query(name=f"{what}_{side}", description=f"Only what was {what} {side} this RFC 3339 instant.")
    for what in ("created", "started", "ended")
    for side in ("after", "before")
)
_EVENT_PAGE = (
    Query(name="after", description="Position to go on from, exclusive.", type="integer"),
    Query(name="limit", description="Events a page or a stream gives at most.", type="integer"),
    Query(name="wait", description="Seconds an empty page waits for events.", type="number"),
    Query(name="follow", description="Whether a stream goes on at the head.", type="boolean"),
)
_EVENT_FORMS: Final[dict[str, Any]] = {
    "text/event-stream": str,
    "application/x-ndjson": w.EventView,
    "application/cloudevents-batch+json": list[w.CloudEvent],
    "application/cloudevents+json": w.CloudEvent,
}
_EXECUTION_QUERY = (
    Query(name="job_id", description="Only this job's."),
    Query(name="status", description="Only these statuses.", repeated=True),
    Query(name="outcome", description="Only these outcomes.", repeated=True),
    Query(name="tag", description="Only with one of these tags.", repeated=True),
    Query(name="label", description="Only with this label: name=value.", repeated=True),
    Query(name="user", description="Only this user's."),
    Query(name="trigger", description="Only started this way."),
    *_TIMES,
    Query(name="deleted", description="Deleted ones too (auditors).", type="boolean"),
    Query(name="total", description="Count all that match.", type="boolean"),
    Query(name="short", description="Without steps, documents and logs.", type="boolean"),
    *_PAGE,
)


_JOB_QUERY = (
    Query(name="type", description="Only of this type."),
    Query(name="tag", description="Only with one of these tags.", repeated=True),
    *_PAGE,
)


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
            headers=_MIN,
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
            headers=_IF,
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
            headers=_IF,
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
            headers=_IF,
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
            headers=_IF,
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
            headers=_IF,
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
            query=_PAGE,
            headers=_MIN,
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
            headers=_MIN,
            **common,
        ),
        Route(
            path=f"{one}/due-times",
            handler=job_statistics.due_times,
            summary="Show when a job is due, and what became of its last due times",
            answer=job_statistics.DueTimes,
            query=(_LIMIT,),
            **common,
        ),
    )


def _executions() -> tuple[Route, ...]:
    one = "/v1/executions/{execution}"
    common: dict[str, Any] = {"tag": "executions"}
    control: dict[str, Any] = {
        "method": "POST",
        "roles": OPERATORS,
        "headers": _IF,
        "body": w.ReasonPost,
        "body_required": False,
        "answer": w.ExecutionView,
        **common,
    }
    return (
        Route(
            method="POST",
            path="/v1/jobs/{job_id}/executions",
            handler=executions.create,
            roles=OPERATORS,
            status=201,
            summary="Run a job",
            body=w.ExecutionPost,
            body_required=False,
            answer=w.ExecutionView,
            headers=("Idempotency-Key",),
            **common,
        ),
        Route(
            method="GET",
            path="/v1/executions",
            handler=executions.list_executions,
            roles=READERS,
            summary="List executions, newest first",
            answer=w.ExecutionList,
            query=_EXECUTION_QUERY,
            headers=_MIN,
            **common,
        ),
        Route(
            method="GET",
            path="/v1/executions/active",
            handler=executions.list_active,
            roles=READERS,
            summary="List open executions",
            answer=w.ActiveList,
            query=(
                Query(name="job_id", description="Only this job's."),
                Query(name="status", description="Only these statuses.", repeated=True),
                Query(name="as_of", description="A position or an RFC 3339 instant."),
                *_PAGE,
            ),
            headers=_MIN,
            **common,
        ),
        Route(
            method="GET",
            path=one,
            handler=executions.read,
            roles=READERS,
            summary="Read an execution by uuid, number or oid",
            answer=w.ExecutionView,
            query=(Query(name="as_of", description="A position or an RFC 3339 instant."),),
            headers=(*_MIN, "If-None-Match"),
            **common,
        ),
        Route(
            method="PATCH",
            path=one,
            handler=executions.describe,
            roles=OPERATORS,
            headers=_IF,
            summary="Change an execution's words (merge patch)",
            body=w.ExecutionPatch,
            body_type="application/merge-patch+json",
            answer=w.ExecutionView,
            **common,
        ),
        Route(
            method="DELETE",
            path=one,
            handler=executions.delete,
            roles=OPERATORS,
            headers=_IF,
            status=204,
            summary="Delete a closed execution",
            **common,
        ),
        Route(
            method="GET",
            path=f"{one}/events",
            handler=events.execution_events,
            roles=READERS,
            summary="Read or follow an execution's events",
            answer=w.EventPage,
            answers=_EVENT_FORMS,
            query=_EVENT_PAGE,
            headers=("Last-Event-ID",),
            **common,
        ),
        Route(
            method="GET",
            path=f"{one}/changes",
            handler=changes.list_changes,
            roles=READERS,
            summary="Tell an execution's life: each event, and what it changed",
            answer=w.ChangePage,
            query=(
                Query(name="after", description="Position to go on from.", type="integer"),
                _LIMIT,
            ),
            **common,
        ),
        Route(path=f"{one}/cancel", handler=executions.cancel, summary="Cancel", **control),
        Route(path=f"{one}/pause", handler=executions.pause, summary="Pause", **control),
        Route(path=f"{one}/resume", handler=executions.resume, summary="Resume", **control),
        Route(
            path=f"{one}/erase",
            handler=erase.erase,
            summary="Remove for good what a closed execution's events say",
            **(control | {"roles": ADMINS}),
        ),
        Route(
            method="POST",
            path=f"{one}/restart",
            handler=executions.restart,
            status=201,
            roles=OPERATORS,
            summary="Run a failed execution's work again",
            body=w.ExecutionPost,
            body_required=False,
            answer=w.ExecutionView,
            headers=("Idempotency-Key",),
            **common,
        ),
    )


def _work() -> tuple[Route, ...]:
    common: dict[str, Any] = {"tag": "work"}
    return (
        Route(
            method="POST",
            path="/v1/work/claim",
            handler=work.claim,
            roles=WORKERS,
            summary="Claim work (long-poll)",
            body=w.ClaimPost,
            answer=w.Claimed,
            **common,
        ),
        Route(
            method="POST",
            path="/v1/work/{lease}/heartbeat",
            handler=work.heartbeat,
            roles=WORKERS,
            summary="Renew a lease",
            answer=w.Heartbeat,
            **common,
        ),
        Route(
            method="POST",
            path="/v1/executions/{execution}/reports",
            handler=reports.report,
            roles=REPORTERS,
            summary="Report progress of an execution",
            body=w.ReportsPost,
            answer=w.ReportsTaken,
            **common,
        ),
        Route(
            method="POST",
            path="/v1/reports",
            handler=bulk.bulk,
            roles=REPORTERS | OPERATORS,
            summary="Many commands, one a line",
            body=w.BulkLine,
            body_type="application/x-ndjson",
            answer=w.BulkOutcome,
            answer_type="application/x-ndjson",
            **common,
        ),
    )


def _audit() -> tuple[Route, ...]:
    return (
        Route(
            method="GET",
            path="/v1/events",
            handler=events.list_events,
            roles=READERS | AUDITORS,
            summary="Read or follow the log",
            tag="events",
            answer=w.EventPage,
            answers=_EVENT_FORMS,
            headers=("Last-Event-ID",),
            query=(
                *_EVENT_PAGE,
                Query(name="types", description="Only these types.", repeated=True),
                Query(name="job_id", description="Only a job's and its executions'."),
                Query(name="execution_id", description="Only one execution's."),
                Query(name="organization", description="Only one organization's."),
            ),
        ),
        Route(
            method="GET",
            path="/v1/projections",
            handler=admin.list_projections,
            roles=READERS,
            summary="Show how far the views are",
            tag="operation",
            answer=w.ProjectionList,
        ),
        Route(
            method="POST",
            path="/v1/projections/{name}/rebuild",
            handler=admin.rebuild,
            roles=ADMINS,
            summary="Rebuild a view beside the live one",
            tag="operation",
            answer=w.RebuildStarted,
            status=202,
        ),
        Route(
            method="POST",
            path="/v1/projections/{name}/verify",
            handler=projections.verify_view,
            roles=AUDITORS,
            summary="Compare a view with a fresh fold of the log",
            tag="operation",
            answer=w.VerifyLine,
            answer_type="application/x-ndjson",
            query=(
                Query(name="limit", description="Differences told of each table.", type="integer"),
            ),
        ),
        Route(
            method="POST",
            path="/v1/projections/{name}/replay",
            handler=projections.replay,
            roles=ADMINS,
            summary="Take in again what a view had set aside",
            tag="operation",
            body=w.ReplayPost,
            body_required=False,
            answer=w.ReplayedList,
        ),
        Route(
            method="GET",
            path="/v1/activity",
            handler=activity.read,
            roles=READERS,
            summary="Count what is open, and what started and ended by the minute",
            tag="operation",
            answer=activity.ActivityView,
            query=(
                Query(name="minutes", description="How many of the last ones.", type="integer"),
            ),
            headers=_MIN,
        ),
        Route(
            method="GET",
            path="/v1/workers",
            handler=workers.list_workers,
            roles=READERS,
            summary="List who holds work, and until when",
            tag="operation",
            answer=workers.WorkerList,
        ),
        Route(
            method="GET",
            path="/v1/me",
            handler=me.read,
            roles=EVERYBODY,
            summary="Show whose key this is, and what it may",
            tag="operation",
            answer=w.MeView,
        ),
        Route(
            method="GET",
            path="/v1/keys",
            handler=admin.list_keys,
            roles=ADMINS,
            summary="List access keys",
            tag="operation",
            answer=w.KeyList,
            query=_PAGE,
        ),
        Route(
            method="POST",
            path="/v1/keys",
            handler=admin.make_key,
            roles=ADMINS,
            summary="Make an access key",
            tag="operation",
            body=w.KeyPost,
            answer=w.KeyMade,
            status=201,
        ),
        Route(
            method="DELETE",
            path="/v1/keys/{key}",
            handler=admin.revoke_key,
            roles=ADMINS,
            summary="Revoke an access key",
            tag="operation",
            status=204,
        ),
        Route(
            method="GET",
            path="/metrics",
            handler=health.metrics,
            roles=READERS,
            summary="Measurements of this process",
            tag="operation",
            answer=str,
            answer_type="text/plain",
        ),
    )


def _tree() -> tuple[Route, ...]:
    common: dict[str, Any] = {
        "method": "GET",
        "roles": READERS | AUDITORS,
        "tag": "tree",
        "headers": _MIN,
    }
    size = Query(name="size", description="As it was at this size.", type="integer")
    return (
        Route(
            path="/v1/tree",
            handler=tree.read,
            summary="Show how far the Merkle tree has grown and is signed",
            answer=tree.TreeStateView,
            query=(
                size,
                Query(
                    name="signed",
                    description="Wait until a signed head covers this position.",
                    type="integer",
                ),
                Query(name="wait", description="Seconds to wait for that.", type="number"),
            ),
            **common,
        ),
        Route(
            path="/v1/tree/heads",
            handler=tree.list_heads,
            summary="List signed heads, smallest first",
            answer=tree.HeadList,
            query=(
                Query(name="after", description="Size to go on from, exclusive.", type="integer"),
                _LIMIT,
            ),
            **common,
        ),
        Route(
            path="/v1/tree/keys",
            handler=tree.list_keys,
            summary="List the keys that sign heads",
            answer=tree.TreeKeyList,
            **common,
        ),
        Route(
            path="/v1/tree/keys",
            handler=tree.change_key,
            summary="Replace the key that signs heads",
            answer=tree.TreeKeyList,
            status=201,
            **{**common, "method": "POST", "roles": ADMINS, "headers": ()},
        ),
        Route(
            path="/v1/export",
            handler=exports.export_log,
            summary="Export the log, a part of it or one stream, to be checked offline",
            answer=str,
            answer_type="application/x-ndjson",
            query=(
                Query(name="after", description="Position to begin behind.", type="integer"),
                Query(name="until", description="Last position.", type="integer"),
                Query(name="stream", description="All of this stream instead."),
            ),
            **{**common, "roles": AUDITORS},
        ),
        Route(
            path="/v1/executions/{execution}/dossier",
            handler=exports.dossier,
            summary="Export all events of an execution, with the proof that they are all",
            answer=str,
            answer_type="application/x-ndjson",
            **common,
        ),
        Route(
            path="/checkpoint",
            handler=tiles.checkpoint,
            summary="Give the newest signed head (C2SP tlog-checkpoint)",
            answer=str,
            answer_type="text/plain",
            **{**common, "headers": ()},
        ),
        Route(
            path="/tile/{tile:.+}",
            handler=tiles.tile,
            summary="Give a tile of hashes, or a bundle of entries (C2SP tlog-tiles)",
            answer=bytes,
            answer_type="application/octet-stream",
            **{**common, "headers": ()},
        ),
        Route(
            path="/v1/tree/inclusion",
            handler=tree.inclusion,
            summary="Prove that an event is in the tree",
            answer=tree.InclusionView,
            query=(
                Query(name="position", description="The event's.", type="integer"),
                size,
            ),
            **common,
        ),
        Route(
            path="/v1/tree/consistency",
            handler=tree.consistency,
            summary="Prove that a tree is the beginning of a later one",
            answer=tree.ConsistencyView,
            query=(
                Query(name="from", description="Size of the earlier tree.", type="integer"),
                Query(name="to", description="Size of the later tree.", type="integer"),
            ),
            **common,
        ),
    )


# Patterns below one prefix are tried in this order: what is asked for most comes first.
ROUTES: Final[tuple[Route, ...]] = (
    *_executions(),
    *_jobs(),
    *_job_statistics(),
    *_work(),
    *_audit(),
    *_tree(),
    *consumer_routes(),
    *webhook_routes(),
)

OPEN_ROUTES: Final[tuple[OpenRoute, ...]] = (
    OpenRoute(path="/healthz", handler=health.healthz, summary="Whether the process is alive"),
    OpenRoute(path="/readyz", handler=health.readyz, summary="Whether requests can be served"),
    OpenRoute(path="/openapi.json", handler=openapi, summary="This description"),
    OpenRoute(path="/docs", handler=docs, summary="This description, to read"),
)
