"""Load, fold, decide, append: what the handles answer beyond what a decider says."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from ledger.events.definition import Definition, Parameter, Policies, StepDefinition
from ledger.executions import commands as c
from ledger.handle.executions import Executions, KeyReused, LastRun, NewExecution
from ledger.handle.jobs import Jobs
from ledger.handle.keys import Keys, secret_digest
from ledger.handle.streams import Done, StaleVersion
from ledger.ids import execution_stream, new_uuid, oid_of, uuid_time
from ledger.jobs.commands import Change, Define, Retire
from ledger.rejection import (
    ExecutionGone,
    JobInvalid,
    JobUnknown,
    KeyUnknown,
    NotFinished,
    NotRestartable,
    ParameterInvalid,
    RestartImpossible,
)
from ledger.store.postgres import PostgresStore
from tests.contract.log import CONTEXT, later


class Handles:
    """One process's handles."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.jobs = Jobs(store, lambda: later(0))
        self.executions = Executions(store, self.jobs, lambda: later(0))
        self.keys = Keys(store, lambda: later(0))

    async def job(self, job_id: str = "job", **fields: Any) -> None:
        """Define a job of two steps, unless told otherwise."""
        steps = tuple(StepDefinition(step_id=name, step_type_id="command") for name in "ab")
        definition = Definition(**{"steps": steps, **fields})
        command = Define(uuid=new_uuid(), job_id=job_id, definition=definition)
        assert isinstance(await self.jobs.change(CONTEXT, job_id, command), Done)

    async def create(self, last_run: LastRun | None = None, **wish: Any) -> Any:
        """Ask for an execution of the job."""
        wanted = NewExecution(**{"job_id": "job", **wish})

        async def look_up() -> LastRun | None:
            return last_run

        return await self.executions.create(CONTEXT, wanted, last_run=look_up)

    async def failed(self) -> UUID:
        """Run the job into an error at its second step."""
        created = await self.create()
        told = (
            c.StepStarted(index=1),
            c.StepFinished(index=1, outcome="ok"),
            c.StepStarted(index=2),
            c.Finished(outcome="error"),
        )
        done = await self.executions.act(CONTEXT, created.state.uuid, c.Reports(reports=told))
        assert isinstance(done, Done)
        assert done.state.status == "finished"
        return done.state.uuid


@pytest.fixture
async def handles(database_url: str) -> AsyncIterator[Handles]:
    """Handles on a database of their own."""
    store = await PostgresStore.open(database_url)
    yield Handles(store)
    await store.close()


class TestCreate:
    """Creating an execution of a job."""

    async def test_refusals(self, handles: Handles) -> None:
        """Nothing is created from what is unknown, retired or does not fit."""
        assert isinstance(await handles.create(), JobUnknown)
        await handles.job(parameters=(Parameter(name="p", required=True),))
        assert isinstance(await handles.create(), ParameterInvalid)
        await handles.job("outer", steps=(StepDefinition(step_id="s", include="gone"),))
        assert isinstance(await handles.create(job_id="outer"), JobInvalid)
        await handles.job("gone")
        created = await handles.create(job_id="outer")
        assert [step.plan.step_id for step in created.state.steps] == ["s - a", "s - b"]
        await handles.jobs.change(CONTEXT, "gone", Retire())
        assert isinstance(await handles.create(job_id="outer"), JobInvalid)

    async def test_under_one_key_one_execution(self, handles: Handles) -> None:
        """The same request again gives it, another request is refused."""
        await handles.job()
        first = await handles.create(idempotency_key="k", input={"a": 1, "b": 2})
        again = await handles.create(idempotency_key="k", input={"b": 2, "a": 1})
        assert (again.state.uuid, again.is_new) == (first.state.uuid, False)
        other = await handles.create(idempotency_key="k", input={"a": 2})
        assert other == KeyReused(key="k")

    async def test_coalesced(self, handles: Handles) -> None:
        """One that waits stands for all who ask; once it started the next one is new."""
        await handles.job(policies=Policies(when_running="coalesce"))
        first, second = await handles.create(), await handles.create()
        assert (second.state.uuid, second.is_new) == (first.state.uuid, False)
        start = c.Start(worker="w", lease=new_uuid())
        await handles.executions.act(CONTEXT, first.state.uuid, start)
        assert (await handles.create()).is_new

    async def test_after_a_failure(self, handles: Handles) -> None:
        """The job's policy says whether the next run is new, goes on, or is refused."""
        await handles.job()
        failure = LastRun(uuid=await handles.failed(), failed=True)
        assert (await handles.create(failure)).state.created.first_step == 1
        steps = tuple(StepDefinition(step_id=name, step_type_id="command") for name in "ab")
        refuses = Definition(steps=steps, policies=Policies(when_failed="refuse"))
        await handles.jobs.change(CONTEXT, "job", Change(definition=refuses))
        assert isinstance(await handles.create(failure), NotRestartable)
        resumes = Definition(steps=steps, policies=Policies(when_failed="resume"))
        await handles.jobs.change(CONTEXT, "job", Change(definition=resumes))
        assert (await handles.create(failure)).state.created.first_step == 2
        other = Definition(steps=steps[1:], policies=Policies(when_failed="resume"))
        await handles.jobs.change(CONTEXT, "job", Change(definition=other))
        assert isinstance(await handles.create(failure), RestartImpossible)

    async def test_restart_needs_a_failure(self, handles: Handles) -> None:
        """What is open or went well is not restarted."""
        await handles.job()
        state = (await handles.create()).state
        wanted = NewExecution(job_id="job")
        restart = handles.executions.restart
        assert isinstance(await restart(CONTEXT, state, wanted), NotFinished)
        told = c.Reports(reports=(c.Finished(outcome="ok"),))
        done = await handles.executions.act(CONTEXT, state.uuid, told)
        assert isinstance(done, Done)
        assert isinstance(await restart(CONTEXT, done.state, wanted), NotRestartable)


