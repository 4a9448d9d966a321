"""Product-Live at `/v1/data_factory/…` and `/v1/job_executions/find`.

Callers show `X-Api-Key` or a Bearer key. Each key may make `product_live_rate_per_minute` requests;
answers tell what is left. A find request may come without a content type, as the document's example
sends it. Problems are RFC 9457; to a client that accepts JSON only they are sent as plain JSON.
"""

from collections.abc import Iterable
from functools import partial
from typing import Final

from aiohttp import web
from msgspec.structs import replace

from api.auth.principal import OPERATORS, READERS
from api.dialects.port import DialectError, MalformedRequest
from api.dialects.product_live import errors, parse, render
from api.dialects.product_live.files import named_files, recorded_files
from api.dialects.product_live.find import parse_find
from api.dialects.product_live.wire import Problem
from api.mounts.keyed import PerMinute, keyed, raw_body, segment
from api.mounts.product_live_files import FILE_ROUTES, folder_of, known_file
from api.native.call import JSON, Call
from api.native.executions import find, last_run_of
from api.native.problems import ProblemError, internal, problem_of
from api.request import REQUEST_ID
from ledger.errors import LedgerError
from ledger.handle.executions import Created, KeyReused, NewExecution
from ledger.ids import oid_of
from projections.documents import criteria as k
from projections.documents import query as documents

_PREFIX: Final = "/v1/data_factory"
_FIND: Final = "/v1/job_executions"
_LIST_SIZE: Final = 20
_FIND_SIZE: Final = 10


class ProductLive:
    """The vendor's API on our port."""

    name = "product_live"

    def __init__(self) -> None:
        self._limit = PerMinute(lambda settings: settings.product_live_rate_per_minute)

    def owns(self, path: str) -> bool:
        """See `api.mounts.port.Mount`."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in (_PREFIX, _FIND))

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """See `api.mounts.port.Mount`."""
        executions = f"{_PREFIX}/job_executions"
        finding = keyed(find_executions, READERS, limit=self._limit)
        return (
            web.post(executions, keyed(create, OPERATORS, limit=self._limit)),
            web.get(executions, keyed(list_executions, READERS, limit=self._limit)),
            web.post(f"{executions}/find", finding),
            web.post(f"{_FIND}/find", finding),
            web.get(f"{executions}/{{execution}}", keyed(read, READERS, limit=self._limit)),
            *FILE_ROUTES,
        )

    def failure(self, request: web.Request, error: Exception) -> web.Response:
        """See `api.mounts.port.Mount`."""
        headers: dict[str, str] = {}
        match error:
            case ProblemError():
                problem, headers = _problem_of(error), error.headers
            case LedgerError():
                told = problem_of(error)
                problem, headers = _problem_of(told), told.headers
            case Refused():
                problem = error.problem
            case DialectError():
                problem = _malformed(error)
            case web.HTTPMethodNotAllowed():
                headers = {"Allow": ", ".join(sorted(error.allowed_methods))}
                problem = _of_http(error)
            case web.HTTPException():
                problem = _of_http(error)
            case _:
                problem = _problem_of(internal())
        problem = replace(problem, instance=request.path, request_id=request.get(REQUEST_ID, ""))
        answer = web.Response(
            body=render.encode(problem),
            status=problem.status,
            headers=headers,
            content_type=_problem_type(request),
        )
        if problem.status in (408, 413):
            answer.force_close()  # the rest of the body may still come
        return answer


class Refused(DialectError):
    """The ledger refused."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.title)


def _problem_of(error: ProblemError) -> Problem:
    told = error.problem
    return Problem(
        type=told.type, title=told.title, status=told.status, detail=told.detail, path=told.path
    )


def _malformed(error: DialectError) -> Problem:
    title = "The request cannot be understood."
    if isinstance(error, MalformedRequest):
        return errors.problem(400, "malformed-request", title, error.reason, error.path)
    return errors.problem(501, "not-offered", "This is not offered.")


def _of_http(error: web.HTTPException) -> Problem:
    kind = error.reason.lower().replace(" ", "-")
    title = {
        404: "There is nothing at this path.",
        405: "This path does not take that method.",
        413: "The body is larger than allowed.",
    }.get(error.status, error.reason)
    return errors.problem(error.status, kind, title)


def _problem_type(request: web.Request) -> str:
    accepted = request.headers.get("Accept", "*/*")
    plain = "application/json" in accepted and not any(
        wide in accepted for wide in ("*/*", "application/*", "application/problem+json")
    )
    return "application/json" if plain else "application/problem+json"


def _base_url(call: Call) -> str:
    return f"{call.request.scheme}://{call.request.host}"


def _answer(
    body: bytes, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=body, status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


async def create(call: Call) -> web.Response:
    """Run a job."""
    call.require_type(JSON)
    run = parse.parse_create(
        await raw_body(call),
        context={
            "jobAccountId": call.organization,
            "userShardId": call.organization,
            "userAccountId": call.organization,
            "userId": call.principal.public_id,
        },
        max_depth=call.node.settings.max_json_depth,
    )
    folder = folder_of(call)
    known = {
        file_id: await known_file(call, folder, file_id, path)
        for file_id, path in named_files(run.input, "$.input")
    }
    wanted = NewExecution(
        job_id=run.job_id,
        input=recorded_files(run.input, known),
        name=run.title,
        trigger="product_live",
        client_id=call.principal.public_id,
        user=call.principal.name,
        dispatch_at_once=True,
    )
    last_run = partial(last_run_of, call, run.job_id)
    created = await call.node.executions.create(call.context(), wanted, last_run=last_run)
    if isinstance(created, KeyReused):
        raise Refused(errors.problem(422, "idempotency-key-reused", "The key was used before."))
    if not isinstance(created, Created):
        raise Refused(errors.of(created))
    call.wrote(created.records)
    body = render.job_execution(created.state, base_url=_base_url(call))
    return _answer(
        render.encode(body),
        status=201,
        headers={"Location": f"{_PREFIX}/job_executions/{oid_of(created.state.uuid)}"},
    )


async def read(call: Call) -> web.Response:
    """Read one execution."""
    state = await find(call, segment(call, "execution", "execution"))
    if state.erased:
        raise ProblemError(404, "not-found", "The execution was erased.")
    return _answer(render.encode(render.job_execution(state, base_url=_base_url(call))))


async def list_executions(call: Call) -> web.Response:
    """List executions, newest first."""
    return await _found(call, k.Every(), _LIST_SIZE)


async def find_executions(call: Call) -> web.Response:
    """Find executions, newest first."""
    raw = await raw_body(call)
    wanted = parse_find(raw, max_depth=call.node.settings.max_json_depth)
    return await _found(call, wanted, _FIND_SIZE)


async def _found(call: Call, wanted: k.Criterion, default_size: int) -> web.Response:
    page = parse.parse_page(call.query("page"), call.query("size"), default_size=default_size)
    await call.node.covered("executions", call.minimum_position)
    found = await documents.find(
        call.node.store.pool,
        wanted,
        organizations=call.readable,
        offset=page.offset,
        limit=page.size,
    )
    body = render.executions(found.items, found.total, base_url=_base_url(call))
    return _answer(render.encode(body), headers={"Ledger-Position": str(found.position)})
