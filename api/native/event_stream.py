"""The log as a stream, to one client: what it asks for, and the answer that does not end by itself.

A stream that ends in good order has its proper last chunk: the client may come back with the last
position it was told, by `Last-Event-ID` (which wins) or `after`, and misses nothing.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from aiohttp import ClientConnectionResetError, HttpVersion11, hdrs, web

from api.native.call import MAX_POSITION, Call, integer
from api.native.problems import ProblemError, malformed
from api.request import REQUEST_ID
from api.streaming.feed import Wanted
from api.streaming.frames import SSE, StreamForm
from api.streaming.hub import NoRoom
from api.streaming.reading import EventFilter
from api.streaming.session import Session, Span

LAST_EVENT_ID: Final = "Last-Event-ID"
NO_ROOM_RETRY_S: Final = 5

_log = structlog.get_logger(__name__)


async def stream(call: Call, wanted: EventFilter, form: StreamForm) -> web.StreamResponse:
    """Answer with a stream."""
    span = _span(call, form)
    response = web.StreamResponse(
        headers={
            "Content-Type": form.content_type,
            "Cache-Control": "no-store",
            "Ledger-Position": str(call.node.store.tail.head),
            "Vary": "Accept",
            "X-Accel-Buffering": "no",  # a proxy that collects bytes would keep events back
        }
    )
    if call.request.method == hdrs.METH_HEAD:
        return response
    hub = call.node.hub
    try:
        with (
            hub.open(
                call.principal.key,
                Wanted(events=wanted, form=form),
                span,
                lambda: _is_allowed(call),
            ) as session,
            _until_expiry(call, session),
        ):
            await _write(call, response, session, form.opening(hub.retry_ms))
    except NoRoom as error:
        raise _no_room(error) from None
    return response


def _span(call: Call, form: StreamForm) -> Span:
    """Read which part of the log is asked for."""
    if call.query("wait") is not None:
        raise malformed("a stream waits by itself; `follow` says whether it ends", "?wait")
    after = call.query_integer("after", 0)
    told = call.request.headers.get(LAST_EVENT_ID)
    if told:
        after = integer(told.strip(), LAST_EVENT_ID, after)
    follows = form is SSE if call.query("follow") is None else call.query_flag("follow")
    limit = call.query("limit")
    return Span(
        after=after,
        through=None if follows else call.node.store.tail.head,
        limit=None if limit is None else integer(limit, "?limit", 1, low=1, high=MAX_POSITION),
    )


@contextmanager
def _until_expiry(call: Call, session: Session) -> Iterator[None]:
    """End a stream in good order when the token that opened it has expired."""
    expires_at = call.principal.expires_at
    if expires_at is None:
        yield
        return
    left_s = expires_at - call.node.clock().timestamp()
    ending = asyncio.get_running_loop().call_later(max(left_s, 0), session.end)
    try:
        yield
    finally:
        ending.cancel()


async def _is_allowed(call: Call) -> bool:
    """Whether the key that opened the stream is still good for what it was."""
    return await call.node.callers.principal(call.request) == call.principal


async def _write(
    call: Call, response: web.StreamResponse, session: Session, opening: bytes
) -> None:
    """Send headers and frames."""
    request = call.request
    writer = await response.prepare(request)
    if writer is None:
        raise ClientConnectionResetError("answered already")
    try:
        await session.run(writer, opening, chunked=request.version >= HttpVersion11)
    except (ClientConnectionResetError, asyncio.CancelledError):
        # The connection knows more than the task that is canceled with it.
        lost_by = getattr(request.protocol, "lost_by", None)
        session.was_cut = session.was_cut or isinstance(lost_by, TimeoutError)
        raise
    except Exception:  # noqa: BLE001 - logged, and the connection cut
        # No problem document can be sent any more; a cut makes the client come back.
        _log.exception("a stream failed", request_id=request.get(REQUEST_ID))
        if request.transport is not None:
            request.transport.abort()
        raise ClientConnectionResetError("cut") from None


def _no_room(error: NoRoom) -> ProblemError:
    if error.whose == "key":
        return ProblemError(
            429,
            "too-many-streams",
            "Your key has as many streams open as it may.",
            retry_after_s=NO_ROOM_RETRY_S,
        )
    return ProblemError(
        503, "too-many-streams", "Too many streams are open.", retry_after_s=NO_ROOM_RETRY_S
    )
