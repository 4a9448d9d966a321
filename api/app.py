"""The web application, put together from a node: routes, what surrounds them, and how it ends."""

import json
import re
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from api.auth.principal import Principal
from api.door import Runner, allow_files
from api.metrics import METRICS, Metrics
from api.middleware.errors import errors
from api.middleware.limits import RateLimit
from api.middleware.requests import requests, tell
from api.mounts.port import MOUNTED
from api.mounts.registry import MOUNTS
from api.native.call import NODE, Call
from api.native.problems import ProblemError
from api.native.waiting import WAITING, Waiting
from api.native.work import HANDING_OUT, HandingOut
from api.node import Node
from api.openapi import DESCRIPTION, describe
from api.request import ALLOWANCE
from api.route import Route
from api.routes.table import OPEN_ROUTES, ROUTES
from api.ui import pages

RATE_LIMIT: Final = web.AppKey("rate-limit", RateLimit)
MAX_HEADER_BYTES: Final = 16 * 1024
MAX_HEADERS: Final = 100
LINGER_S: Final = 1.0
"""How long what is left of a body is still read after the answer."""


def build_app(node: Node) -> web.Application:
    """Put the application together; the caller opens and closes the node."""
    app = web.Application(
        middlewares=(requests, errors), client_max_size=node.settings.max_body_bytes
    )
    app[NODE] = node
    app[METRICS] = Metrics()
    app[WAITING] = Waiting()
    app[HANDING_OUT] = HandingOut()
    app[DESCRIPTION] = json.dumps(describe(ROUTES, OPEN_ROUTES)).encode()
    app.on_response_prepare.append(tell)
    app.on_shutdown.append(_end_streams)
    if node.settings.rate_limit_per_minute:
        app[RATE_LIMIT] = RateLimit(node.settings.rate_limit_per_minute)
    for open_route in OPEN_ROUTES:
        app.router.add_get(open_route.path, open_route.handler)
    app.router.add_routes(pages.routes())
    app[MOUNTED] = MOUNTS
    for mount in MOUNTS:
        app.router.add_routes(map(_whole_names, mount.routes()))
    for route in ROUTES:
        handler = guarded(route)
        path = whole_names(route.path)
        app.router.add_route(route.method, path, handler)
        if route.method == "GET":
            app.router.add_route("HEAD", path, handler)
    return app


def whole_names(path: str) -> str:
    """Let a name in a path be any but one with a slash; by itself the router leaves out braces.

    >>> whole_names("/v1/jobs/{job_id}/history")
    '/v1/jobs/{job_id:[^/]+}/history'
    """
    return re.sub(r"{(\w+)}", r"{\1:[^/]+}", path)


def _whole_names(route: web.AbstractRouteDef) -> web.AbstractRouteDef:
    if not isinstance(route, web.RouteDef):
        return route
    return web.route(route.method, whole_names(route.path), route.handler, **route.kwargs)


def build_runner(node: Node) -> web.AppRunner:
    """Put the application behind HTTP; the caller sets it up and cleans it up."""
    app = build_app(node)
    return Runner(
        app,
        told=app[METRICS].connections.set,
        limit=allow_files(node.settings.max_connections),
        unread_s=node.settings.client_timeout_s,
        shutdown_timeout=node.settings.shutdown_grace_s,
        access_log=None,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
        keepalive_timeout=node.settings.keep_alive_s,
        lingering_time=LINGER_S,
    )


async def _end_streams(app: web.Application) -> None:
    """Let clients of streams go, so that they come back to the next process."""
    app[NODE].hub.end_all()


def guarded(route: Route) -> Handler:
    """Let only those through whom the route admits, and hand them on as a `Call`."""
    parameters = frozenset(query.name for query in route.query)

    async def handle(request: web.Request) -> web.StreamResponse:
        node = request.app[NODE]
        principal = await node.callers.principal(request)
        if principal is None:
            raise ProblemError(
                401,
                "unauthorized",
                "Show a valid key.",
                "As `Authorization: Bearer …`, `X-Api-Key: …`, or HTTP Basic.",
                headers={"WWW-Authenticate": 'Bearer realm="jobledger"'},
            )
        if not principal.may(route.roles):
            raise ProblemError(
                403,
                "forbidden",
                "Your key may not do this.",
                f"It takes one of the roles {', '.join(sorted(route.roles))}.",
            )
        _count(request, principal)
        call = Call(request, node, principal)
        call.check_address(parameters)
        return await route.handler(call)

    return handle


def _count(request: web.Request, principal: Principal) -> None:
    """Count a request against its key's limit, if there is one."""
    limit = request.app.get(RATE_LIMIT)
    if limit is None:
        return
    allowance = limit.take(principal.key)
    request[ALLOWANCE] = allowance.headers
    if allowance.retry_after_s is not None:
        raise ProblemError(
            429,
            "too-many-requests",
            "You have made too many requests.",
            retry_after_s=allowance.retry_after_s,
        )
