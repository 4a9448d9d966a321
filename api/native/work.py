"""`/v1/work`: handing executions to workers, one owner at a time.

A claim looks for candidates in the `active` view, which may be behind, and puts `Start` to each; the
stream's expected version lets exactly one worker win. What this process is handing out at the
moment is left alone by its other claims, so that they do not chase the same candidates.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from aiohttp import web

from api.native.call import Call, answer, uuid_of
from api.native.problems import ProblemError
from api.native.reports import requests_of
from api.native.views import execution_view
from api.native.waiting import place
from api.native.wire import Claimed, ClaimPost, Heartbeat, Lease
from ledger.errors import ClaimTaken, ProjectionLagging
from ledger.executions.commands import Start
from ledger.executions.state import ExecutionState
from ledger.handle.streams import Done
from ledger.ids import execution_of, execution_stream, new_uuid
from projections.active import query as active

LOOK_AGAIN_S: Final = 1.0
"""Retries become due without an event; a waiting claim looks for them this often."""
EXTRA_CANDIDATES: Final = 20


class HandingOut:
    """Executions that this process is about to hand to a worker."""

    def __init__(self) -> None:
        self.uuids: set[UUID] = set()


HANDING_OUT: Final = web.AppKey("handing-out", HandingOut)


async def claim(call: Call) -> web.Response:
    """Hand work to a worker; waits for some when there is none."""
    post = await call.body(ClaimPost)
    await call.node.step_types.announce(call.readable, post.step_types)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + post.wait_s
    with place(call, post.wait_s):
        while True:
            seen = call.node.store.tail.head
            leases = await _claim_some(call, post)
            left = deadline - loop.time()
            if leases or left <= 0:
                return answer(Claimed(leases=tuple(leases)))
            await call.node.store.tail.wait_past(seen, min(left, LOOK_AGAIN_S))


async def _claim_some(call: Call, post: ClaimPost) -> list[Lease]:
    with suppress(ProjectionLagging):  # an older view names work too; the append decides
        # All of the log, not only this node's writes: what woke the claim may be the ledger's own.
        seen = max(call.minimum_position, call.node.store.tail.head)
        await call.node.covered("active", seen)
    handing_out = call.request.app[HANDING_OUT].uuids
    candidates = await active.candidates(
        call.node.store.pool,
        organizations=call.readable,
        step_types=post.step_types,
        now=call.node.clock(),
        limit=post.limit + EXTRA_CANDIDATES + len(handing_out),
    )
    leases: list[Lease] = []
    for candidate in candidates:
        if len(leases) >= post.limit:
            break
        if candidate.uuid in handing_out:
            continue
        handing_out.add(candidate.uuid)
        try:
            lease = await _start(call, candidate.uuid, candidate.organization, post.worker)
        finally:
            handing_out.discard(candidate.uuid)
        if lease is not None:
            leases.append(lease)
    return leases


async def _start(call: Call, uuid: UUID, organization: str, worker: str) -> Lease | None:
    """Start one execution under a new lease; None when somebody else was faster.

    The lease is granted first: a crash before the append leaves a lease that expires, not an
    execution that nobody watches.
    """
    lease = new_uuid()
    stream = execution_stream(uuid)
    known = (await call.node.executions.streams.load(stream)).state
    if known is None:
        return None

    async def grant(state: ExecutionState, fence: int) -> datetime | None:
        return await call.node.store.grant_lease(
            stream,
            lease=lease,
            fence=fence,
            worker=worker,
            lease_s=state.policies.lease_s,
            organization=organization,
        )

    expires_at = await grant(known, known.fence + 1)
    try:
        outcome = await call.node.executions.start(
            call.context(organization), uuid, Start(worker=worker, lease=lease)
        )
    except ClaimTaken:
        outcome = None
    if not isinstance(outcome, Done) or outcome.state.lease != lease:
        await call.node.store.withdraw_lease(lease)
        return None
    call.wrote(outcome.records)
    state = outcome.state
    if expires_at is None or state.fence != known.fence + 1:
        expires_at = await grant(state, state.fence)
    return Lease(
        lease=lease,
        fence=state.fence,
        expires_at=expires_at or call.node.clock() + timedelta(seconds=state.policies.lease_s),
        lease_s=state.policies.lease_s,
        execution=execution_view(state),
    )


async def heartbeat(call: Call) -> web.Response:
    """Renew a lease, and tell what users asked of its worker."""
    lease = uuid_of(call.path("lease"), "lease")
    renewed = await call.node.store.renew_lease(lease, call.readable)
    uuid = execution_of(renewed.stream) if renewed is not None else None
    if renewed is None or uuid is None:
        raise _lost()
    state = await _now(call, renewed.stream)
    if state is None or state.lease != lease:
        raise _lost()
    body = Heartbeat(lease=lease, expires_at=renewed.expires_at, requests=requests_of(state))
    return answer(body)


async def _now(call: Call, stream: str) -> ExecutionState | None:
    return (await call.node.executions.streams.refresh(stream)).state


def _lost() -> ProblemError:
    return ProblemError(
        409,
        "lease-lost",
        "The lease has ended; stop working on its execution.",
        "It expired, or the execution was closed or taken over.",
    )
