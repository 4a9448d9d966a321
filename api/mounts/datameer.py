"""Datameer at `/rest/…` and `/api/job-execution/…`, with HTTP Basic.

Configurations, files and data are jobs; ids are their numbers. Paths are matched greedily up to the
last segment, as they stand in the request, because they hold slashes and `+` for spaces.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final, TypeAlias, assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.typedefs import Handler

from api.auth.principal import OPERATORS, READERS
from api.dialects.datameer import errors, parse, render
from api.dialects.datameer import wire as w
from api.dialects.port import DialectError, MalformedRequest
from api.mounts.keyed import raw_body
from api.native.call import NODE, Call
from api.native.executions import last_run_of
from api.native.problems import ProblemError, problem_of
from ledger.errors import LedgerError
from ledger.events.keys import Role
from ledger.executions.commands import Cancel
from ledger.executions.state import ExecutionState
from ledger.handle.executions import Created, KeyReused, NewExecution, PlanCreated
from ledger.handle.sequences import Sequences
from ledger.handle.streams import Done, StaleVersion
from ledger.jobs.commands import Retire
from ledger.jobs.state import JobState
from ledger.rejection import ExecutionGone, Rejection, WrongState
from projections import outlook
from projections.executions import query as executions
from projections.jobs import query as jobs

CallHandler: TypeAlias = Callable[[Call], Awaitable[web.StreamResponse]]

_REST: Final = "/rest"
_FILES: Final = "/api/job-execution"
_V1: Final = 4
"""How far the first generation's documents are indented; the second's by two."""
_V2: Final = 2
_PAGE: Final = 1000
_MAX_PAGES: Final = 20


class Refused(DialectError):
    """Ends a request with a failure document."""

    def __init__(self, status: int, reason: str, *, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers or {}
        super().__init__(reason)


class Datameer:
    """The vendor's API on our port."""

    name = "datameer"

    def owns(self, path: str) -> bool:
        """See `api.mounts.port.Mount`."""
        return any(path == at or path.startswith(f"{at}/") for at in (_REST, _FILES))

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """See `api.mounts.port.Mount`."""
        configuration, execution = f"{_REST}/job-configuration", f"{_REST}/job-execution"
        file = f"{_FILES}/{{file:.+}}"
        return (
            web.get(f"{configuration}/job-status/{{id}}", _basic(job_status, READERS)),
            web.get(f"{configuration}/job-history/{{id}}", _basic(job_history, READERS)),
            web.get(f"{configuration}/volume-report/{{id}}", _basic(volume_report, READERS)),
            web.get(f"{execution}/job-details/{{id}}", _basic(job_details, READERS)),
            web.get(f"{_REST}/jobs/list-running", _basic(list_running, READERS)),
            web.post(execution, _basic(run, OPERATORS)),
            web.post(f"{execution}/job-kill/{{id}}", _basic(kill, OPERATORS)),
            web.delete(f"{_REST}/data/{{id}}", _basic(delete, OPERATORS)),
            web.get(f"{file}/status", _basic(status, READERS)),
            web.post(f"{file}/trigger", _basic(trigger, OPERATORS)),
            web.post(f"{file}/stop", _basic(stop, OPERATORS)),
        )

    def failure(self, request: web.Request, error: Exception) -> web.Response:  # noqa: ARG002
        """See `api.mounts.port.Mount`."""
        headers: dict[str, str] = {}
        match error:
            case Refused():
                code, reason, headers = error.status, error.reason, error.headers
            case MalformedRequest():
                code, reason = 400, f"{error.path}: {error.reason}"
            case DialectError():
                code, reason = 501, "This isn't offered"
            case LedgerError() | ProblemError():
                told = error if isinstance(error, ProblemError) else problem_of(error)
                code, headers = told.problem.status, told.headers
                reason = told.problem.detail or told.problem.title
            case web.HTTPMethodNotAllowed():
                allowed = ", ".join(sorted(error.allowed_methods))
                code, reason, headers = 405, f"This path takes {allowed}", {"Allow": allowed}
            case web.HTTPException():
                code, reason = error.status, error.reason
            case _:
                code, reason = 500, "Something went wrong on our side"
        response = _answer(w.Failure(reason=reason), indent=_V2, status=code, headers=headers)
        if code in (408, 413):
            response.force_close()  # the rest of the body may still come
        return response


