"""CDQ's scheduled jobs: a job type's schedule, under the type's own uuid."""

from typing import Final
from uuid import UUID

from aiohttp import web
from msgspec import UNSET

from api.auth.principal import OPERATORS, READERS
from api.dialects.cdq import parse, render, wire
from api.dialects.port import MalformedRequest
from api.mounts.cdq_answers import Refused, answer, done
from api.mounts.keyed import keyed, raw_body
from api.native.call import JSON, Call
from api.native.cursor import decode_pair, encode_pair
from api.native.problems import ProblemError
from ledger.events.definition import Schedule
from ledger.jobs import commands as c
from ledger.jobs.schedule import next_due_times
from ledger.jobs.state import JobState
from projections.jobs import query as jobs

_PATH: Final = "/v2/scheduled-jobs"


def _shown(call: Call, state: JobState) -> wire.ScheduledJob:
    schedule = state.schedule or Schedule()
    due = next_due_times(schedule, call.node.clock(), 1) if state.schedule is not None else ()
    return render.scheduled_job(state, schedule, due[0] if due else None)


async def create(call: Call) -> web.Response:
    """Let jobs of a type run by themselves."""
    call.require_type(JSON)
    posted = parse.parse_body(
        await raw_body(call), wire.PostedSchedule, max_depth=call.node.settings.max_json_depth
    )
    job = (await call.node.jobs.read(call.organization, posted.job_type, fresh=True)).state
    if job is None or job.retired:
        raise Refused(404, f"There is no job type {posted.job_type[:100]!r}.")
    if job.schedule is not None:
        raise Refused(409, f"It is scheduled already, under the id {job.uuid}.")
    state = await _set(call, job, posted)
    return answer(_shown(call, state), status=201, headers={"Location": f"{_PATH}/{state.uuid}"})


async def _set(call: Call, job: JobState, told: wire.PostedSchedule | wire.PutSchedule) -> JobState:
    schedule = Schedule(
        cron=told.cron, at=told.start_at, time_zone=told.time_zone, paused=told.paused
    )
    outcome = await call.node.jobs.change(
        call.context(job.organization), job.job_id, c.SetSchedule(schedule=schedule)
    )
    return done(call, outcome)


async def list_scheduled(call: Call) -> web.Response:
    """List schedules, by job type."""
    wanted = parse.parse_types({"limit": call.request.query.getall("limit", [])})
    try:
        after = decode_pair(call.query("startAfter"))
    except ProblemError:
        raise MalformedRequest("startAfter", "it is not a value that a page gave out") from None
    await call.node.covered("jobs", call.minimum_position)
    found: list[wire.ScheduledJob] = []
    while True:
        page = await jobs.page(
            call.node.store.pool,
            organizations=call.readable,
            after=after,
            limit=wanted.limit - len(found),
        )
        found += [_shown(call, job.state) for job in page.items if job.state.schedule is not None]
        after = page.next_after
        if after is None or len(found) >= wanted.limit:
            break
    cursor = encode_pair(after)
    return answer(
        wire.ScheduledJobList(
            scheduled_jobs=tuple(found), next_start_after=UNSET if cursor is None else cursor
        )
    )


async def _find(call: Call) -> JobState:
    try:
        uuid = UUID(call.path("schedule"))
    except ValueError:
        raise _unknown() from None
    await call.node.covered("jobs", call.minimum_position)
    found = (await jobs.by_uuid(call.node.store.pool, uuid, organizations=call.readable)).job
    if found is None:
        raise _unknown()
    state = found.state
    current = (await call.node.jobs.read(state.organization, state.job_id, fresh=True)).state
    if current is None or current.uuid != uuid or current.schedule is None:
        raise _unknown()
    return current


def _unknown() -> Refused:
    return Refused(404, "There is no such scheduled job.")


async def read(call: Call) -> web.Response:
    """Read a schedule."""
    return answer(_shown(call, await _find(call)))


async def put(call: Call) -> web.Response:
    """Replace a schedule."""
    call.require_type(JSON)
    told = parse.parse_body(
        await raw_body(call), wire.PutSchedule, max_depth=call.node.settings.max_json_depth
    )
    job = await _find(call)
    if told.job_type not in (UNSET, job.job_id):
        raise MalformedRequest("$.jobType", "a schedule stays with its job type")
    return answer(_shown(call, await _set(call, job, told)))


async def delete(call: Call) -> web.Response:
    """Let jobs of a type no longer run by themselves."""
    job = await _find(call)
    outcome = await call.node.jobs.change(
        call.context(job.organization), job.job_id, c.ClearSchedule()
    )
    done(call, outcome)
    return web.Response(status=204)


SCHEDULE_ROUTES: Final = (
    web.post(_PATH, keyed(create, OPERATORS)),
    web.get(_PATH, keyed(list_scheduled, READERS)),
    web.get(f"{_PATH}/{{schedule}}", keyed(read, READERS)),
    web.put(f"{_PATH}/{{schedule}}", keyed(put, OPERATORS)),
    web.delete(f"{_PATH}/{{schedule}}", keyed(delete, OPERATORS)),
)
