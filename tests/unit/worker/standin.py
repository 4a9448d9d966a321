"""A server of one execution, which rules on reports with the ledger's own decider.

It can be told to fail in ways that a real one does only by chance: to lose its answer after it took
a report, or to refuse connections for a while.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.client.session import Ledger
from api.native import wire
from api.worker.claiming import Worker
from api.worker.steps.port import Handler
from api.worker.steps.registry import BUILT_IN
from ledger.clock import system_clock
from ledger.events.codec import type_of
from ledger.events.definition import Definition, Policies, RetryPolicy
from ledger.events.envelope import Recorded
from ledger.events.executions import Argument, ExecutionCreated, PlannedStep
from ledger.executions import commands as c
from ledger.executions.decide import decide
from ledger.executions.facts import ahead
from ledger.executions.state import ExecutionState, evolve
from ledger.ids import execution_stream, new_uuid, oid_of
from ledger.rejection import ReportFenced
from tests.waiting import eventually


def step(step_id: str, kind: str, **settings: Any) -> PlannedStep:
    """Plan a step; its place is given by `StandIn`."""
    return PlannedStep(index=0, step_id=step_id, step_type_id=kind, settings=settings)


class StandIn:
    """The stand-in; `url` once it is started."""

    def __init__(
        self,
        *steps: PlannedStep,
        policies: Policies | None = None,
        parameters: Mapping[str, Any] | None = None,
        given: Any = None,
    ) -> None:
        self.types: list[str] = []
        self.refused = 0
        self.lose_answers = 0
        """How many more times a report is taken and its answer lost."""
        self.break_connections = False
        self.bodies: list[bytes] = []
        planned = tuple(
            msgspec.structs.replace(item, index=place) for place, item in enumerate(steps, start=1)
        )
        definition = Definition(policies=policies or Policies())
        uuid = new_uuid()
        created = decide(
            None,
            c.Create(
                created=ExecutionCreated(
                    uuid=uuid,
                    job_id="Job",
                    job_uuid=new_uuid(),
                    job_number=1,
                    definition=definition,
                    steps=planned,
                    parameters=tuple(
                        Argument(name=k, value=v) for k, v in (parameters or {}).items()
                    ),
                    input=given,
                ),
            ),
            system_clock(),
            uuid=uuid,
        )
        assert isinstance(created, tuple)
        self.state: ExecutionState = evolve(
            None, _recorded(created[0].event, created[0].occurred_at)
        )

    def put(self, command: c.Command) -> Any:
        """Rule on a command and take in what follows."""
        now = system_clock()
        decided = decide(self.state, command, now, uuid=self.state.uuid)
        if isinstance(decided, tuple):
            self.types.extend(type_of(fact.event) for fact in decided)
            self.state = ahead(self.state, decided, now=now)
        return decided

    def app(self) -> web.Application:
        """Give the routes that a worker calls."""
        app = web.Application()
        app.router.add_post("/v1/work/claim", self._claim)
        app.router.add_post("/v1/work/{lease}/heartbeat", self._heartbeat)
        app.router.add_post("/v1/executions/{uuid}/reports", self._reports)
        app.router.add_get("/v1/executions/{uuid}", self._get)
        return app

    async def _claim(self, request: web.Request) -> web.Response:
        post = msgspec.json.decode(await request.read(), type=wire.ClaimPost)
        state = self.state
        ready = state.waiting_for == "worker" or state.status == "pending"
        due = state.ready_at is None or state.ready_at <= system_clock()
        if not (ready and due) or state.is_owned or not state.is_open:
            await asyncio.sleep(0.02)  # noqa: TID251 - a long-poll, cut short
            return _answer(wire.Claimed(leases=()))
        lease = new_uuid()
        self.put(c.Start(worker=post.worker, lease=lease))
        lease_s = self.state.policies.lease_s
        given = wire.Lease(
            lease=lease,
            fence=self.state.fence,
            expires_at=system_clock() + timedelta(seconds=lease_s),
            lease_s=lease_s,
            execution=self.view(),
        )
        return _answer(wire.Claimed(leases=(given,)))

    async def _heartbeat(self, request: web.Request) -> web.Response:
        self._maybe_break(request)
        lease = UUID(request.match_info["lease"])
        if self.state.lease != lease:
            return _problem(409, "lease-lost")
        expires_at = system_clock() + timedelta(seconds=self.state.policies.lease_s)
        return _answer(
            wire.Heartbeat(lease=lease, expires_at=expires_at, requests=self._requests())
        )

    async def _reports(self, request: web.Request) -> web.Response:
        self._maybe_break(request)
        raw = await request.read()
        self.bodies.append(raw)
        post = msgspec.json.decode(raw, type=wire.ReportsPost)
        decided = self.put(c.Reports(reports=post.reports, fence=post.fence, worker=post.worker))
        if self.lose_answers > 0:
            self.lose_answers -= 1
            _break(request)
        if isinstance(decided, ReportFenced):
            self.refused += 1
            return _problem(409, "fenced")
        if not isinstance(decided, tuple):
            return _problem(422, "report-invalid", str(decided))
        taken = wire.ReportsTaken(
            execution=self.state.uuid,
            status=self.state.status,
            version=self.state.version,
            position=1,
            requests=self._requests(),
        )
        return _answer(taken)

    async def _get(self, request: web.Request) -> web.Response:
        return _answer(self.view())

    def _requests(self) -> wire.Requests:
        wishes: dict[str, wire.Requests] = {"aborting": ("cancel",), "pausing": ("pause",)}
        return wishes.get(self.state.status, ())

    def _maybe_break(self, request: web.Request) -> None:
        if self.break_connections:
            _break(request)

    def view(self) -> wire.ExecutionView:
        """Show the execution."""
        state = self.state
        steps = tuple(
            wire.StepView(
                index=s.plan.index,
                step_id=s.plan.step_id,
                step_type_id=s.plan.step_type_id,
                status=s.status,
                scope=s.plan.scope,
                settings=s.plan.settings,
                timeout_s=s.plan.timeout_s,
                retry=s.plan.retry,
                attempt=s.attempt,
                outcome=s.outcome,
                exit_code=s.exit_code,
            )
            for s in state.steps
        )
        due = None
        if state.status == "pausing" and state.deadline_at is not None:
            due = wire.Next(who="worker", at=state.deadline_at, otherwise="paused")
        return wire.ExecutionView(
            uuid=state.uuid,
            number=1,
            oid=oid_of(state.uuid),
            job_id=state.job_id,
            organization="default",
            status=state.status,
            created_at=state.created_at,
            modified_at=state.modified_at,
            attempt=state.attempt,
            version=state.version,
            position=1,
            next=due,
            steps=steps,
            parameters=state.created.parameters,
            input=state.created.input,
            output=state.output,
        )


def retried(planned: PlannedStep, times: int) -> PlannedStep:
    """Give a step a retry policy without waits."""
    policy = RetryPolicy(max_attempts=times, delay_s=0)
    return msgspec.structs.replace(planned, retry=policy)


def timed(planned: PlannedStep, timeout_s: float) -> PlannedStep:
    """Give a step a time limit."""
    return msgspec.structs.replace(planned, timeout_s=timeout_s)


@asynccontextmanager
async def working(
    stand_in: StandIn,
    data_dir: Path,
    handlers: Mapping[str, Handler] | None = None,
    grace_s: float = 5.0,
) -> AsyncIterator[Worker]:
    """Run a worker on the stand-in; stop it at the end."""
    async with (
        TestServer(stand_in.app()) as server,
        Ledger(str(server.make_url("/")), "k") as ledger,
    ):
        worker = Worker(
            ledger,
            name="w",
            handlers={**BUILT_IN, **(handlers or {})},
            data_dir=data_dir,
            stop_grace_s=grace_s,
        )
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            worker.stop()
            await running


async def until_closed(stand_in: StandIn) -> ExecutionState:
    """Wait for the execution's end."""
    await eventually(lambda: not stand_in.state.is_open)
    return stand_in.state


def _break(request: web.Request) -> None:
    transport = request.transport
    if transport is not None:
        transport.abort()
    raise web.HTTPServiceUnavailable


def _answer(body: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _problem(status: int, kind: str, detail: str = "") -> web.Response:
    problem = wire.Problem(type=f"/problems/{kind}", title=kind, status=status, detail=detail)
    return web.Response(body=msgspec.json.encode(problem), status=status)


def _recorded(event: Any, at: datetime) -> Recorded[Any]:
    return Recorded(
        position=1,
        stream=execution_stream(event.uuid),
        version=1,
        event_id=new_uuid(),
        type=type_of(event),
        schema_version=1,
        organization="default",
        actor="test",
        occurred_at=at,
        recorded_at=at,
        correlation_id=None,
        causation_id=None,
        number=1,
        data_digest=b"",
        event=event,
    )