def _answer(
    value: Any, *, indent: int, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=render.document(value, indent=indent),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="UTF-8",
    )


def _basic(handler: CallHandler, roles: frozenset[Role]) -> Handler:
    """Let only those through whose user has one of *roles*."""

    async def handle(request: web.Request) -> web.StreamResponse:
        node = request.app[NODE]
        principal = await node.callers.principal(request)
        if principal is None:
            challenge = {"WWW-Authenticate": 'Basic realm="Datameer", charset="UTF-8"'}
            raise Refused(401, "Authentication is required", headers=challenge)
        if not principal.may(roles):
            raise Refused(403, "You don't have the permission to do this")
        call = Call(request, node, principal)
        call.check_address(request.query.keys())
        return await handler(call)

    return handle


async def job_status(call: Call) -> web.Response:
    """Tell where a configuration's last execution stands; nothing when it was never run."""
    last = await _last(call, await _configuration(call))
    return _answer({} if last is None else render.status(last), indent=_V1)


async def job_history(call: Call) -> web.Response:
    """List a configuration's executions, newest first."""
    start, length = parse.page(call.query("start"), call.query("length"))
    job = await _configuration(call)
    found = await _executions(call, job, start, length)
    return _answer([render.status(state) for state in found], indent=_V1)


async def volume_report(call: Call) -> web.Response:
    """List how much a configuration's executions took in, newest first."""
    start, length = parse.page(call.query("start"), call.query("length") or str(_PAGE))
    found = await _executions(call, await _configuration(call), start, length)
    return _answer([render.volume(state) for state in found], indent=_V1)


async def job_details(call: Call) -> web.Response:
    """Show an execution with its counters."""
    state = await _execution(call)
    if call.node.settings.datameer_details == "older":
        return _answer(render.older_details(state, _zone(call)), indent=_V1)
    return _answer(render.details(state, _zone(call)), indent=_V2)


async def list_running(call: Call) -> web.Response:
    """List what runs, in the order it was created."""
    await call.node.covered("jobs", call.minimum_position)
    numbers: dict[tuple[str, str], int] = {}
    entries: list[w.Running] = []
    for item in await _open(call, call.readable, None):
        row = item.row
        if row.status == "pending":
            continue
        key = (row.organization, row.job_id)
        if key not in numbers:
            found = await jobs.by_job_id(
                call.node.store.pool,
                row.job_id,
                organizations=[row.organization],
                include_retired=True,
            )
            numbers[key] = found.job.state.number if found.job is not None else 0
        entries.append(
            render.running(
                row.number,
                numbers[key],
                row.started_at,
                _zone(call),
                left_s=item.left_s,
                percent=item.percent,
            )
        )
    entries.sort(key=lambda entry: entry.job_execution_id)
    return _answer(entries, indent=_V1)


async def status(call: Call) -> web.Response:
    """Tell where a file's last execution stands."""
    job = await _file(call, "status")
    last = await _last(call, job)
    if last is None:
        return _answer(w.StatusV2(job_status="_NONE"), indent=_V2)
    known = None
    if last.status not in {"pending", "finished", "aborted"}:
        opened = await _open(call, [job.organization], job.job_id)
        known = next((item for item in opened if item.row.uuid == last.uuid), None)
    told = render.status_v2(
        last,
        job.number,
        _zone(call),
        left_s=known.left_s if known is not None else None,
        percent=known.percent if known is not None else None,
    )
    return _answer(told, indent=_V2)


