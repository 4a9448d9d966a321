"""The routes of executions: run, find, read, control and erase them."""

from typing import Any

from api.auth.principal import ADMINS, OPERATORS, READERS
from api.native import changes, erase, events, executions
from api.native import wire as w
from api.route import Query, Route
from api.routes.parameters import EVENT_FORMS, EVENT_PAGE, IF_MATCH, LIMIT, MIN_POSITION, PAGE

_TIMES = tuple(
    Query(name=f"{what}_{side}", description=f"Only what was {what} {side} this RFC 3339 instant.")
    for what in ("created", "started", "ended")
    for side in ("after", "before")
)
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
    *PAGE,
)


def execution_routes() -> tuple[Route, ...]:
    """Give them all."""
    one = "/v1/executions/{execution}"
    common: dict[str, Any] = {"tag": "executions"}
    control: dict[str, Any] = {
        "method": "POST",
        "roles": OPERATORS,
        "headers": IF_MATCH,
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
            headers=MIN_POSITION,
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
                *PAGE,
            ),
            headers=MIN_POSITION,
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
            headers=(*MIN_POSITION, "If-None-Match"),
            **common,
        ),
        Route(
            method="PATCH",
            path=one,
            handler=executions.describe,
            roles=OPERATORS,
            headers=IF_MATCH,
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
            headers=IF_MATCH,
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
            answers=EVENT_FORMS,
            query=EVENT_PAGE,
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
                LIMIT,
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
