"""The routes of the log itself."""

from api.auth.principal import AUDITORS, READERS
from api.native import events
from api.native import wire as w
from api.route import Query, Route
from api.routes.parameters import EVENT_FORMS, EVENT_PAGE


def event_routes() -> tuple[Route, ...]:
    """Give them all."""
    return (
        Route(
            method="GET",
            path="/v1/events",
            handler=events.list_events,
            roles=READERS | AUDITORS,
            summary="Read or follow the log",
            tag="events",
            answer=w.EventPage,
            answers=EVENT_FORMS,
            headers=("Last-Event-ID",),
            query=(
                *EVENT_PAGE,
                Query(name="types", description="Only these types.", repeated=True),
                Query(name="job_id", description="Only a job's and its executions'."),
                Query(name="execution_id", description="Only one execution's."),
                Query(name="organization", description="Only one organization's."),
            ),
        ),
    )
