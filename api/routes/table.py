"""Every native route, in one list."""

from typing import Final

from api.native import health
from api.openapi import docs, openapi
from api.route import OpenRoute, Route
from api.routes.consumers import consumer_routes
from api.routes.events import event_routes
from api.routes.executions import execution_routes
from api.routes.jobs import job_routes
from api.routes.operation import operation_routes
from api.routes.tree import tree_routes
from api.routes.webhooks import webhook_routes
from api.routes.work import work_routes

# Patterns below one prefix are tried in this order: what is asked for most comes first.
ROUTES: Final[tuple[Route, ...]] = (
    *execution_routes(),
    *job_routes(),
    *work_routes(),
    *event_routes(),
    *operation_routes(),
    *tree_routes(),
    *consumer_routes(),
    *webhook_routes(),
)

OPEN_ROUTES: Final[tuple[OpenRoute, ...]] = (
    OpenRoute(path="/healthz", handler=health.healthz, summary="Whether the process is alive"),
    OpenRoute(path="/readyz", handler=health.readyz, summary="Whether requests can be served"),
    OpenRoute(path="/openapi.json", handler=openapi, summary="This description"),
    OpenRoute(path="/docs", handler=docs, summary="This description, to read"),
)
