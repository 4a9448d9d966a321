"""`/v1/events` and `/v1/executions/{id}/events`: the log, in the form that the client accepts.

One cursor for all forms: `after` is a position, exclusive. One filter: organization, types, job,
execution; with a filter the cursor moves on even where nothing matched.

    application/json                     a page; with `wait` an empty one waits for events
    text/event-stream                    a stream, endless unless `follow=false`
    application/x-ndjson                 a stream, to the head as it is, endless with `follow=true`
    application/cloudevents-batch+json   a page of CloudEvents
    application/cloudevents+json         the next event as one CloudEvent; 204 when there is none

CloudEvents have no place for a cursor: `Ledger-Next-After` and a `Link` say where to go on. Their
`time` is when it happened, their `sequence` the position in twenty digits, their `data` the event's
line, which can be checked. A batch must be asked for by name, as its specification wants; there is
no stream of CloudEvents, because none is specified.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from api.native.accept import preferred
from api.native.call import Call
from api.native.event_stream import stream
from api.native.executions import find
from api.native.problems import ProblemError, malformed
from api.native.waiting import place
from api.streaming import frames
from api.streaming.reading import EventFilter, LinePage
from ledger.events.codec import TYPES
from ledger.ids import execution_stream

MAX_LIMIT: Final = 5000
MAX_WAIT_S: Final = 60.0
JSON: Final = "application/json"
BATCH: Final = "application/cloudevents-batch+json"
SINGLE: Final = "application/cloudevents+json"
STREAMS: Final[Mapping[str, frames.StreamForm]] = {
    frames.SSE.content_type: frames.SSE,
    frames.NDJSON.content_type: frames.NDJSON,
    "application/ndjson": frames.NDJSON,
}
OFFERED: Final = (JSON, *STREAMS, BATCH, SINGLE)


async def list_events(call: Call) -> web.StreamResponse:
    """Read the log, or follow it."""
    organization = call.query("organization")
    if organization is not None and not call.sees(organization):
        raise ProblemError(
            403, "organization-forbidden", "Your key does not act there.", path="?organization"
        )
    execution = call.query("execution_id")
    stream_name = None
    if execution is not None:
        stream_name = execution_stream((await find(call, execution, deleted=True)).uuid)
    readable = None if call.readable is None else tuple(call.readable)
    wanted = EventFilter(
        organizations=readable if organization is None else (organization,),
        types=_types(call),
        stream=stream_name,
        job_id=call.query("job_id"),
        with_keys=call.principal.may(("admin", "auditor")),
    )
    return await _answer(call, wanted)


async def execution_events(call: Call) -> web.StreamResponse:
    """Read or follow the events of one execution; auditors also those of a deleted one."""
    state = await find(call, call.path("execution"), deleted=True)
    wanted = EventFilter(organizations=(state.organization,), stream=execution_stream(state.uuid))
    return await _answer(call, wanted)


def _types(call: Call) -> tuple[str, ...]:
    types = call.queries("types")
    for name in types:
        if name not in TYPES:
            raise malformed(f"there is no event type {name[:50]!r}", "?types")
    return tuple(sorted(set(types)))


async def _answer(call: Call, wanted: EventFilter) -> web.StreamResponse:
    accepted = ",".join(call.request.headers.getall("Accept", ()))
    form = preferred(accepted, OFFERED)
    if form is None:
        raise ProblemError(
            406,
            "not-acceptable",
            "There is no such form.",
            f"There are {', '.join(OFFERED)}.",
            path="Accept",
        )
    if form in STREAMS:
        return await stream(call, wanted, STREAMS[form])
    if call.query("follow") is not None:
        raise malformed("a page does not follow; `wait` waits for its first event", "?follow")
    after = call.query_integer("after", 0)
    limit = call.query_integer("limit", 100, low=1, high=MAX_LIMIT)
    if form == JSON:
        return _json(await _page(call, wanted, after, limit))
    if form == BATCH:
        page = await _page(call, wanted, after, limit)
        return _cloud(call, page, BATCH, frames.cloud_batch(page.lines))
    page = await _page(call, wanted, after, 1)
    body = frames.cloud_event(page.lines[0]) if page.lines else b""
    return _cloud(call, page, SINGLE, body)


async def _page(call: Call, wanted: EventFilter, after: int, limit: int) -> LinePage:
    """Read a page; an empty one waits for as long as the client asks."""
    wait_s = call.query_number("wait", 0, low=0, high=MAX_WAIT_S)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    with place(call, wait_s):
        while True:
            page = await call.node.reader.page(wanted, after, limit=limit)
            left = deadline - loop.time()
            if page.lines or left <= 0 or call.request.transport is None:
                return page
            # What was looked through without a match is not looked through again.
            after = page.scanned_through
            await call.node.store.tail.wait_past(page.head, left)


def _json(page: LinePage) -> web.Response:
    lines = (line.line for line in page.lines)
    return web.Response(
        body=frames.json_page(lines, page.scanned_through, page.head),
        headers=_headers(page),
        content_type=JSON,
        charset="utf-8",
    )


def _cloud(call: Call, page: LinePage, kind: str, body: bytes) -> web.Response:
    following = call.request.rel_url.update_query(after=str(page.scanned_through))
    headers = {
        **_headers(page),
        "Ledger-Next-After": str(page.scanned_through),
        "Link": f'<{following}>; rel="next"',
    }
    if not body:
        return web.Response(status=204, headers=headers)
    return web.Response(body=body, headers=headers, content_type=kind, charset="utf-8")


def _headers(page: LinePage) -> dict[str, str]:
    return {"Ledger-Position": str(page.head), "Cache-Control": "no-store", "Vary": "Accept"}
