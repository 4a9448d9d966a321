"""`/v1/events` and `/v1/executions/{id}/events`: the log as JSON pages, with long-poll.

One cursor: `after` is a position, exclusive. `next_after` of a page is where to go on; with a filter
it is the position up to which the log was looked through, so that a cursor moves on even where
nothing matched.
"""

import asyncio
from typing import Final

from aiohttp import web

from api.native.call import Call
from api.native.executions import find
from api.native.problems import ProblemError, malformed
from api.native.waiting import place
from api.streaming import frames
from api.streaming.reading import EventFilter, LinePage
from ledger.events.codec import TYPES
from ledger.ids import execution_stream

MAX_LIMIT: Final = 5000
MAX_WAIT_S: Final = 60.0


async def list_events(call: Call) -> web.Response:
    """Read a page of the log; with `wait` an empty page waits for events."""
    organization = call.query("organization")
    if organization is not None and not call.sees(organization):
        raise ProblemError(
            403, "organization-forbidden", "Your key does not act there.", path="?organization"
        )
    execution = call.query("execution_id")
    stream = None
    if execution is not None:
        stream = execution_stream((await find(call, execution, deleted=True)).uuid)
    readable = None if call.readable is None else tuple(call.readable)
    wanted = EventFilter(
        organizations=readable if organization is None else (organization,),
        types=_types(call),
        stream=stream,
        job_id=call.query("job_id"),
        with_keys=call.principal.may(("admin", "auditor")),
    )
    return await _page(call, wanted)


def _types(call: Call) -> tuple[str, ...]:
    types = call.queries("types")
    for name in types:
        if name not in TYPES:
            raise malformed(f"there is no event type {name[:50]!r}", "?types")
    return types


async def execution_events(call: Call) -> web.Response:
    """Read the events of one execution; auditors also those of a deleted one."""
    state = await find(call, call.path("execution"), deleted=True)
    wanted = EventFilter(organizations=(state.organization,), stream=execution_stream(state.uuid))
    return await _page(call, wanted)


async def _page(call: Call, wanted: EventFilter) -> web.Response:
    after = call.query_integer("after", 0)
    limit = call.query_integer("limit", 100, low=1, high=MAX_LIMIT)
    wait_s = call.query_number("wait", 0, low=0, high=MAX_WAIT_S)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    with place(call, wait_s):
        while True:
            page = await call.node.reader.page(wanted, after, limit=limit)
            left = deadline - loop.time()
            if page.lines or left <= 0 or call.request.transport is None:
                return _json(page)
            # What was looked through without a match is not looked through again.
            after = page.scanned_through
            await call.node.store.tail.wait_past(page.head, left)


def _json(page: LinePage) -> web.Response:
    lines = (line.line for line in page.lines)
    return web.Response(
        body=frames.json_page(lines, page.scanned_through, page.head),
        headers={"Ledger-Position": str(page.head), "Cache-Control": "no-store"},
        content_type="application/json",
        charset="utf-8",
    )
