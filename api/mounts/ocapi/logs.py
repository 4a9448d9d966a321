"""Log files, at the paths where the platform's WebDAV has them.

They are written from the events when they are asked for; two executions of one job that were created
in the same millisecond share a name, and the later one's log is given.
"""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from api.dialects.ocapi.body import is_text
from api.dialects.ocapi.errors import Fault, path_not_found
from api.dialects.ocapi.instants import MILLISECOND
from api.dialects.ocapi.log import render_log
from api.dialects.ocapi.ranges import parse_range
from api.dialects.ocapi.render import has_log, parse_log_name
from api.mounts.ocapi.incoming import Incoming
from ledger.executions.state import ExecutionState
from ledger.ids import execution_stream
from projections.executions import query as executions

CONTENT_TYPE: Final = "text/plain;charset=UTF-8"


async def read_log(incoming: Incoming) -> web.Response:
    """Give a log file, or the part of it that Range asks for."""
    call = incoming.call
    state = await _find(incoming)
    records = await call.node.store.read_stream(execution_stream(state.uuid))
    content = render_log(records)
    etag = f'"{len(content)}-{state.number}"'
    headers = {"Content-Type": CONTENT_TYPE, "Accept-Ranges": "bytes", "ETag": etag}
    wanted = parse_range(_range(incoming.request, etag), len(content))
    match wanted:
        case "none":
            return web.Response(body=content, headers=headers)
        case "impossible":
            headers["Content-Range"] = f"bytes */{len(content)}"
            return web.Response(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
        case (first, last):
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            part = content[first : last + 1]
            return web.Response(status=HTTPStatus.PARTIAL_CONTENT, body=part, headers=headers)


def _range(request: web.Request, etag: str) -> str | None:
    """Give the Range header, unless If-Range names another state of the file."""
    condition = request.headers.get("If-Range")
    return request.headers.get("Range") if condition in (None, etag) else None


async def _find(incoming: Incoming) -> ExecutionState:
    call = incoming.call
    told = parse_log_name(incoming.path("name"))
    within = incoming.request.match_info.get("job_id")
    if told is None or not is_text(told[0]) or within not in (None, told[0]):
        raise _gone(incoming)
    job_id, created_at = told
    await call.node.covered("executions", call.minimum_position)
    page = await executions.page(
        call.node.store.pool,
        organizations=call.readable,
        wanted=executions.Filter(
            job_id=job_id, created_from=created_at, created_before=created_at + MILLISECOND
        ),
        limit=1,
    )
    if not page.items or page.items[0].erased or not has_log(page.items[0]):
        raise _gone(incoming)
    return page.items[0]


def _gone(incoming: Incoming) -> Fault:
    path = incoming.request.path
    return path_not_found(path if is_text(path) else "")
