"""A name for every request, a log line and a measurement at its end.

Log lines hold method, route pattern, status, time and ids; never a body, a query, or a header.
"""

import re
import time
from typing import Final
from uuid import UUID

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from api.metrics import METRICS
from ledger.ids import new_uuid

_log = structlog.get_logger("api.request")
_SAFE: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")


@web.middleware
async def requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name, time and log one request."""
    uuid = new_uuid()
    told = request.headers.get("X-Request-Id", "")
    request["request_id"] = told if _SAFE.fullmatch(told) else str(uuid)
    request["correlation_id"] = _uuid(told) or uuid
    started = time.perf_counter()
    status = 500
    try:
        response = await handler(request)
        status = response.status
        if not response.prepared:
            response.headers["X-Request-Id"] = request["request_id"]
        return response
    except web.HTTPException as error:
        status = error.status
        raise
    finally:
        seconds = time.perf_counter() - started
        route = _pattern(request)
        metrics = request.app[METRICS]
        metrics.requests.labels(request.method, route, str(status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        level = _log.error if status >= 500 else _log.debug if status < 400 else _log.info
        level(
            "request",
            method=request.method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            request_id=request["request_id"],
        )


def _pattern(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(none)"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
