"""A name for every request, a log line and a measurement at its end.

Log lines hold method, route pattern, status, time and ids; never a body, a query, or a header.
"""

import asyncio
import re
import time
from typing import Final
from uuid import UUID

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from api.metrics import METRICS
from api.request import ALLOWANCE, CORRELATION_ID, REQUEST_ID
from ledger.ids import new_uuid

CLIENT_GONE: Final = 499
"""Logged where the caller hung up before there was an answer."""
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_READING: Final = frozenset(("GET", "HEAD"))
_SAFE: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")

_log = structlog.get_logger("api.request")


@web.middleware
async def requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name, time and log one request."""
    uuid = new_uuid()
    told = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = told if _SAFE.fullmatch(told) else str(uuid)
    request[CORRELATION_ID] = _uuid(told) or uuid
    started = time.perf_counter()
    status = 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as error:
        status = error.status
        raise
    except (asyncio.CancelledError, ConnectionError):
        status = CLIENT_GONE
        raise
    finally:
        _note(request, status, time.perf_counter() - started)


def _note(request: web.Request, status: int, seconds: float) -> None:
    route = _pattern(request)
    method = request.method if request.method in _METHODS else "(other)"
    request.app[METRICS].note(method, route, status, seconds)
    level = _log.error if status >= 500 else _log.debug if status < 400 else _log.info
    level(
        "request",
        method=method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 1),
        request_id=request[REQUEST_ID],
    )


async def tell(request: web.Request, response: web.StreamResponse) -> None:
    """Put what every answer carries into its headers; a signal of `on_response_prepare`."""
    response.headers["Server"] = "jobledger"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Request-Id"] = request.get(REQUEST_ID, "")
    if "Cache-Control" not in response.headers and request.method in _READING and _shows(request):
        # A shared cache knows of Authorization, and of no other header that an answer depends on.
        response.headers["Cache-Control"] = "private, no-cache"
    response.headers.update(request.get(ALLOWANCE, {}))


def _shows(request: web.Request) -> bool:
    return "X-Api-Key" in request.headers or "Authorization" in request.headers


def _pattern(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(none)"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
