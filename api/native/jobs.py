"""`/v1/jobs`: define, read, list, change, schedule, retire."""

from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp import web

from api.native.body import decode_body
from api.native.call import Call, answer
from api.native.cursor import decode_pair, encode_pair
from api.native.executions import MERGE_TRIES, list_headers
from api.native.problems import ProblemError, not_found, of
from api.native.views import job_view, listed_job_view
from api.native.wire import JobList, JobPost
from ledger.events.definition import Definition, Schedule
from ledger.handle.streams import StaleVersion
from ledger.ids import new_uuid
from ledger.jobs import commands as c
from ledger.jobs import schedule as schedules
from ledger.jobs.state import JobState
from projections.jobs import query as jobs


def _headers(state: JobState) -> dict[str, str]:
    return {"ETag": f'"{state.version}"', "Ledger-Position": str(state.position)}


def _shown(call: Call, state: JobState, *, status: int = 200) -> web.Response:
    headers = _headers(state)
    if status == 201:
        headers["Location"] = f"/v1/jobs/{quote(state.job_id, safe='')}"
    return answer(job_view(state, call.node.clock()), status=status, headers=headers)


async def find(call: Call) -> JobState:
    """Find the job that the path names, in the log itself.

    Raises:
        ProblemError: there is none that the caller may see, or it was retired.
    """
    job_id = call.path("job_id")
    loaded = await call.node.jobs.read(call.organization, job_id, fresh=True)
    if loaded.state is None or loaded.state.retired:
        raise not_found("job", job_id)
    return loaded.state


async def define(call: Call) -> web.Response:
    """Define a job under the id in the body; repeating it changes nothing."""
    post = await call.body(JobPost)
    if post.schedule is not None:
        flaw = schedules.check(post.schedule)
        if flaw is not None:
            raise of(flaw, "$.schedule")
    command = c.Define(uuid=new_uuid(), job_id=post.job_id, definition=post.definition)
    outcome = await call.node.jobs.change(call.context(), post.job_id, command)
    is_new = bool(getattr(outcome, "records", ()))
    state = call.done(outcome, "$.definition")
    if post.schedule is not None:
        state = call.done(
            await call.node.jobs.change(
                call.context(), post.job_id, c.SetSchedule(schedule=post.schedule)
            )
        )
    return _shown(call, state, status=201 if is_new else 200)


async def put(call: Call) -> web.Response:
    """Define a job, or replace its definition."""
    definition = await call.body(Definition)
    job_id = _valid_id(call.path("job_id"))
    loaded = await call.node.jobs.read(call.organization, job_id, fresh=True)
    exists = loaded.state is not None and not loaded.state.retired
    if (call.must_exist and not exists) or (call.must_not_exist and exists):
        raise of(StaleVersion(loaded.version if exists else 0))
    if exists:
        command: c.Command = c.Change(definition=definition)
    else:
        command = c.Define(uuid=new_uuid(), job_id=job_id, definition=definition)
    outcome = await call.node.jobs.change(
        call.context(), job_id, command, if_version=call.if_version if exists else None
    )
    return _shown(call, call.done(outcome), status=200 if exists else 201)


def _valid_id(job_id: str) -> str:
    body = msgspec.json.encode({"job_id": job_id, "definition": {}})
    return decode_body(body, JobPost, max_depth=8).job_id


async def patch(call: Call) -> web.Response:
    """Change parts of a definition (RFC 7396)."""
    change = await call.body(dict[str, Any])
    for _ in range(MERGE_TRIES):
        state = await find(call)
        merged = merge_patch(msgspec.to_builtins(state.definition), change)
        definition = decode_body(
            msgspec.json.encode(merged), Definition, call.node.settings.max_json_depth
        )
        # What the patch was merged with must still be the definition.
        outcome = await call.node.jobs.change(
            call.context(),
            state.job_id,
            c.Change(definition=definition),
            if_version=state.version if call.if_version is None else call.if_version,
        )
        if not isinstance(outcome, StaleVersion) or call.if_version is not None:
            return _shown(call, call.done(outcome))
    raise ProblemError(409, "conflict", "Others kept changing it at the same time.")


def merge_patch(target: Any, change: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396, section 2)."""
    if not isinstance(change, dict):
        return change
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in change.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


async def read(call: Call) -> web.Response:
    """Read one job."""
    state = await find(call)
    headers = _headers(state)
    if call.is_known(headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return _shown(call, state)


async def retire(call: Call) -> web.Response:
    """Let a job never run again; its history stays."""
    state = await find(call)
    outcome = await call.node.jobs.change(
        call.context(), state.job_id, c.Retire(), if_version=call.if_version
    )
    return web.Response(status=204, headers=_headers(call.done(outcome)))


async def list_jobs(call: Call) -> web.Response:
    """List jobs by id."""
    await call.node.covered("jobs", call.minimum_position)
    page = await jobs.page(
        call.node.store.pool,
        organizations=call.readable,
        tags=call.queries("tag") or None,
        job_type=call.query("type"),
        after=decode_pair(call.query("after")),
        limit=call.query_integer("limit", 100, low=1, high=call.node.settings.max_page),
    )
    now = call.node.clock()
    cursor = encode_pair(page.next_after)
    body = JobList(
        jobs=tuple(listed_job_view(item, now) for item in page.items),
        position=page.position,
        next=cursor,
    )
    return answer(body, headers=list_headers(call, page.position, cursor))


async def set_schedule(call: Call) -> web.Response:
    """Let a job run by itself."""
    schedule = await call.body(Schedule)
    state = await find(call)
    outcome = await call.node.jobs.change(
        call.context(), state.job_id, c.SetSchedule(schedule=schedule), if_version=call.if_version
    )
    return _shown(call, call.done(outcome))


async def clear_schedule(call: Call) -> web.Response:
    """Let a job no longer run by itself."""
    state = await find(call)
    outcome = await call.node.jobs.change(
        call.context(), state.job_id, c.ClearSchedule(), if_version=call.if_version
    )
    return web.Response(status=204, headers=_headers(call.done(outcome)))


async def read_schedule(call: Call) -> web.Response:
    """Read a job's schedule."""
    state = await find(call)
    if state.schedule is None:
        raise ProblemError(404, "not-found", f"The job {state.job_id!r} has no schedule.")
    return answer(state.schedule, headers=_headers(state))
