"""What the vendors whose callers show a key have in common: who calls, how often, and what they sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError
from aiohttp.typedefs import Handler

from api.middleware.limits import RateLimit
from api.native.call import NODE, Call
from api.native.problems import ProblemError, malformed
from api.node import Node
from api.request import ALLOWANCE
from api.settings import Settings
from ledger.events.keys import Role

CallHandler: TypeAlias = Callable[[Call], Awaitable[web.StreamResponse]]


class PerMinute:
    """One vendor's limit for each key, as the node's settings have it; 0 means none."""

    def __init__(self, setting: Callable[[Settings], int]) -> None:
        self._setting = setting
        self._limits: WeakKeyDictionary[Node, RateLimit] = WeakKeyDictionary()

    def count(self, request: web.Request, call: Call) -> None:
        """Count a request.

        Raises:
            ProblemError: there were too many.
        """
        per_minute = self._setting(call.node.settings)
        if not per_minute:
            return
        limit = self._limits.get(call.node)
        if limit is None:
            limit = self._limits[call.node] = RateLimit(per_minute)
        allowance = limit.take(call.principal.key)
        request[ALLOWANCE] = allowance.headers
        if allowance.retry_after_s is not None:
            raise ProblemError(
                429,
                "too-many-requests",
                "You have made too many requests.",
                f"{per_minute} a minute are allowed.",
                retry_after_s=allowance.retry_after_s,
            )


def keyed(
    handler: CallHandler, roles: frozenset[Role], *, limit: PerMinute | None = None
) -> Handler:
    """Let only those through whose key has one of *roles*, and hand them on as a `Call`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        node = request.app[NODE]
        principal = await node.callers.principal(request)
        if principal is None:
            raise ProblemError(
                401,
                "unauthorized",
                "Show a valid key.",
                "As `X-Api-Key: …` or `Authorization: Bearer …`.",
                headers={"WWW-Authenticate": 'Bearer realm="jobledger"'},
            )
        call = Call(request, node, principal)
        if limit is not None:
            limit.count(request, call)
        if not principal.may(roles):
            raise ProblemError(
                403,
                "forbidden",
                "Your key may not do this.",
                f"It takes one of the roles {', '.join(sorted(roles))}.",
            )
        # Vendors ignore parameters that they do not know; what cannot be text is refused.
        call.check_address(request.query.keys())
        return await handler(call)

    return handle


async def raw_body(call: Call) -> bytes:
    """Read the body.

    Raises:
        ProblemError: it did not come in time, or cannot be decompressed.
    """
    try:
        async with asyncio.timeout(call.node.settings.client_timeout_s):
            return await call.request.read()
    except TimeoutError:
        raise ProblemError(
            408, "request-timeout", "The body did not come in time.", path="$"
        ) from None
    except (web.RequestPayloadError, ContentEncodingError) as error:
        raise malformed(f"the body cannot be read: {type(error).__name__}", "$") from None


MAX_SEGMENT: Final = 400


def segment(call: Call, name: str, kind: str) -> str:
    """Give a part of the path that names a thing.

    Raises:
        ProblemError: nothing has a name as long as that.
    """
    text = call.path(name)
    if len(text) > MAX_SEGMENT:
        raise ProblemError(404, "not-found", f"There is no such {kind}.")
    return text
