"""Connections: how many may be open, and what becomes of those that only hold their place.

`max_connections` may be open, and never more than the process may open files. When all are taken, the
one that has waited longest for a request makes room for a new one; those that are being answered are
left alone, and when there is none that waits, the new one is closed. A request's head must arrive
whole within the keep-alive time, as aiohttp counts it. What a caller leaves unread for `unread_s` is
given up by the kernel, and the connection with it, so that nobody can have answers pile up here.
"""

import asyncio
import resource
import socket
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from typing_extensions import override

from api.native.problems import CONTENT_TYPE, document, malformed

KEPT_FILES: Final = 256
"""Of the files that the process may open, those that are not for connections."""


class Connection(web.RequestHandler):
    """One connection."""

    __slots__ = ("lost_by",)

    lost_by: BaseException | None
    """What ended it, if not its two ends: a `TimeoutError` where an answer was left unread."""

    @property
    def is_waiting(self) -> bool:
        """Whether no request of it is being answered."""
        return self._waiter is not None and not self._waiter.done()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.lost_by = None
        opened = transport.get_extra_info("socket")
        if isinstance(self._manager, Door) and opened is not None:
            self._manager.bound(opened)

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost_by = exc
        super().connection_lost(exc)

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP, without quoting it; it belongs to none of the vendors' paths."""
        answered = super().handle_error(request, status, exc, message)
        if status >= web.HTTPInternalServerError.status_code:
            return answered
        response = web.Response(
            body=document(malformed("it is not HTTP as RFC 9112 has it, or its head is too large")),
            status=status,
            content_type=CONTENT_TYPE,
            headers={"X-Content-Type-Options": "nosniff"},
        )
        response.force_close()
        return response


class Door(web.Server):
    """Makes connections, and keeps them to a number."""

    def __init__(
        self,
        made: web.Server,
        *,
        limit: int,
        unread_s: float,
        told: Callable[[int], None],
        options: dict[str, Any],
    ) -> None:
        super().__init__(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
        )
        self._limit = limit
        self._unread_ms = round(unread_s * 1000)
        self._told = told
        self._options = options
        self._open = 0

    @override
    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._options)

    @override
    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._open += 1
        if self._open > self._limit:
            waiting = (
                known
                for known in self._connections
                if isinstance(known, Connection) and known.is_waiting
            )
            next(waiting, handler).force_close()
        self._told(self._open)

    @override
    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self._open -= 1
        self._told(self._open)

    def bound(self, opened: socket.socket) -> None:
        """Give up what is not read from a connection in time."""
        if opened.family in (socket.AF_INET, socket.AF_INET6):
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._unread_ms)


class Runner(web.AppRunner):
    """Puts an application behind a door; *options* are those of connections."""

    def __init__(
        self,
        app: web.Application,
        *,
        limit: int,
        unread_s: float,
        told: Callable[[int], None],
        shutdown_timeout: float,
        **options: Any,
    ) -> None:
        super().__init__(app, shutdown_timeout=shutdown_timeout, handler_cancellation=True)
        self._limit = limit
        self._unread_s = unread_s
        self._told = told
        self._options = options

    @override
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return Door(
            made,
            limit=self._limit,
            unread_s=self._unread_s,
            told=self._told,
            options=self._options,
        )


def allow_files(connections: int) -> int:
    """Let the process open as many files as so many connections need; give how many it can serve."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + KEPT_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else min(connections, soft - KEPT_FILES)
