"""`/v1/executions` and `/v1/jobs/{job_id}/executions`: run, read, list, describe, control, delete."""

from functools import partial
from typing import Any, Final, get_args
from uuid import UUID

from aiohttp import web
from msgspec import UNSET
from msgspec.structs import replace

from api.auth.principal import AUDITORS
from api.native.as_of import pasts, position_of
from api.native.call import Call, answer, uuid_of
from api.native.cursor import decode_cursor, encode_cursor
from api.native.problems import ProblemError, malformed, not_found, of
from api.native.views import (
    active_then,
    active_view,
    execution_view,
    history_view,
    short_execution_view,
)
from api.native.wire import (
    ActiveList,
    ExecutionList,
    ExecutionPatch,
    ExecutionPost,
    HistoryList,
    ReasonPost,
)
from ledger.errors import ProjectionLagging
from ledger.events.executions import Outcome
from ledger.executions import commands as c
from ledger.executions.state import ExecutionState, Status
from ledger.handle.executions import Created, Creation, LastRun, NewExecution
from ledger.handle.streams import StaleVersion
from ledger.ids import OID_LENGTH, execution_stream
from projections import outlook
from projections.executions import query as executions
from projections.history import query as history
from projections.history.as_of import open_then
from projections.jobs import query as jobs

MAX_IDEMPOTENCY_KEY: Final = 255
MAX_NUMBER_DIGITS: Final = 18
MAX_LABELS: Final = 100
MERGE_TRIES: Final = 8


def etag(state: ExecutionState) -> dict[str, str]:
    """Give the headers that say which version an answer shows."""
    return {"ETag": f'"{state.version}"', "Ledger-Position": str(state.position)}


async def create(call: Call) -> web.Response:
    """Run a job."""
    post = await call.optional_body(ExecutionPost)
    wanted = new_execution(call, call.path("job_id"), post, idempotency_key(call))
    return _shown(await create_execution(call, wanted))


def _shown(created: Created) -> web.Response:
    headers = etag(created.state) | {"Location": f"/v1/executions/{created.state.uuid}"}
    if not created.is_new:
        headers["Idempotent-Replayed"] = "true"
    status = 201 if created.is_new else 200
    return answer(execution_view(created.state), status=status, headers=headers)


def idempotency_key(call: Call) -> str | None:
    """Read the Idempotency-Key header."""
    key = call.request.headers.get("Idempotency-Key")
    if key is None:
        return None
    key = key.strip().strip('"')
    if not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY or not key.isprintable():
        raise malformed(f"give 1 to {MAX_IDEMPOTENCY_KEY} printable characters", "Idempotency-Key")
    return key


def new_execution(call: Call, job_id: str, post: ExecutionPost, key: str | None) -> NewExecution:
    """Turn a request into what the ledger is asked to create."""
    return NewExecution(
        job_id=job_id,
        parameters=post.parameters,
        input=post.input,
        name=post.name,
        description=post.description,
        tags=None if post.tags is UNSET else post.tags,
        labels=None if post.labels is UNSET else post.labels,
        attributes=post.attributes,
        run_at=post.run_at,
        waits_for=post.waits_for,
        client_id=call.principal.public_id,
        user=call.principal.name,
        idempotency_key=key,
    )


async def create_execution(call: Call, wanted: NewExecution) -> Created:
    """Create an execution.

    Raises:
        ProblemError: it was refused.
    """
    last_run = partial(last_run_of, call, wanted.job_id)
    creation = await call.node.executions.create(call.context(), wanted, last_run=last_run)
    return _created(call, creation)


def _created(call: Call, creation: Creation) -> Created:
    if isinstance(creation, Created):
        call.wrote(creation.records)
        return creation
    raise of(creation, "definition")


async def last_run_of(call: Call, job_id: str) -> LastRun | None:
    """Look up how a job's last closed execution ended."""
    await call.node.covered("jobs")
    found = await jobs.by_job_id(call.node.store.pool, job_id, organizations=[call.organization])
    last = found.job.last if found.job is not None else None
    if last is None or last.ended_at is None:
        return None
    return LastRun(uuid=last.uuid, failed=last.status == "finished" and last.outcome == "error")


async def find(call: Call, name: str, *, deleted: bool = False) -> ExecutionState:
    """Find an execution by uuid, number or oid.

    *deleted* ones are found only for auditors.

    Raises:
        ProblemError: there is none that the caller may see.
    """
    try:
        await call.node.covered("executions", call.minimum_position)
        state = await _by_name(call, name)
    except ProjectionLagging:
        # By its uuid an execution is found in the log itself, however far behind the views are.
        state = await _fold(call, name)
        if state is None:
            raise
    else:
        # Who was told of it by the log, or by another view, may come before this view has it.
        state = state or await _fold(call, name)
    if state is None or (state.deleted and not (deleted and call.principal.may(AUDITORS))):
        raise not_found("execution", name)
    return state


