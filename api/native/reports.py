"""Reports of running work: for one execution, and in bulk over many.

The bulk route reads NDJSON while it answers NDJSON: one outcome a line, in the order of the lines,
with a bounded number of them under way. Lines of one execution take effect in their order.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import web

from api.auth.principal import OPERATORS, REPORTERS
from api.native.call import Call, answer, decode_body
from api.native.executions import create_execution, etag, find, new_execution
from api.native.problems import ProblemError, malformed, not_found
from api.native.wire import (
    BulkLine,
    BulkOutcome,
    ReportsPost,
    ReportsTaken,
    Requests,
)
from ledger.errors import LedgerError, Unavailable
from ledger.executions import commands as c
from ledger.executions.state import ExecutionState
from ledger.handle.streams import Done, StaleVersion
from ledger.ids import execution_stream
from ledger.rejection import Rejection

MAX_LINE_BYTES: Final = 1024 * 1024
IN_FLIGHT: Final = 256
_ENCODER: Final = msgspec.json.Encoder()


async def report(call: Call) -> web.Response:
    """Take a batch of reports of one execution."""
    post = await call.body(ReportsPost)
    state = await known_execution(call, call.request.match_info["execution"])
    if state is None:
        state = await find(call)
    after = call.done(await take_reports(call, state, post))
    body = ReportsTaken(
        execution=after.uuid,
        status=after.status,
        version=after.version,
        position=after.position,
        requests=requests_of(after),
    )
    return answer(body, headers=etag(after))


def requests_of(state: ExecutionState) -> Requests:
    """Say what users have asked of the worker that holds an execution."""
    match state.status:
        case "aborting":
            return ("cancel",)
        case "pausing":
            return ("pause",)
        case _:
            return ()


async def known_execution(call: Call, text: str) -> ExecutionState | None:
    """Find an execution by uuid in the log itself; None when it is not a uuid."""
    try:
        uuid = UUID(text)
    except ValueError:
        return None
    state = (await call.node.executions.streams.load(execution_stream(uuid))).state
    if state is None or not call.principal.acts_in(state.organization):
        raise not_found("execution", text)
    return state


async def take_reports(
    call: Call, state: ExecutionState, post: ReportsPost
) -> Done[ExecutionState] | Rejection | StaleVersion:
    """Put reports to an execution, and end the lease when they ended the work."""
    if post.fence is None and not call.principal.may(("recorder", "admin")):
        raise ProblemError(
            403, "forbidden", "Reporting without a lease takes the role recorder.",
            "Give the `fence` of your lease.", path="$.fence",
        )
    if post.fence is not None and not call.principal.may(("worker", "admin")):
        raise ProblemError(403, "forbidden", "Reporting under a lease takes the role worker.")
    command = c.Reports(
        reports=post.reports, fence=post.fence, worker=post.worker or call.principal.name
    )
    outcome = await call.node.executions.act(call.context(state.organization), state.uuid, command)
    if isinstance(outcome, Done) and outcome.records and not outcome.state.is_owned:
        await call.node.store.end_lease(execution_stream(state.uuid), outcome.state.fence)
    return outcome


async def bulk(call: Call) -> web.StreamResponse:
    """Take many commands, and answer each with its outcome."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    response.enable_chunked_encoding()
    await response.prepare(call.request)
    waiting: deque[asyncio.Task[BulkOutcome]] = deque()
    last_of: dict[str, asyncio.Task[BulkOutcome]] = {}
    try:
        number = 0
        async for raw in _lines(call.request):
            number += 1
            line = _parse(call, number, raw)
            before = None if isinstance(line, BulkOutcome) else last_of.get(_subject(line))
            task = asyncio.create_task(_outcome(call, number, line, before))
            if not isinstance(line, BulkOutcome):
                last_of[_subject(line)] = task
            waiting.append(task)
            await _flush(response, waiting, down_to=IN_FLIGHT)
            if len(last_of) > 4 * IN_FLIGHT:
                last_of = {key: task for key, task in last_of.items() if not task.done()}
        await _flush(response, waiting, down_to=0)
    finally:
        for task in waiting:
            task.cancel()
    await response.write_eof()
    return response