async def trigger(call: Call) -> web.Response:
    """Run a file's job."""
    job = await _file(call, "trigger")
    return await _trigger(call, job, parse.variables(await raw_body(call)))


async def run(call: Call) -> web.Response:
    """Run one configuration, or several and all that follow them."""
    ids = call.query("sequence")
    body = await raw_body(call)
    configuration = call.query("configuration")
    if ids is None and configuration is not None:
        number = parse.number(configuration, "configuration")
        job = None if number is None else await _by_number(call, number)
        if job is None:
            raise Refused(404, errors.no_entity("JobConfiguration", configuration))
        return await _trigger(call, job, parse.variables(body))
    wanted = parse.sequence(ids or "", body)
    named: list[JobState] = []
    for file in wanted.files:
        job = await _named(call, file)
        if job is None:
            raise Refused(404, errors.NO_FILE)
        named.append(job)
    if len({job.organization for job in named}) > 1:
        raise Refused(404, errors.NO_FILE)
    outcome = await Sequences(call.node.jobs, call.node.executions).create(
        call.context(named[0].organization),
        [job.job_id for job in named],
        variables=wanted.variables,
        like=_like(call, ""),
    )
    if not isinstance(outcome, PlanCreated):
        raise _refused(outcome)
    call.wrote(outcome.records)
    return _answer(render.plan(outcome.states), indent=_V2)


async def kill(call: Call) -> web.Response:
    """Stop one execution; one that has ended is left as it is."""
    state = await _execution(call)
    if state.is_open:
        await _cancel(call, state.organization, state.uuid)
    return _answer(w.Success(), indent=_V2)


async def stop(call: Call) -> web.Response:
    """Stop a file's job: whatever of it is open."""
    job = await _file(call, "stop")
    for item in await _open(call, [job.organization], job.job_id):
        await _cancel(call, job.organization, item.row.uuid)
    return web.Response(status=204)


async def delete(call: Call) -> web.Response:
    """Retire a job; its history stays."""
    name = call.path("id")
    number = parse.number(name, "id")
    job = None if number is None else await _by_number(call, number, retired=True)
    if job is None:
        raise Refused(404, errors.no_entity("Data", name))
    if job.retired:
        return _answer(w.Deleted(status=False), indent=_V2)
    outcome = await call.node.jobs.change(call.context(job.organization), job.job_id, Retire())
    if not isinstance(outcome, Done):
        raise _refused(outcome)
    call.wrote(outcome.records)
    return _answer(w.Deleted(status=bool(outcome.records)), indent=_V2)


async def _trigger(call: Call, job: JobState, variables: dict[str, Any]) -> web.Response:
    last_run = partial(last_run_of, call, job.job_id)
    wanted = _like(call, job.job_id, variables)
    creation = await call.node.executions.create(
        call.context(job.organization), wanted, last_run=last_run
    )
    if isinstance(creation, KeyReused):
        raise TypeError(creation)  # no idempotency key was given
    if not isinstance(creation, Created):
        raise _refused(creation)
    call.wrote(creation.records)
    told = w.Triggered(
        job_execution_id=creation.state.number, job_execution_user=call.principal.public_id
    )
    return _answer(told, indent=_V2)


def _like(call: Call, job_id: str, variables: dict[str, Any] | None = None) -> NewExecution:
    return NewExecution(
        job_id=job_id,
        parameters=parse.arguments(variables or {}),
        trigger="datameer",
        client_id=call.principal.public_id,
        user=call.principal.public_id,
    )


def _refused(refusal: Rejection | StaleVersion) -> Refused:
    if isinstance(refusal, StaleVersion):
        raise TypeError(refusal)  # no version was named
    return Refused(*errors.reason(refusal))


async def _cancel(call: Call, organization: str, uuid: UUID) -> None:
    command = Cancel(reason="stopped by a user")
    outcome = await call.node.executions.act(call.context(organization), uuid, command)
    if isinstance(outcome, Done):
        call.wrote(outcome.records)
    elif not isinstance(outcome, WrongState | ExecutionGone):
        raise _refused(outcome)  # others ended before they could be stopped


