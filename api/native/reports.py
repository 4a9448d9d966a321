"""Reports of running work, under a lease or by a recorder, for one execution at a time."""

from aiohttp import web

from api.native.call import Call, answer
from api.native.executions import etag, find_current
from api.native.problems import ProblemError
from api.native.wire import ReportsPost, ReportsTaken, Requests
from ledger.executions import commands as c
from ledger.executions.state import ExecutionState
from ledger.handle.streams import Done, StaleVersion
from ledger.ids import execution_stream
from ledger.rejection import Rejection


async def report(call: Call) -> web.Response:
    """Take a batch of reports of one execution."""
    post = await call.body(ReportsPost)
    state = await find_current(call, call.path("execution"), fresh=False)
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


async def take_reports(
    call: Call, state: ExecutionState, post: ReportsPost
) -> Done[ExecutionState] | Rejection | StaleVersion:
    """Put reports to an execution, and end the lease when they ended the work."""
    if post.fence is None and not call.principal.may(("recorder", "admin")):
        raise ProblemError(
            403,
            "forbidden",
            "Reporting without a lease takes the role recorder.",
            "Give the `fence` of your lease.",
            path="$.fence",
        )
    if post.fence is not None and not call.principal.may(("worker", "admin")):
        raise ProblemError(403, "forbidden", "Reporting under a lease takes the role worker.")
    command = c.Reports(
        reports=post.reports, fence=post.fence, worker=post.worker or call.principal.name
    )
    outcome = await call.node.executions.act(call.context(state.organization), state.uuid, command)
    # Work that a recorder tells of was never leased: its fence is 0.
    if isinstance(outcome, Done) and outcome.records:
        after = outcome.state
        if after.fence and not after.is_owned:
            await call.node.store.end_lease(execution_stream(after.uuid), after.fence)
    return outcome
