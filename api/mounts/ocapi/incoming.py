"""One authenticated request on OCAPI's paths."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final, TypeAlias

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError
from aiohttp.typedefs import Handler
from msgspec import Struct

from api.auth.authenticate import presented
from api.auth.principal import Principal
from api.dialects.ocapi.body import decode, is_text
from api.dialects.ocapi.errors import (
    Fault,
    bad_body,
    bad_token,
    bad_version,
    forbidden,
    no_authorization,
)
from api.dialects.ocapi.version import NEWEST, Version
from api.mounts.ocapi.answers import version_of
from api.native.call import NODE, Call
from ledger.events.keys import Role

REQUEST_TIMEOUT: Final = 408
FORM: Final = "application/x-www-form-urlencoded"


class Incoming(Struct, frozen=True):
    """A request, who makes it, and the version it asks for."""

    call: Call
    version: Version

    @property
    def request(self) -> web.Request:
        """What was sent."""
        return self.call.request

    def path(self, name: str) -> str:
        """Give a part of the path, without a format's extension at its end."""
        return self.call.path(name)

    async def document(self) -> dict[str, Any] | None:
        """Read the request document; None when there is none."""
        raw = await read(self.request, self.call.node.settings.client_timeout_s)
        return decode(raw, content_type(self.request))


Operation: TypeAlias = Callable[[Incoming], Awaitable[web.StreamResponse]]


def content_type(request: web.Request) -> str:
    """Give the content type that a request names; empty when it names none.

    What `curl -d` names by itself counts as none, unless a browser could have added the credentials.
    """
    sent = request.headers.get("Content-Type", "").partition(";")[0].strip()
    told = sent.encode("utf-8", "replace").decode()  # bytes that are no text are quoted back too
    by_browsers = request.headers.get("Authorization", "").lower().startswith("basic")
    return "" if told.lower() == FORM and not by_browsers else told


async def read(request: web.Request, timeout_s: float) -> bytes:
    """Read the body.

    Raises:
        Fault: it did not come in time, or broke off.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await request.read()
    except TimeoutError:
        raise Fault(
            REQUEST_TIMEOUT, "RequestTimeoutException", "The request document did not come in time."
        ) from None
    except (web.RequestPayloadError, ContentEncodingError):
        raise bad_body("it broke off") from None


async def authenticate(request: web.Request) -> Principal:
    """Find out who calls: by token, or by a key's own secret.

    Raises:
        Fault: the request shows nothing, or nothing that is good.
    """
    node = request.app[NODE]
    if presented(request) is None:
        raise no_authorization()
    principal = await node.callers.principal(request)
    if principal is None:
        raise bad_token()
    return principal


def guarded(roles: Collection[Role], operation: Operation, *, versioned: bool = True) -> Handler:
    """Let only those through whom an operation admits."""

    async def handle(request: web.Request) -> web.StreamResponse:
        version = version_of(request)
        if versioned and version is None:
            raise bad_version()
        principal = await authenticate(request)
        if not principal.may(roles):
            raise forbidden(principal.public_id)
        return await operation(
            Incoming(Call(request, request.app[NODE], principal), version or NEWEST)
        )

    return handle


def named(text: str) -> str | None:
    """Give a part of the path that something can be looked up by; None when nothing has that name."""
    return text if is_text(text) else None