async def find_current(call: Call, name: str, *, fresh: bool = True) -> ExecutionState:
    """Find an execution in the log itself, not in a view that may be behind.

    Without *fresh* it may be as this process saw it last, which is enough to put a command to it.

    Raises:
        ProblemError: there is none that the caller may see.
    """
    found = await _fold(call, name, fresh=fresh)
    if found is None:
        found = await _fold(call, str((await find(call, name)).uuid), fresh=fresh)
    if found is None or found.deleted:
        raise not_found("execution", name)
    return found


async def _by_name(call: Call, name: str) -> ExecutionState | None:
    pool = call.node.store.pool
    named: dict[str, Any] = {"organizations": call.readable, "include_deleted": True}
    if name.isascii() and name.isdigit() and len(name) <= MAX_NUMBER_DIGITS:
        found = await executions.by_number(pool, int(name), **named)
    elif len(name) == OID_LENGTH:
        found = await executions.by_oid(pool, name.lower(), **named)
    else:
        found = await executions.by_uuid(pool, uuid_of(name, "execution"), **named)
    call.reflects = found.position
    return found.state


async def _fold(call: Call, name: str, *, fresh: bool = True) -> ExecutionState | None:
    """Read an execution from the log, by its uuid; None when *name* is none."""
    try:
        uuid = UUID(name)
    except ValueError:
        return None
    streams = call.node.executions.streams
    stream = execution_stream(uuid)
    state = (await (streams.refresh(stream) if fresh else streams.load(stream))).state
    return state if state is not None and call.sees(state.organization) else None


