"""CDQ's jobs management at `/v2/jobs…` and `/v2/scheduled-jobs…`.

Callers show `X-API-KEY` or a Bearer key. Whoever may look into every organization's jobs
(`featuresOn=IGNORE_ORGANIZATION_RESTRICTIONS`: auditors and admins) does so on record: `key.looked_across`, in the stream of the key.
"""

from collections.abc import Iterable
from functools import partial
from typing import Final
from uuid import UUID

from aiohttp import web
from msgspec import UNSET

from api.auth.principal import AUDITORS, OPERATORS, READERS, REPORTERS
from api.dialects.cdq import errors, parse, render, wire
from api.dialects.cdq.statuses import phases_of
from api.dialects.port import DialectError, MalformedRequest
from api.mounts.cdq_answers import Refused, answer, done, renderer
from api.mounts.cdq_results import fetch_last, logs, put_result, results
from api.mounts.cdq_schedules import SCHEDULE_ROUTES
from api.mounts.keyed import keyed, raw_body, segment
from api.native.call import JSON, Call
from api.native.cursor import decode_pair, encode_pair
from api.native.executions import find, find_current, last_run_of
from api.native.problems import ProblemError, internal, problem_of
from api.request import REQUEST_ID
from ledger.errors import LedgerError
from ledger.executions import commands as c
from ledger.handle.executions import Created, KeyReused, NewExecution
from projections.documents import query as documents
from projections.jobs import query as jobs

_JOBS: Final = "/v2/jobs"
_PREFIX: Final = "/v2"
_TOLD: Final = {404: "There is nothing at this path.", 413: "The body is larger than allowed."}


class Cdq:
    """The vendor's API on our port."""

    name = "cdq"

    def owns(self, path: str) -> bool:
        """See `api.mounts.port.Mount`."""
        return path == _PREFIX or path.startswith(f"{_PREFIX}/")

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """See `api.mounts.port.Mount`."""
        one = f"{_JOBS}/{{job}}"
        return (
            web.get(_JOBS, keyed(list_jobs, READERS)),
            web.post(_JOBS, keyed(create, OPERATORS)),
            web.get(f"{_JOBS}/types", keyed(list_types, READERS)),
            web.post(f"{_JOBS}/results/fetchlast", keyed(fetch_last, READERS)),
            web.get(one, keyed(read, READERS)),
            web.patch(one, keyed(patch, OPERATORS)),
            web.delete(one, keyed(delete, OPERATORS)),
            web.post(f"{one}/cancel", keyed(cancel, OPERATORS)),
            web.get(f"{one}/results", keyed(results, READERS)),
            web.put(f"{one}/resultdata", keyed(put_result, REPORTERS - {"worker"})),
            web.get(f"{one}/processing-logs", keyed(logs, READERS)),
            *SCHEDULE_ROUTES,
        )

    def failure(self, request: web.Request, error: Exception) -> web.Response:
        """See `api.mounts.port.Mount`."""
        headers: dict[str, str] = {}
        if isinstance(error, LedgerError):
            error = problem_of(error)
        match error:
            case ProblemError():
                status, message, headers = _of_problem(error)
            case Refused():
                status, message = error.status, error.message
            case MalformedRequest():
                status, message = 400, str(error)
            case DialectError():
                status, message = 400, "This is not offered."
            case web.HTTPMethodNotAllowed():
                allowed = ", ".join(sorted(error.allowed_methods))
                status, message, headers = 405, f"It takes {allowed}.", {"Allow": allowed}
            case web.HTTPException():
                status, message = error.status, _TOLD.get(error.status, error.reason)
            case _:
                status, message, headers = _of_problem(internal())
                message += f" (request {request.get(REQUEST_ID, '')})"
        response = answer(errors.failure(status, message), status=status, headers=headers)
        if status in (408, 413):
            response.force_close()  # the rest of the body may still come
        return response


def _of_problem(error: ProblemError) -> tuple[int, str, dict[str, str]]:
    told = error.problem
    where = f"{told.path.lstrip('?')}: " if told.path else ""
    return told.status, f"{where}{told.title} {told.detail}".strip(), error.headers


def _query(call: Call) -> dict[str, list[str]]:
    query = call.request.query
    return {name: query.getall(name) for name in query}


async def list_jobs(call: Call) -> web.Response:
    """List jobs."""
    wanted = parse.parse_list(_query(call))
    organizations = await _organizations(call, wanted)
    await call.node.covered("executions", call.minimum_position)
    page = await documents.page(
        call.node.store.pool,
        organizations=organizations,
        wanted=documents.Listing(
            user=wanted.user,
            storage_id=wanted.storage_id,
            job_ids=wanted.job_types or None,
            phases=phases_of(wanted.statuses) if wanted.statuses else None,
            any_tags=wanted.tags if wanted.tags and not wanted.all_tags else None,
            all_tags=wanted.tags if wanted.tags and wanted.all_tags else None,
            depends_on=wanted.depends_on,
        ),
        descending=wanted.descending,
        after=wanted.after,
        limit=wanted.limit,
        with_total=wanted.with_total,
    )
    cursor = parse.encode_cursor(page.next_after) if page.next_after is not None else None
    body = renderer(call).jobs(page.items, cursor, page.total)
    return answer(body, headers={"Ledger-Position": str(page.position)})