async def _configuration(call: Call) -> JobState:
    """Find the job whose number the path tells."""
    name = call.path("id")
    number = parse.number(name, "id")
    job = None if number is None else await _by_number(call, number)
    if job is None:
        raise Refused(404, errors.no_entity("JobConfiguration", name))
    return job


async def _execution(call: Call) -> ExecutionState:
    """Find the execution whose number the path tells."""
    name = call.path("id")
    number = parse.number(name, "id")
    state = None
    if number is not None:
        await call.node.covered("executions", call.minimum_position)
        found = await executions.by_number(
            call.node.store.pool, number, organizations=call.readable
        )
        state = found.state
    if state is None or state.deleted or state.erased:
        raise Refused(404, errors.no_entity("JobExecution", name))
    return state


async def _file(call: Call, verb: str) -> JobState:
    """Find the job that the path tells in any of the three ways."""
    raw = call.request.rel_url.raw_path.removeprefix(f"{_FILES}/").removesuffix(f"/{verb}")
    job = await _named(call, parse.file_name(raw))
    if job is None:
        raise Refused(404, errors.NO_FILE)
    return job


async def _named(call: Call, name: parse.FileName) -> JobState | None:
    pool = call.node.store.pool
    match name:
        case parse.ByNumber(number):
            return await _by_number(call, number)
        case parse.ByUuid(uuid):
            await call.node.covered("jobs", call.minimum_position)
            found = await jobs.by_uuid(pool, uuid, organizations=call.readable)
        case parse.ByPath(paths):
            await call.node.covered("jobs", call.minimum_position)
            found = await jobs.by_path(pool, paths, organizations=call.readable)
            # A job without a path is found by its own name, which holds no slash.
            for name_of_job in paths if found.job is None else ():
                if "/" not in name_of_job and found.job is None:
                    found = await jobs.by_job_id(pool, name_of_job, organizations=call.readable)
        case _:
            assert_never(name)
    return found.job.state if found.job is not None else None


async def _by_number(call: Call, number: int, *, retired: bool = False) -> JobState | None:
    await call.node.covered("jobs", call.minimum_position)
    found = await jobs.by_number(
        call.node.store.pool, number, organizations=call.readable, include_retired=retired
    )
    return found.job.state if found.job is not None else None


async def _last(call: Call, job: JobState) -> ExecutionState | None:
    found = await _executions(call, job, 0, 1)
    return found[0] if found else None


async def _executions(call: Call, job: JobState, start: int, length: int) -> list[ExecutionState]:
    """Read a job's executions, newest first; those of an earlier job of its id are not its own."""
    await call.node.covered("executions", call.minimum_position)
    found: list[ExecutionState] = []
    before: int | None = None
    for _ in range(_MAX_PAGES):
        left = start + length - len(found)
        if left <= 0:
            break
        page = await executions.page(
            call.node.store.pool,
            organizations=[job.organization],
            wanted=executions.Filter(job_id=job.job_id),
            before=before,
            limit=min(left, _PAGE),
        )
        found.extend(state for state in page.items if state.created.job_uuid == job.uuid)
        before = page.next_before
        if before is None:
            break
    return found[start : start + length]


async def _open(
    call: Call, organizations: list[str] | None, job_id: str | None
) -> list[outlook.Outlook]:
    """Read what is open, with the time it has left."""
    await call.node.covered("active", call.minimum_position)
    found: list[outlook.Outlook] = []
    before: int | None = None
    for _ in range(_MAX_PAGES):
        page = await outlook.page(
            call.node.store.pool,
            organizations=organizations,
            now=call.node.clock(),
            job_id=job_id,
            before=before,
            limit=_PAGE,
        )
        found.extend(page.items)
        before = page.next_before
        if before is None:
            break
    return found


def _zone(call: Call) -> ZoneInfo:
    return ZoneInfo(call.node.settings.datameer_time_zone)