async def read(call: Call) -> web.Response:
    """Read one execution, now or as it was."""
    state = await find(call, call.path("execution"), deleted=True)
    as_of = call.query("as_of")
    if as_of is not None:
        return await _read_as_of(call, state.uuid, as_of)
    headers = etag(state) | {"Ledger-Position": str(max(state.position, call.reflects))}
    if call.is_known(headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return answer(execution_view(state), headers=headers)


async def _read_as_of(call: Call, uuid: UUID, as_of: str) -> web.Response:
    position = await position_of(call, as_of)
    past = (await call.node.executions.streams.as_of(execution_stream(uuid), position)).state
    if past is None:
        raise ProblemError(
            404, "not-found", f"There was no such execution at position {position} of the log."
        )
    return answer(execution_view(past), headers={"Ledger-Position": str(position)})


async def list_executions(call: Call) -> web.Response:
    """List executions, newest first."""
    limit = call.query_integer("limit", 50, low=1, high=call.node.settings.max_page)
    wanted = executions.Filter(
        job_id=call.query("job_id"),
        statuses=call.choices("status", get_args(Status)) or None,
        outcomes=call.choices("outcome", get_args(Outcome)) or None,
        tags=call.queries("tag") or None,
        labels=_labels(call) or None,
        user=call.query("user"),
        trigger=call.query("trigger"),
        created_from=call.query_instant("created_after"),
        created_before=call.query_instant("created_before"),
        started_from=call.query_instant("started_after"),
        started_before=call.query_instant("started_before"),
        ended_from=call.query_instant("ended_after"),
        ended_before=call.query_instant("ended_before"),
        include_deleted=call.query_flag("deleted") and call.principal.may(AUDITORS),
    )
    await call.node.covered("executions", call.minimum_position)
    page = await executions.page(
        call.node.store.pool,
        organizations=call.readable,
        wanted=wanted,
        before=decode_cursor(call.query("after"), "e"),
        limit=limit,
        with_total=call.query_flag("total"),
    )
    cursor = encode_cursor("e", page.next_before)
    view = short_execution_view if call.query_flag("short") else execution_view
    body = ExecutionList(
        executions=tuple(view(state) for state in page.items),
        position=page.position,
        next=cursor,
        total=page.total,
    )
    return answer(body, headers=list_headers(call, page.position, cursor))


def list_headers(
    call: Call, position: int, cursor: str | None, **more: int | str
) -> dict[str, str]:
    """Say which position a list reflects, and where its next page is (RFC 8288)."""
    headers = {"Ledger-Position": str(position)}
    if cursor is not None:
        following = call.request.rel_url.update_query(after=cursor, **more)
        headers["Link"] = f'<{following}>; rel="next"'
    return headers


def _labels(call: Call) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in call.request.query.getall("label", []):
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise malformed(f"{text[:50]!r} is not of the form name=value", "?label")
        labels[name] = value
    return labels


async def list_active(call: Call) -> web.Response:
    """List what is open, newest first, with the time each has left; or what was open then."""
    as_of = call.query("as_of")
    if as_of is not None:
        return await _list_active_as_of(call, as_of)
    await call.node.covered("active", call.minimum_position)
    page = await outlook.page(
        call.node.store.pool,
        organizations=call.readable,
        now=call.node.clock(),
        job_id=call.query("job_id"),
        statuses=call.choices("status", get_args(Status)) or None,
        before=decode_cursor(call.query("after"), "a"),
        limit=call.query_integer("limit", 100, low=1, high=call.node.settings.max_page),
    )
    cursor = encode_cursor("a", page.next_before)
    body = ActiveList(
        executions=tuple(active_view(item) for item in page.items),
        position=page.position,
        next=cursor,
    )
    return answer(body, headers=list_headers(call, page.position, cursor))


async def _list_active_as_of(call: Call, as_of: str) -> web.Response:
    position = await position_of(call, as_of)
    await call.node.covered("executions", position)
    page = await open_then(
        call.node.store.pool,
        position,
        organizations=call.readable,
        job_id=call.query("job_id"),
        include_deleted=call.principal.may(AUDITORS),
        before=decode_cursor(call.query("after"), "a"),
        limit=call.query_integer("limit", 100, low=1, high=call.node.settings.max_page),
    )
    statuses = call.choices("status", get_args(Status))
    # Filtered after they were folded: a page may hold fewer than asked for, and still have a next one.
    executions = tuple(
        active_then(past)
        for past in await pasts(call, page.uuids, position)
        if not statuses or past.state.status in statuses
    )
    cursor = encode_cursor("a", page.next_before)
    body = ActiveList(executions=executions, position=position, next=cursor)
    # The next page is of the same moment, also where this one was asked for by a time.
    return answer(body, headers=list_headers(call, position, cursor, as_of=position))


async def job_history(call: Call) -> web.Response:
    """List a job's executions, newest first; auditors see the deleted ones too."""
    await call.node.covered("executions", call.minimum_position)
    page = await history.page(
        call.node.store.pool,
        organizations=call.readable,
        job_id=call.path("job_id"),
        before=decode_cursor(call.query("after"), "h"),
        limit=call.query_integer("limit", 50, low=1, high=call.node.settings.max_page),
    )
    cursor = encode_cursor("h", page.next_before)
    shows_deleted = call.principal.may(AUDITORS)
    rows = tuple(history_view(row) for row in page.items if shows_deleted or not row.deleted)
    body = HistoryList(executions=rows, position=page.position, next=cursor)
    return answer(body, headers=list_headers(call, page.position, cursor))


async def describe(call: Call) -> web.Response:
    """Change an execution's words (RFC 7396)."""
    patch = await call.body(ExecutionPatch)
    merges = bool(patch.labels)
    for _ in range(MERGE_TRIES):
        state = await find_current(call, call.path("execution"))
        command = c.Describe(
            name=_patched(patch.name, ""),
            description=_patched(patch.description, ""),
            tags=_patched(patch.tags, ()),
            labels=_merged_labels(patch.labels, state.labels),
        )
        # Labels are merged with those that were read: they must still be the same.
        read_version = state.version if merges else None
        outcome = await call.node.executions.act(
            call.context(state.organization),
            state.uuid,
            command,
            if_version=read_version if call.if_version is None else call.if_version,
        )
        if not isinstance(outcome, StaleVersion) or call.if_version is not None:
            after = call.done(outcome)
            return answer(execution_view(after), headers=etag(after))
    raise ProblemError(409, "conflict", "Others kept changing it at the same time.")


def _patched(told: Any, empty: Any) -> Any:
    if told is UNSET:
        return None
    return empty if told is None else told


def _merged_labels(told: Any, known: dict[str, str]) -> dict[str, str] | None:
    if told is UNSET:
        return None
    if told is None:
        return {}
    merged = {name: value for name, value in (known | told).items() if value is not None}
    if len(merged) > MAX_LABELS:
        raise malformed(f"there would be more than {MAX_LABELS} labels", "$.labels")
    return merged


async def delete(call: Call) -> web.Response:
    """Hide a closed execution from views; its history stays for auditors."""
    state = await find(call, call.path("execution"))
    outcome = await call.node.executions.act(
        call.context(state.organization), state.uuid, c.Delete(), if_version=call.if_version
    )
    after = call.done(outcome)
    return web.Response(status=204, headers=etag(after))


async def cancel(call: Call) -> web.Response:
    """Ask an execution to stop."""
    post = await call.optional_body(ReasonPost)
    return await _act(call, await find(call, call.path("execution")), c.Cancel(reason=post.reason))


async def pause(call: Call) -> web.Response:
    """Ask an execution to pause."""
    post = await call.optional_body(ReasonPost)
    return await _act(call, await find(call, call.path("execution")), c.Pause(reason=post.reason))


async def resume(call: Call) -> web.Response:
    """Let a paused execution go on."""
    await call.optional_body(ReasonPost)
    return await _act(call, await find(call, call.path("execution")), c.Resume())


async def restart(call: Call) -> web.Response:
    """Run a failed execution's work again, from the step where it ended."""
    post = await call.optional_body(ExecutionPost)
    old = await find_current(call, call.path("execution"))
    wanted = new_execution(call, old.job_id, post, idempotency_key(call))
    if not wanted.parameters and wanted.input is None:
        wanted = replace(wanted, parameters=old.created.parameters, input=old.created.input)
    creation = await call.node.executions.restart(call.context(old.organization), old, wanted)
    return _shown(_created(call, creation))


async def _act(call: Call, state: ExecutionState, command: c.Command) -> web.Response:
    outcome = await call.node.executions.act(
        call.context(state.organization), state.uuid, command, if_version=call.if_version
    )
    after = call.done(outcome)
    return answer(execution_view(after), headers=etag(after))