async def _organizations(call: Call, wanted: parse.ListJobs) -> list[str] | None:
    readable = call.readable
    if wanted.across_organizations:
        if not call.principal.may(AUDITORS):
            raise Refused(403, "Ignoring organizations takes the role auditor or admin.")
        noted = await call.node.keys.look_across(call.context(), call.principal.key, at=_JOBS)
        if not noted:  # another issuer's caller has no key whose stream it could stand in
            raise Refused(403, "Ignoring organizations takes one of the ledger's own keys.")
        readable = None
    if wanted.organization_id is None:
        return readable
    named = wanted.organization_id
    return [named] if readable is None or named in readable else []


async def list_types(call: Call) -> web.Response:
    """List job types, by name."""
    wanted = parse.parse_types(_query(call))
    try:
        after = decode_pair(wanted.start_after)
    except ProblemError:
        raise MalformedRequest("startAfter", "it is not a value that a page gave out") from None
    await call.node.covered("jobs", call.minimum_position)
    found: list[wire.JobType] = []
    while True:
        page = await jobs.page(
            call.node.store.pool,
            organizations=call.readable,
            after=after,
            limit=wanted.limit - len(found),
        )
        found += [
            render.job_type(item.state)
            for item in page.items
            if not wanted.cancellable or item.state.definition.policies.cancellable
        ]
        after = page.next_after
        if after is None or len(found) >= wanted.limit:
            break
    cursor = encode_pair(after)
    return answer(
        wire.JobTypeList(jobs=tuple(found), next_start_after=UNSET if cursor is None else cursor)
    )


async def create(call: Call) -> web.Response:
    """Run a job of a type."""
    call.require_type(JSON)
    posted = parse.parse_create(await raw_body(call), max_depth=call.node.settings.max_json_depth)
    organization = posted.organization_id or call.organization
    if not call.principal.acts_in(organization) or (
        call.readable is not None and organization not in call.readable
    ):
        raise Refused(403, "Your key does not act in that organization.")
    wanted = NewExecution(
        job_id=posted.type,
        input=posted.input,
        name=posted.name,
        description=posted.description,
        tags=None if posted.tags is UNSET else posted.tags,
        labels=None
        if posted.labels is UNSET
        else {label.name: label.value for label in posted.labels},
        attributes=parse.facts_of(posted),
        run_at=posted.start_at,
        trigger="cdq",
        client_id=call.principal.public_id,
        user=posted.user or call.principal.name,
        waits_for=_dependencies(posted),
    )
    last_run = partial(last_run_of, call, wanted.job_id)
    created = await call.node.executions.create(
        call.context(organization), wanted, last_run=last_run
    )
    if isinstance(created, KeyReused):
        raise Refused(409, "The idempotency key was used before.")
    if not isinstance(created, Created):
        raise Refused(*errors.of(created))
    call.wrote(created.records)
    return answer(
        renderer(call).job(created.state),
        status=201,
        headers={"Location": f"{_JOBS}/{created.state.uuid}"},
    )


def _dependencies(posted: wire.Posted) -> tuple[UUID, ...]:
    uuids: list[UUID] = []
    for index, dependency in enumerate(posted.job_dependencies):
        try:
            uuids.append(UUID(dependency.job_id))
        except ValueError:
            path = f"$.jobDependencies[{index}].jobId"
            raise MalformedRequest(path, "it is not the id of a job") from None
    return tuple(uuids)


async def read(call: Call) -> web.Response:
    """Read one job."""
    state = await find(call, segment(call, "job", "job"))
    return answer(renderer(call).job(state))


async def patch(call: Call) -> web.Response:
    """Change a job's words."""
    call.require_type(JSON)
    patched = parse.parse_body(
        await raw_body(call), wire.Patched, max_depth=call.node.settings.max_json_depth
    )
    state = await find_current(call, segment(call, "job", "job"))
    command = c.Describe(
        name=None if patched.name is UNSET else patched.name,
        description=None if patched.description is UNSET else patched.description,
    )
    outcome = await call.node.executions.act(call.context(state.organization), state.uuid, command)
    return answer(renderer(call).job(done(call, outcome)))


async def cancel(call: Call) -> web.Response:
    """Ask a job to stop."""
    state = await find_current(call, segment(call, "job", "job"))
    outcome = await call.node.executions.act(
        call.context(state.organization), state.uuid, c.Cancel()
    )
    return answer(renderer(call).job(done(call, outcome)))


async def delete(call: Call) -> web.Response:
    """Hide a job that has ended; its history stays for auditors."""
    state = await find_current(call, segment(call, "job", "job"))
    outcome = await call.node.executions.act(
        call.context(state.organization), state.uuid, c.Delete()
    )
    done(call, outcome)
    return web.Response(status=204)
