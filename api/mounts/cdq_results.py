"""CDQ's job results and processing logs."""

from aiohttp import web

from api.dialects.cdq import parse, render, wire
from api.dialects.cdq.statuses import phases_of
from api.mounts.cdq_answers import Refused, answer, done, renderer
from api.mounts.keyed import raw_body, segment
from api.native.call import JSON, Call
from api.native.executions import find, find_current
from ledger.executions import commands as c
from projections.documents import query as documents


async def results(call: Call) -> web.Response:
    """Read what a job came to."""
    return answer(render.result(await find(call, segment(call, "job", "job"))))


async def put_result(call: Call) -> web.Response:
    """Record what a job came to that is run elsewhere, and has not ended."""
    call.require_type(JSON)
    posted = parse.parse_body(
        await raw_body(call), wire.PostedResult, max_depth=call.node.settings.max_json_depth
    )
    state = await find_current(call, segment(call, "job", "job"))
    command = c.Reports(
        reports=(c.Produced(output=posted.result_data),), worker=call.principal.name
    )
    outcome = await call.node.executions.act(call.context(state.organization), state.uuid, command)
    return answer(render.result(done(call, outcome)))


async def fetch_last(call: Call) -> web.Response:
    """Read what the last finished job of a type came to."""
    call.require_type(JSON)
    wanted = parse.parse_body(
        await raw_body(call), wire.FetchLast, max_depth=call.node.settings.max_json_depth
    )
    await call.node.covered("executions", call.minimum_position)
    page = await documents.page(
        call.node.store.pool,
        organizations=call.readable,
        wanted=documents.Listing(
            job_ids=(wanted.job_type,),
            storage_id=wanted.storage_id or None,
            user=wanted.user or None,
            all_tags=wanted.tags or None,
            phases=phases_of(frozenset(("FINISHED",))),
        ),
        descending=True,
        limit=1,
    )
    if not page.items:
        raise Refused(404, "No job of that kind has finished.")
    return answer(render.result(page.items[0]))


async def logs(call: Call) -> web.Response:
    """Read what a job's steps told."""
    return answer(renderer(call).logs(await find(call, segment(call, "job", "job"))))
