"""`POST /v1/reports`: many commands over many executions, as NDJSON both ways.

One outcome a line, in the order of the lines; a line that fails does not stop the others. Lines of
one execution take effect in their order, all others side by side. What is held at once is bounded in
lines and in bytes: a client that does not read its outcomes is not read from either, and one that
stays silent for `settings.client_timeout_s` is let go. Whatever was answered is in the log. Lines are
taken in no faster than the views follow, see `projections.pace`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection
from typing import Final
from uuid import UUID

import msgspec
import structlog
from aiohttp import ClientConnectionResetError, web
from msgspec import Struct

from api.auth.principal import OPERATORS, REPORTERS
from api.native.body import decode_body
from api.native.call import JSON_LINES, Call
from api.native.executions import create_execution, find, find_current, new_execution
from api.native.problems import ProblemError, internal, malformed, problem_of
from api.native.reports import take_reports
from api.native.wire import BulkLine, BulkOutcome, ReportsPost
from api.request import REQUEST_ID
from ledger.errors import LedgerError
from ledger.events.keys import Role
from ledger.executions import commands as c
from ledger.executions.state import ExecutionState

MAX_LINE_BYTES: Final = 1024 * 1024
MAX_LINES_AT_ONCE: Final = 256
MAX_BYTES_AT_ONCE: Final = 8 * 1024 * 1024
_ENCODER: Final = msgspec.json.Encoder()
_log = structlog.get_logger(__name__)


class _Raw(Struct, frozen=True):
    """A line as it came; `number` counts all lines from 1, empty ones too."""

    number: int
    text: bytes


class _Going(Struct, frozen=True):
    """A line that was taken in and is not answered yet."""

    outcome: "asyncio.Future[BulkOutcome]"
    size_bytes: int


async def bulk(call: Call) -> web.StreamResponse:
    """Take many commands, and answer each with its outcome."""
    call.require_type(JSON_LINES)
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    response.enable_chunked_encoding()
    await response.prepare(call.request)
    going = _Pipeline(call, response)
    number = 0
    try:
        try:
            async for raw in _lines(call):
                number = raw.number
                await going.add(raw)
        except ProblemError as error:
            await going.refuse(number + 1, error)
        await going.end()
    finally:
        await going.stop()
    await response.write_eof()
    return response


class _Pipeline:
    """The lines of one request that are under way, in order."""

    def __init__(self, call: Call, response: web.StreamResponse) -> None:
        self._call = call
        self._response = response
        self._going: deque[_Going] = deque()
        self._bytes = 0
        self._last_of: dict[UUID, asyncio.Task[BulkOutcome]] = {}

    async def add(self, raw: _Raw) -> None:
        """Take in a line; waits while too much is under way, or views are too far behind."""
        await self._call.node.pace.keep()
        try:
            line = _decoded(self._call, raw)
            target = await _target(self._call, line)
        except (ProblemError, LedgerError) as error:
            await self.refuse(raw.number, _problem(error))
            return
        before = self._last_of.get(target) if target is not None else None
        task = asyncio.create_task(_carry_out(self._call, raw.number, line, target, before))
        if target is not None:
            self._last_of[target] = task
        await self._push(_Going(task, len(raw.text)))

    async def refuse(self, number: int, error: ProblemError) -> None:
        """Answer a line that cannot be carried out."""
        outcome: asyncio.Future[BulkOutcome] = asyncio.get_running_loop().create_future()
        outcome.set_result(_refused(number, error))
        await self._push(_Going(outcome, 0))

    async def end(self) -> None:
        """Answer everything that is under way."""
        await self._flush(lines=0, size_bytes=0)

    async def stop(self) -> None:
        """Give up what is under way; what was appended stays."""
        tasks = [line.outcome for line in self._going]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _push(self, line: _Going) -> None:
        self._going.append(line)
        self._bytes += line.size_bytes
        await self._flush(lines=MAX_LINES_AT_ONCE, size_bytes=MAX_BYTES_AT_ONCE)
        if len(self._last_of) > 4 * MAX_LINES_AT_ONCE:
            self._last_of = {
                target: task for target, task in self._last_of.items() if not task.done()
            }

    async def _flush(self, *, lines: int, size_bytes: int) -> None:
        """Write the outcomes that are there, and more until no more than that is under way."""
        written = bytearray()
        while self._going and (
            len(self._going) > lines or self._bytes > size_bytes or self._going[0].outcome.done()
        ):
            written += _ENCODER.encode(await self._going[0].outcome) + b"\n"
            self._bytes -= self._going.popleft().size_bytes
        if written:
            await self._write(bytes(written))

    async def _write(self, chunk: bytes) -> None:
        try:
            async with asyncio.timeout(self._call.node.settings.client_timeout_s):
                await self._response.write(chunk)
        except TimeoutError:
            if self._call.request.transport is not None:
                self._call.request.transport.abort()
            message = "the client does not read its outcomes"
            raise ClientConnectionResetError(message) from None


async def _lines(call: Call) -> AsyncIterator[_Raw]:
    """Split the body at newlines, without ever holding more than one line and one chunk.

    Raises:
        ProblemError: the rest of the body cannot be read.
    """
    rest, number = b"", 0
    async for chunk in _chunks(call):
        *whole, rest = (rest + chunk).split(b"\n")
        for text in whole:
            number += 1
            if text.strip():
                yield _Raw(number, text)
        if len(rest) > MAX_LINE_BYTES:
            raise malformed(f"a line is longer than {MAX_LINE_BYTES} bytes; the rest is not read")
    if rest.strip():
        yield _Raw(number + 1, rest)


async def _chunks(call: Call) -> AsyncIterator[bytes]:
    content = call.request.content
    while True:
        try:
            async with asyncio.timeout(call.node.settings.client_timeout_s):
                chunk = await content.readany()
        except TimeoutError:
            raise ProblemError(
                408, "request-timeout", "The rest of the body did not come in time."
            ) from None
        except web.RequestPayloadError:
            raise malformed("the rest of the body cannot be read") from None
        if not chunk:
            return
        yield chunk


def _decoded(call: Call, raw: _Raw) -> BulkLine:
    if len(raw.text) > MAX_LINE_BYTES:
        raise malformed(f"the line is longer than {MAX_LINE_BYTES} bytes")
    line = decode_body(raw.text, BulkLine, call.node.settings.max_json_depth)
    if line.op == "create" and line.job_id is None:
        raise malformed("`create` needs a job_id", "$.job_id")
    if line.op != "create" and line.execution is None:
        raise malformed(f"`{line.op}` needs an execution", "$.execution")
    if line.op == "report" and not line.reports:
        raise malformed("`report` needs reports", "$.reports")
    return line


async def _target(call: Call, line: BulkLine) -> UUID | None:
    """Give the one name of the execution that a line is about; None when it makes a new one."""
    if line.execution is None or line.op == "create":
        return None
    try:
        return UUID(line.execution)
    except ValueError:
        return (await find(call, line.execution)).uuid


async def _carry_out(
    call: Call,
    number: int,
    line: BulkLine,
    target: UUID | None,
    before: "asyncio.Task[BulkOutcome] | None",
) -> BulkOutcome:
    if before is not None:
        await asyncio.wait((before,))
    try:
        return await (
            _create(call, number, line) if target is None else _act(call, number, line, target)
        )
    except (ProblemError, LedgerError) as error:
        return _refused(number, _problem(error))
    except Exception:  # noqa: BLE001 - logged; the other lines go on
        _log.exception("unexpected error in a line", request_id=call.request[REQUEST_ID])
        return _refused(number, internal())


def _problem(error: ProblemError | LedgerError) -> ProblemError:
    return error if isinstance(error, ProblemError) else problem_of(error)


def _refused(number: int, error: ProblemError) -> BulkOutcome:
    return BulkOutcome(line=number, status=error.problem.status, problem=error.problem)


async def _create(call: Call, number: int, line: BulkLine) -> BulkOutcome:
    _require(call, OPERATORS)
    wanted = new_execution(call, line.job_id or "", line.run, line.idempotency_key)
    created = await create_execution(call, wanted)
    return _done(number, created.state, 201 if created.is_new else 200)


async def _act(call: Call, number: int, line: BulkLine, target: UUID) -> BulkOutcome:
    _require(call, REPORTERS if line.op == "report" else OPERATORS)
    state = await find_current(call, str(target), fresh=False)
    if line.op == "report":
        post = ReportsPost(reports=line.reports, fence=line.fence, worker=line.worker)
        return _done(number, call.done(await take_reports(call, state, post)), 200)
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


def _require(call: Call, roles: Collection[Role]) -> None:
    if not call.principal.may(roles):
        raise ProblemError(403, "forbidden", "Your key may not do this.")