async def _flush(
    response: web.StreamResponse, waiting: "deque[asyncio.Task[BulkOutcome]]", *, down_to: int
) -> None:
    """Write outcomes in order: all that are there, and until no more than *down_to* wait."""
    written = bytearray()
    while waiting and (len(waiting) > down_to or waiting[0].done()):
        outcome = await waiting.popleft()
        written += _ENCODER.encode(outcome) + b"\n"
    if written:
        await response.write(written)


async def _lines(request: web.Request) -> AsyncIterator[bytes]:
    """Split the body at newlines, without ever holding more than one line and one chunk."""
    rest = b""
    async for chunk in request.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
        if len(rest) > MAX_LINE_BYTES:
            yield rest
            return
    if rest.strip():
        yield rest


def _parse(call: Call, number: int, raw: bytes) -> BulkLine | BulkOutcome:
    try:
        if len(raw) > MAX_LINE_BYTES:
            raise malformed(f"a line is longer than {MAX_LINE_BYTES} bytes; the rest is not read")
        line = decode_body(raw, BulkLine, call.node.settings.max_json_depth)
        if line.op == "create" and line.job_id is None:
            raise malformed("`create` needs a job_id", "$.job_id")
        if line.op != "create" and line.execution is None:
            raise malformed(f"`{line.op}` needs an execution", "$.execution")
        if line.op == "report" and not line.reports:
            raise malformed("`report` needs reports", "$.reports")
    except ProblemError as error:
        return _failed(number, error)
    return line


def _subject(line: BulkLine) -> str:
    return line.execution or f"job/{line.job_id}"


def _failed(number: int, error: ProblemError) -> BulkOutcome:
    return BulkOutcome(line=number, status=error.problem.status, problem=error.problem)


async def _outcome(
    call: Call, number: int, line: BulkLine | BulkOutcome, before: "asyncio.Task[Any] | None"
) -> BulkOutcome:
    if isinstance(line, BulkOutcome):
        return line
    if before is not None and line.op != "create":
        await asyncio.wait((before,))
    try:
        return await _do(call, number, line)
    except ProblemError as error:
        return _failed(number, error)
    except Unavailable as error:
        problem = ProblemError(
            503, "unavailable", "The ledger cannot take this now.", str(error),
            retry_after_s=error.retry_after_s,
        )
        return _failed(number, problem)
    except LedgerError:
        return _failed(number, ProblemError(500, "internal", "Something went wrong on our side."))


async def _do(call: Call, number: int, line: BulkLine) -> BulkOutcome:
    if line.op == "create":
        _require(call, OPERATORS)
        wanted = new_execution(call, line.job_id or "", line.run, line.idempotency_key)
        created = await create_execution(call, wanted)
        return _done(number, created.state, 201 if created.is_new else 200)
    state = await known_execution(call, line.execution or "")
    if state is None:
        raise malformed("name the execution by its uuid", "$.execution")
    if line.op == "report":
        _require(call, REPORTERS)
        post = ReportsPost(reports=line.reports, fence=line.fence, worker=line.worker)
        return _done(number, call.done(await take_reports(call, state, post)), 200)
    _require(call, OPERATORS)
    commands: dict[str, c.Command] = {
        "cancel": c.Cancel(reason=line.reason),
        "pause": c.Pause(reason=line.reason),
        "resume": c.Resume(),
        "delete": c.Delete(reason=line.reason),
    }
    outcome = await call.node.executions.act(
        call.context(state.organization), state.uuid, commands[line.op]
    )
    return _done(number, call.done(outcome), 200)


def _done(number: int, state: ExecutionState, status: int) -> BulkOutcome:
    return BulkOutcome(
        line=number,
        status=status,
        execution=state.uuid,
        number=state.number,
        position=state.position,
    )


def _require(call: Call, roles: Any) -> None:
    if not call.principal.may(roles):
        raise ProblemError(403, "forbidden", "Your key may not do this.")
