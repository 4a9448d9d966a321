"""`/v1/projections/{name}/verify` and `/replay`: whether a view is what the log says, and its repair.

A verification folds the whole log again, which takes as long as it takes. Its answer is NDJSON on the
one connection: a line a second that says how far it is, and the result in the last line. So there is
nothing to poll, no state between requests, several nodes behind one address do not matter, and whoever
hangs up ends it. It has a deadline, and each view is verified by one caller at a time.
"""

import asyncio
from contextlib import suppress
from typing import Final

import msgspec
from aiohttp import web

from api.native.call import Call, answer
from api.native.problems import ProblemError, internal, not_found, problem_of
from api.native.wire import (
    DifferenceView,
    ProjectionVerified,
    ReplayedList,
    ReplayedView,
    ReplayPost,
    VerifyLine,
)
from ledger.errors import LedgerError, NotFound
from ledger.store.pool import store_errors
from projections.checkpoint import parked
from projections.port import Projector
from projections.quarantine import replay_quarantined
from projections.registry import projector
from projections.verify import Verified, verify

DEADLINE_S: Final = 3600.0
LINE_S: Final = 1.0
NDJSON: Final = "application/x-ndjson"
MAX_DIFFERENCES: Final = 1000
_ENCODE: Final = msgspec.json.Encoder().encode


def _shared(call: Call) -> Projector:
    """Find the projection that the path names; views hold rows of all organizations.

    Raises:
        ProblemError: there is none, or the key is not for all organizations.
    """
    if call.readable is not None:
        raise ProblemError(
            403, "forbidden", "Projections are shared: it takes a key of all organizations."
        )
    found = projector(call.path("name"))
    if found is None:
        raise not_found("projection", call.path("name"))
    return found


async def verify_view(call: Call) -> web.StreamResponse:
    """Compare a view with a fresh fold of the log."""
    wanted = _shared(call)
    limit = call.query_integer("limit", 100, low=1, high=MAX_DIFFERENCES)
    reached = [0, call.node.store.tail.head]
    task = asyncio.create_task(
        verify(
            call.node.store.pool,
            call.node.store.tail,
            wanted,
            limit=limit,
            told=lambda position, of: reached.__setitem__(slice(None), (position, of)),
        ),
        name=f"verify-{wanted.name}",
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({task}, timeout=LINE_S)
            if task.done():
                task.result()  # what went wrong so early is a problem of its own
            response = web.StreamResponse(headers={"Cache-Control": "no-store"})
            response.content_type = NDJSON
            await response.prepare(call.request)
            while not task.done():
                line = VerifyLine(position=reached[0], of=reached[1])
                await response.write(_ENCODE(line) + b"\n")
                await asyncio.wait({task}, timeout=LINE_S)
        await response.write(_ENCODE(_last(task, reached)) + b"\n")
        return response
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


def _last(task: "asyncio.Task[Verified]", reached: list[int]) -> VerifyLine:
    try:
        found = task.result()
    except LedgerError as error:
        problem = problem_of(error).problem
    except Exception:  # noqa: BLE001 - the answer has begun; what it was is logged with the task
        problem = internal().problem
    else:
        return VerifyLine(position=found.position, of=found.position, result=_view(found))
    return VerifyLine(position=reached[0], of=reached[1], problem=problem)


def _view(found: Verified) -> ProjectionVerified:
    return ProjectionVerified(
        name=found.name,
        position=found.position,
        sound=found.is_sound,
        differences=tuple(
            DifferenceView(table=row.table, key=row.key, kind=row.kind) for row in found.differences
        ),
        quarantined=found.quarantined,
        unreadable=found.unreadable,
    )


async def replay(call: Call) -> web.Response:
    """Take in again what a view had set aside, after what was wrong was put right."""
    wanted = _shared(call)
    post = await call.optional_body(ReplayPost)
    store = call.node.store
    with store_errors():
        aside = sorted(await parked(store.pool, wanted.name, "live"))
    if post.stream is not None and post.stream not in aside:
        raise not_found("quarantined stream", post.stream)
    outcomes: list[ReplayedView] = []
    for stream in aside if post.stream is None else [post.stream]:
        try:
            replayed = await replay_quarantined(store.pool, store.read_stream, wanted, stream)
        except NotFound:
            continue  # somebody else was faster
        outcomes.append(
            ReplayedView(
                stream=stream,
                events=replayed.events,
                position=replayed.position,
                error=replayed.error or "",
            )
        )
    return answer(ReplayedList(replayed=tuple(outcomes)))
