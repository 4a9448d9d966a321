"""From whatever was raised to a problem document; an unknown error says its request id only."""

import asyncio

import structlog
from aiohttp import ClientConnectionResetError, web
from aiohttp.typedefs import Handler

from api.dialects.port import DialectError
from api.middleware.sites import refuse_other_sites
from api.mounts.port import Mount, owner_of
from api.native.problems import ProblemError, internal, problem_of, response
from api.request import REQUEST_ID
from ledger.errors import LedgerError

_log = structlog.get_logger(__name__)

_TITLES = {
    400: "The request cannot be understood.",
    404: "There is nothing at this path.",
    405: "This path does not take that method.",
    413: "The body is larger than allowed.",
}


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an error in the form of the API that was called: a vendor's, or ours (RFC 9457)."""
    mount = owner_of(request)
    if mount is not None:
        return await _in_the_form_of(mount, request, handler)
    try:
        refuse_other_sites(request)
        return await handler(request)
    except ProblemError as error:
        return response(error, request)
    except LedgerError as error:
        return response(problem_of(error), request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return response(_of_http(error), request)
    except (asyncio.CancelledError, ClientConnectionResetError):
        raise  # nobody is left to answer
    except Exception:  # noqa: BLE001 - logged, and nothing of it told
        _log.exception("unexpected error", request_id=request.get(REQUEST_ID))
        return response(internal(), request)


async def _in_the_form_of(
    mount: Mount, request: web.Request, handler: Handler
) -> web.StreamResponse:
    try:
        refuse_other_sites(request)
        return await handler(request)
    except (asyncio.CancelledError, ClientConnectionResetError):
        raise  # nobody is left to answer
    except Exception as error:  # noqa: BLE001 - the mount tells what may be told
        if not isinstance(error, (ProblemError, LedgerError, web.HTTPException, DialectError)):
            _log.exception("unexpected error", request_id=request.get(REQUEST_ID))
        return mount.failure(request, error)


def _of_http(error: web.HTTPException) -> ProblemError:
    """Say in our form what aiohttp refused."""
    title = _TITLES.get(error.status, error.reason)
    kind = error.reason.lower().replace(" ", "-")
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return ProblemError(
                405, kind, title, f"It takes {allowed}.", headers={"Allow": allowed}
            )
        case web.HTTPRequestEntityTooLarge():
            return ProblemError(413, "body-too-large", title, error.text or "", path="$")
        case _:
            return ProblemError(error.status, kind, title)
