"""From whatever was raised to a problem document; an unknown error says its request id only."""

import asyncio

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from api.native.problems import ProblemError, response
from ledger.errors import (
    AppendQueueFull,
    Conflict,
    LedgerError,
    NotFound,
    ProjectionLagging,
    Unavailable,
)

_log = structlog.get_logger(__name__)

_TITLES = {
    400: "The request cannot be understood.",
    404: "There is nothing at this path.",
    405: "This path does not take that method.",
    413: "The body is larger than allowed.",
    415: "The media type is not supported.",
}


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an error in the native form (RFC 9457)."""
    try:
        return await handler(request)
    except ProblemError as error:
        return response(error, request)
    except LedgerError as error:
        return response(problem_of(error), request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        title = _TITLES.get(error.status, error.reason)
        headers = {name: value for name, value in error.headers.items() if name == "Allow"}
        kind = error.reason.lower().replace(" ", "-")
        return response(ProblemError(error.status, kind, title, headers=headers), request)
    except asyncio.CancelledError:
        raise
    except Exception:
        _log.exception("unexpected error", request_id=request.get("request_id"))
        return response(
            ProblemError(500, "internal", "Something went wrong on our side."), request
        )


def problem_of(error: LedgerError) -> ProblemError:
    """Say what a ledger error means for the caller."""
    match error:
        case AppendQueueFull():
            kind, title = "too-busy", "Too many writes are waiting; nothing of this one was taken."
        case ProjectionLagging():
            kind, title = "view-behind", "The view has not caught up with what you want to see."
        case Unavailable():
            kind, title = "unavailable", "The ledger cannot answer now."
        case NotFound():
            return ProblemError(404, "not-found", f"There is no such {error.kind}.")
        case Conflict():
            return ProblemError(409, "conflict", "Somebody else changed it at the same time.")
        case _:
            _log.error("ledger error", error=type(error).__name__, message=str(error))
            return ProblemError(500, "internal", "Something went wrong on our side.")
    return ProblemError(503, kind, title, str(error), retry_after_s=error.retry_after_s)
