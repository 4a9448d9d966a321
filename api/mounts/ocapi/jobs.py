"""Create, read and delete executions."""

import re
from functools import partial
from http import HTTPStatus
from typing import Final

from aiohttp import web

from api.dialects.ocapi.body import is_text
from api.dialects.ocapi.errors import (
    conflict,
    execution_not_found,
    job_not_found,
    not_executable,
    of_refusal,
)
from api.dialects.ocapi.parse import parse_run
from api.dialects.ocapi.render import execution_document, resource_state
from api.mounts.ocapi.answers import answer, split_extension
from api.mounts.ocapi.incoming import Incoming
from api.native.call import Call
from api.native.executions import last_run_of
from ledger.errors import Unavailable
from ledger.events.definition import Definition
from ledger.executions import commands as c
from ledger.executions.state import ExecutionState
from ledger.handle.executions import Created, KeyReused, NewExecution
from ledger.handle.jobs import definition_of
from ledger.handle.streams import Done, StaleVersion
from ledger.handle.system import ensure_system_jobs
from ledger.ids import execution_stream
from ledger.jobs.system import SYSTEM_JOBS
from projections.executions import query as executions

RESOURCE_STATE_HEADER: Final = "x-dw-resource-state"
MAX_INCLUDED: Final = 100
MAX_TRIES: Final = 8
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")


async def create(incoming: Incoming) -> web.Response:
    """Run a job."""
    call = incoming.call
    job_id = incoming.path("job_id")
    if not is_text(job_id):
        raise job_not_found("")
    if job_id in SYSTEM_JOBS:
        call.wrote(await ensure_system_jobs(call.node.jobs, call.organization, (job_id,)))
    definition = await _definition(incoming, job_id)
    requested = parse_run(await incoming.document(), definition)
    await _require_step_types(incoming, job_id, definition)
    at_once = incoming.version.starts_at_once and job_id not in SYSTEM_JOBS
    wanted = NewExecution(
        job_id=job_id,
        parameters=requested.arguments,
        attributes=requested.attributes,
        trigger="ocapi",
        client_id=call.principal.public_id,
        user=call.principal.name,
        dispatch_at_once=at_once,
    )
    last_run = partial(last_run_of, call, job_id)
    creation = await call.node.executions.create(call.context(), wanted, last_run=last_run)
    if isinstance(creation, KeyReused):
        raise AssertionError(creation.key)  # noqa: TRY004 - no key is given
    if not isinstance(creation, Created):
        raise of_refusal(
            creation,
            job_id=job_id,
            not_executable_status=call.node.settings.ocapi_not_executable_status,
        )
    call.wrote(creation.records)
    return answer(
        incoming.request,
        execution_document(creation.state, incoming.version),
        status=HTTPStatus.OK if at_once else HTTPStatus.ACCEPTED,
    )


async def _definition(incoming: Incoming, job_id: str) -> Definition:
    call = incoming.call
    for fresh in (False, True):
        found = definition_of(await call.node.jobs.read(call.organization, job_id, fresh=fresh))
        if found is not None:
            return found
    raise job_not_found(job_id)


async def _require_step_types(incoming: Incoming, job_id: str, definition: Definition) -> None:
    """Refuse a job with a step that nobody is known to be able to run."""
    call = incoming.call
    step_types: set[str] = set()
    seen = {job_id}
    waiting = [definition]
    while waiting and len(seen) <= MAX_INCLUDED:
        for step in waiting.pop().steps:
            if step.include is None:
                step_types.add(step.step_type_id)
            elif step.include not in seen:
                seen.add(step.include)
                loaded = await call.node.jobs.read(call.organization, step.include, fresh=False)
                included = definition_of(loaded)
                if included is not None:
                    waiting.append(included)
    if await call.node.step_types.unknown(call.organization, step_types):
        raise not_executable(job_id, call.node.settings.ocapi_not_executable_status)


async def read(incoming: Incoming) -> web.Response:
    """Show an execution."""
    state = await find(incoming)
    return answer(incoming.request, execution_document(state, incoming.version))


async def find(incoming: Incoming) -> ExecutionState:
    """Find the execution that the path names.

    Raises:
        Fault: there is none of that number that the caller may see, or it is another job's.
    """
    call = incoming.call
    told, _ = split_extension(incoming.path("id"))
    if not _NUMBER.fullmatch(told):
        raise execution_not_found(told if is_text(told) else "")
    state = await _by_number(call, int(told), call.minimum_position)
    if state is None:  # it may have been created at another node just now
        state = await _by_number(call, int(told), await call.node.store.head())
    if state is None or state.erased or state.job_id != incoming.path("job_id"):
        raise execution_not_found(told)
    return state


async def _by_number(call: Call, number: int, position: int) -> ExecutionState | None:
    await call.node.covered("executions", position)
    found = await executions.by_number(call.node.store.pool, number, organizations=call.readable)
    return found.state


async def delete(incoming: Incoming) -> web.Response:
    """Hide a closed execution; a resource state that is sent along must still be its own."""
    call = incoming.call
    known = await find(incoming)
    told = await _resource_state(incoming)
    stream = execution_stream(known.uuid)
    for _ in range(MAX_TRIES):
        state = (await call.node.executions.streams.refresh(stream)).state or known
        if told is not None and told != resource_state(state):
            raise conflict(told)
        outcome = await call.node.executions.act(
            call.context(state.organization),
            state.uuid,
            c.Delete(),
            if_version=None if told is None else state.version,
        )
        if isinstance(outcome, StaleVersion):
            continue
        if not isinstance(outcome, Done):
            raise of_refusal(outcome, job_id=known.job_id, execution_id=str(known.number))
        if not outcome.records:  # somebody else deleted it since it was found
            raise execution_not_found(str(known.number))
        call.wrote(outcome.records)
        return web.Response(status=HTTPStatus.NO_CONTENT)
    message = "the execution is being changed by too many at once"
    raise Unavailable(message, retry_after_s=0.5)


async def _resource_state(incoming: Incoming) -> str | None:
    """Give the resource state that the client saw, from the header or the document."""
    header = incoming.request.headers.get(RESOURCE_STATE_HEADER)
    if header is not None:
        return header.strip()
    document = await incoming.document()
    told = document.get("_resource_state") if document else None
    return told if isinstance(told, str) else None