class TestChange:
    """Putting commands to a stream."""

    async def test_if_version(self, handles: Handles) -> None:
        """Whoever names a version that has passed is told the current one."""
        await handles.job()
        state = (await handles.create()).state
        act = handles.executions.act
        assert await act(CONTEXT, state.uuid, c.Pause(), if_version=7) == StaleVersion(1)
        assert isinstance(await act(CONTEXT, state.uuid, c.Pause(), if_version=1), Done)

    async def test_unknown(self, handles: Handles) -> None:
        """What does not exist is refused by name."""
        nobody = new_uuid()
        refusal = await handles.executions.act(CONTEXT, nobody, c.Pause())
        assert refusal == ExecutionGone(execution=nobody)

    async def test_a_refusal_is_never_from_memory(
        self, handles: Handles, database_url: str
    ) -> None:
        """Before a process refuses, it looks at what others have written."""
        other = Handles(await PostgresStore.open(database_url))
        await handles.job()
        state = (await handles.create()).state
        await other.executions.act(CONTEXT, state.uuid, c.Cancel())
        done = await handles.executions.act(CONTEXT, state.uuid, c.Delete())
        assert isinstance(done, Done)
        assert done.state.deleted
        await other.store.close()

    async def test_as_it_was(self, handles: Handles) -> None:
        """A stream can be folded up to any position."""
        await handles.job()
        created = await handles.create()
        uuid = created.state.uuid
        await handles.executions.act(CONTEXT, uuid, c.Cancel())
        past = await handles.executions.streams.as_of(
            execution_stream(uuid), created.records[-1].position
        )
        assert past.state is not None
        assert past.state.status == "pending"
        assert oid_of(uuid)[:8] == f"{int(uuid_time(uuid).timestamp()):08x}"


async def test_keys(handles: Handles) -> None:
    """A key opens by its secret until it is revoked; the secret is nowhere kept."""
    made = await handles.keys.create(CONTEXT, name="k", roles=["viewer"], organizations=["acme"])
    digest = secret_digest(made.secret)
    assert await handles.keys.find(digest) == made.state
    again = await handles.keys.create(
        CONTEXT, name="k", roles=[], organizations=[], secret=made.secret
    )
    assert (again.state, again.secret) == (made.state, made.secret)
    uuid = made.state.created.uuid
    for _ in range(2):
        assert isinstance(await handles.keys.revoke(CONTEXT, uuid, reason="old"), Done)
        assert await handles.keys.find(digest) is None
    assert isinstance(await handles.keys.revoke(CONTEXT, new_uuid(), reason=""), KeyUnknown)
    rows = await handles.store.pool.fetch("select data from ledger.events")
    assert not [row for row in rows if made.secret.encode() in row["data"]]
