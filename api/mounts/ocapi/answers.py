"""Documents and faults as HTTP answers, with the headers and reason phrases of the samples."""

from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from api.dialects.ocapi.body import CONTENT_TYPES, Format, choose_format, encode
from api.dialects.ocapi.errors import Fault
from api.dialects.ocapi.version import NEWEST, Version, parse_version

EXPIRED: Final = "Thu, 01-Jan-1970 00:00:00 GMT"
NO_CACHE: Final = "no-cache,no-store,must-revalidate"
GONE_REASON: Final = "Requested resource not found"
EXTENSIONS: Final = (".json", ".xml")


def answer(
    request: web.Request, document: Any, *, status: int = 200, reason: str | None = None
) -> web.Response:
    """Answer with a document, in the format that the request asks for."""
    form = format_of(request)
    return web.Response(
        body=encode(document, form, pretty=is_pretty(request)),
        status=status,
        reason=reason or _reason(request, status),
        headers={
            "Content-Type": CONTENT_TYPES[form],
            "Cache-Control": NO_CACHE,
            "Expires": EXPIRED,
        },
    )


def faulty(request: web.Request, fault: Fault) -> web.Response:
    """Answer with a fault."""
    gone = fault.status == HTTPStatus.NOT_FOUND and request.method != "POST"
    response = answer(
        request,
        fault.document(version_of(request) or NEWEST),
        status=fault.status,
        reason=GONE_REASON if gone else None,
    )
    if gone and request.method in {"GET", "HEAD"}:
        response.headers["Cache-Control"] = f"max-age=0,{NO_CACHE}"
    elif gone:
        del response.headers["Cache-Control"]
    if fault.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _reason(request: web.Request, status: int) -> str:
    phrase = HTTPStatus(status).phrase
    return phrase.upper() if request.method == "POST" else phrase


def is_pretty(request: web.Request) -> bool:
    """Whether the caller asked for a document broken into lines."""
    return request.query.get("pretty_print", "").lower() == "true"


def format_of(request: web.Request) -> Format:
    """Choose the answer's format; never fails."""
    _, extension = split_extension(request.path)
    return choose_format(extension, request.query.get("format"), request.headers.get("Accept", ""))


def split_extension(path: str) -> tuple[str, str]:
    """Take a format's extension off a path.

    >>> split_extension("/jobs/a/executions/90.xml")
    ('/jobs/a/executions/90', 'xml')
    """
    for extension in EXTENSIONS:
        if path.endswith(extension):
            return path.removesuffix(extension), extension[1:]
    return path, ""


def version_of(request: web.Request) -> Version | None:
    """Read the version out of the path; None when there is none, or it is malformed."""
    _, data, rest = request.path.partition("/dw/data/")
    return parse_version(rest.partition("/")[0]) if data else None
