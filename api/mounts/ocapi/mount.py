"""OCAPI's paths, and what goes wrong on them."""

import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Final

from aiohttp import web

from api.auth.principal import OPERATORS, READERS
from api.dialects.ocapi.errors import (
    Fault,
    bad_body,
    bad_parameter,
    bad_version,
    internal,
    method_not_allowed,
    path_not_found,
    too_large,
    unavailable,
)
from api.mounts.ocapi import grants, jobs, listing, logs
from api.mounts.ocapi.answers import answer, faulty, version_of
from api.mounts.ocapi.incoming import guarded
from api.native.problems import ProblemError
from ledger.errors import LedgerError, Unavailable

_OWN: Final = re.compile(r"(?:/s/[^/]*)?/dw/.*|/dwsso/.*|/on/demandware\.servlet/.*", re.DOTALL)
_TOKEN: Final = re.compile(r"(?:/s/[^/]*)?/dw(?:sso)?/oauth2/.*", re.DOTALL)
_PREFIXES: Final = ("/dw", "/s/{site}/dw")
_WEBDAV: Final = "/on/demandware.servlet/webdav"
_LOGS: Final = ("/Sites/Impex/log", "/Sites/LOGS/jobs/{job_id}")
_EXTENSION: Final = r"{extension:(?:\.json|\.xml)?}"


class OcapiMount:
    """The Data API's jobs, system jobs, tokens and log files."""

    name: Final = "ocapi"

    def owns(self, path: str) -> bool:
        """See `api.mounts.port.Mount`."""
        return _OWN.fullmatch(path) is not None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """See `api.mounts.port.Mount`."""
        yield web.post("/dwsso/oauth2/access_token", grants.give_token)
        for folder in _LOGS:
            yield web.get(
                f"{_WEBDAV}{folder}/{{name}}", guarded(READERS, logs.read_log, versioned=False)
            )
        for prefix in _PREFIXES:
            yield from _below(prefix)

    def failure(self, request: web.Request, error: Exception) -> web.Response:
        """See `api.mounts.port.Mount`."""
        fault = _fault_of(request, error)
        if _TOKEN.fullmatch(request.path):
            kind = (
                "invalid_request"
                if fault.status < HTTPStatus.INTERNAL_SERVER_ERROR
                else "server_error"
            )
            response = grants.refusal(fault.status, kind, fault.message)
        else:
            response = faulty(request, fault)
        match error:
            case web.HTTPMethodNotAllowed():
                response.headers["Allow"] = ",".join(sorted(error.allowed_methods))
            case Unavailable():
                response.headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
            case _:
                pass
        if fault.status == HTTPStatus.REQUEST_TIMEOUT:
            response.force_close()  # the rest of the body may still come
        return response


def _below(prefix: str) -> Iterator[web.AbstractRouteDef]:
    executions = f"{prefix}/data/{{version}}/jobs/{{job_id}}/executions"
    yield web.post(f"{prefix}/oauth2/access_token", grants.give_token)
    yield web.get(f"{prefix}/meta/v1/rest", meta)
    yield web.post(executions + _EXTENSION, guarded(OPERATORS, jobs.create))
    yield web.get(executions + _EXTENSION, guarded(READERS, listing.list_executions))
    yield web.post(
        f"{prefix}/data/{{version}}/job_execution_search{_EXTENSION}",
        guarded(READERS, listing.search),
    )
    yield web.get(f"{executions}/{{id}}", guarded(READERS, jobs.read))
    yield web.delete(f"{executions}/{{id}}", guarded(OPERATORS, jobs.delete))


async def meta(request: web.Request) -> web.Response:
    """Say which APIs there are."""
    return answer(request, {"_v": "1.0", "_type": "meta", "apis": [{"name": "data"}]})


def _fault_of(request: web.Request, error: Exception) -> Fault:
    match error:
        case Fault():
            return error
        case Unavailable():
            return unavailable()
        case web.HTTPMethodNotAllowed():
            return method_not_allowed(request.method)
        case web.HTTPRequestEntityTooLarge():
            return too_large()
        case web.HTTPNotFound():
            if "/dw/data/" in request.path and version_of(request) is None:
                return bad_version()
            return path_not_found(request.path)
        case ProblemError() | LedgerError() | web.HTTPException():
            return _of_other(error)
        case _:
            return internal()


def _of_other(error: ProblemError | LedgerError | web.HTTPException) -> Fault:
    """Say in our form what another part of the server refused."""
    if isinstance(error, LedgerError):
        return internal()
    if isinstance(error, ProblemError):
        status, title = error.problem.status, error.problem.title
        if status == HTTPStatus.BAD_REQUEST:
            return bad_parameter(error.problem.path or "", error.problem.detail)
    else:
        status, title = error.status, error.reason
        if status == HTTPStatus.BAD_REQUEST:
            return bad_body(title)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return internal()
    return Fault(status, f"{HTTPStatus(status).phrase.replace(' ', '')}Exception", title)
