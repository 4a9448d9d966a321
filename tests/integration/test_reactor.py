"""What follows an execution's end, on a real database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ledger.events import jobs as j
from ledger.events.definition import Definition, Parameter, Policies, StepDefinition
from ledger.executions import commands as x
from ledger.executions.state import ExecutionState
from ledger.handle.executions import Created, NewExecution, PlanCreated
from ledger.handle.sequences import Sequences
from ledger.handle.streams import Done
from ledger.ids import execution_stream, job_stream, new_uuid
from ledger.jobs import commands as c
from ledger.reactor import Reactor
from ledger.rejection import AlreadyRunning, ExecutionGone, JobInvalid, JobUnknown, WrongState
from ledger.store.postgres import PostgresStore
from tests.contract.log import CONTEXT, audit, later
from tests.integration.test_scheduling import Process
from tests.waiting import eventually

STEPS = (StepDefinition(step_id="a", step_type_id="command"),)
LIKE = NewExecution(job_id="", trigger="sequence")


class Reacting(Process):
    """A process with a reactor and sequences."""

    def __init__(self, store: PostgresStore) -> None:
        super().__init__(store)
        self.at = later(0)
        self.reactor = Reactor(store, self.jobs, self.executions, self.clock)
        self.sequences = Sequences(self.jobs, self.executions)

    async def define(self, job_id: str, *after: str, driven: bool = True, **policies: Any) -> Any:
        """Define a job that comes after others; or change it."""
        definition = Definition(
            steps=STEPS, after=after, data_driven=driven, policies=Policies(**policies)
        )
        known = (await self.jobs.read("acme", job_id, fresh=True)).state
        command: c.Command = c.Change(definition=definition)
        if known is None or known.retired:
            command = c.Define(uuid=new_uuid(), job_id=job_id, definition=definition)
        return await self.jobs.change(CONTEXT, job_id, command)

    async def run(self, job_id: str, *waits_for: ExecutionState) -> ExecutionState:
        """Create an execution that waits for others."""
        told = tuple(state.uuid for state in waits_for)
        created = await self.executions.create(CONTEXT, NewExecution(job_id=job_id, waits_for=told))
        assert isinstance(created, Created), created
        return created.state

    async def close(self, state: ExecutionState, outcome: Any = "ok") -> None:
        """Run it to its end."""
        start = x.Start(worker="w", lease=new_uuid())
        done = await self.executions.start(CONTEXT, state.uuid, start)
        assert isinstance(done, Done), done
        finished = x.Reports(reports=(x.Finished(outcome=outcome),), fence=done.state.fence)
        assert isinstance(await self.executions.act(CONTEXT, state.uuid, finished), Done)

    async def now(self, state: ExecutionState) -> ExecutionState:
        """Read an execution as it is."""
        loaded = await self.executions.streams.refresh(execution_stream(state.uuid))
        assert loaded.state is not None
        return loaded.state

    async def of(self, job_id: str) -> list[ExecutionState]:
        """List a job's executions, oldest first."""
        rows = await self.store.pool.fetch(
            "select stream from ledger.events where type = 'execution.created' order by position"
        )
        states = [(await self.executions.streams.refresh(row["stream"])).state for row in rows]
        return [state for state in states if state is not None and state.job_id == job_id]


@pytest.fixture
async def process(database_url: str) -> AsyncIterator[Reacting]:
    """A process on a database of its own, its reactor running."""
    store = await PostgresStore.open(database_url)
    process = Reacting(store)
    process.reactor.start()
    yield process
    await process.reactor.stop()
    await store.close()


class TestWaiting:
    """Executions that wait for others."""

    async def test_released_by_the_last(self, process: Reacting, database_url: str) -> None:
        """It may be taken once everything it waits for has ended well, and not before."""
        await process.define("job")
        one, two = await process.run("job"), await process.run("job")
        waiting = await process.run("job", one, two)
        assert (waiting.waiting_for, waiting.ready_at) == ("dependency", None)
        await process.close(one)
        await process.reactor.react(one.uuid)
        assert (await process.now(waiting)).waiting_for == "dependency"
        await process.close(two)

        async def released() -> bool:
            return (await process.now(waiting)).waiting_for == "worker"

        await eventually(released)
        for again in (one, two, two):
            await process.reactor.react(again.uuid)
        records = await process.store.read_stream(execution_stream(waiting.uuid))
        assert [record.type for record in records] == ["execution.created", "execution.released"]
        assert await process.store.claims_under(f"waits/{two.uuid}/") == []
        await process.close(waiting)
        await audit(database_url)

    @pytest.mark.parametrize("how", ["error", "canceled"])
    async def test_closed_with_its_upstream(self, process: Reacting, how: str) -> None:
        """A failed or canceled upstream closes what waits, and what waits for that; it is named."""
        await process.define("up")
        await process.define("down", cancellable=False)
        up, other = await process.run("up"), await process.run("up")
        waiting = await process.run("down", up, other)
        deeper = await process.run("down", waiting)
        if how == "error":
            await process.close(up, "error")
        else:
            await process.executions.act(CONTEXT, up.uuid, x.Cancel())

        async def closed() -> bool:
            return not (await process.now(deeper)).is_open

        await eventually(closed)
        first, second = await process.now(waiting), await process.now(deeper)
        assert (first.status, first.cause) == ("aborted", "upstream_failed")
        assert f"up, execution {up.number}" in first.message
        assert (second.cause, second.created.waits_for) == ("upstream_failed", (waiting.uuid,))
        assert f"down, execution {waiting.number}" in second.message
        assert (await process.now(other)).is_open

    async def test_upstreams_that_had_ended(self, process: Reacting) -> None:
        """One that ended well is not waited for; one that did not, or is not there, is refused."""
        await process.define("job")
        good, bad = await process.run("job"), await process.run("job")
        await process.close(good)
        await process.close(bad, "error")
        assert (await process.run("job", good)).waiting_for == "worker"
        for uuid, refusal in ((bad.uuid, WrongState), (new_uuid(), ExecutionGone)):
            wanted = NewExecution(job_id="job", waits_for=(good.uuid, uuid))
            assert isinstance(await process.executions.create(CONTEXT, wanted), refusal)

    async def test_one_that_was_canceled_is_left_alone(self, process: Reacting) -> None:
        """Who gave up waiting is not touched by the end."""
        await process.define("job")
        up = await process.run("job")
        waiting = await process.run("job", up)
        await process.executions.act(CONTEXT, waiting.uuid, x.Cancel())
        await process.close(up)
        await process.reactor.react(up.uuid)
        assert (await process.now(waiting)).cause == "user"


class TestFollowing:
    """Jobs that come after others."""

    async def test_follows_once(self, process: Reacting) -> None:
        """Each good end of the upstream makes one execution; a bad one none."""
        await process.define("up", when_running="parallel")
        await process.define("down", "up", when_running="reject")
        first, second, third = [await process.run("up") for _ in range(3)]
        await process.close(first)
        await process.close(second)
        await process.close(third, "error")

        async def followed() -> bool:
            return len(await process.of("down")) == 2

        await eventually(followed)
        for up in (first, second, third):
            await process.reactor.react(up.uuid)
        made = await process.of("down")
        assert [state.created.trigger for state in made] == ["sequence"] * 2
        # The job allows one at a time, so the second waits for the first.
        assert [state.policies.when_running for state in made] == ["queue"] * 2

    async def test_all_upstreams_must_have_ended(self, process: Reacting) -> None:
        """With several, it follows when each has ended well since it last did."""
        for up in ("a", "b"):
            await process.define(up)
        await process.define("down", "a", "b")
        a, again, b = [await process.run(job_id) for job_id in ("a", "a", "b")]
        for state in (a, again):
            await process.close(state)
            await process.reactor.react(state.uuid)
        assert await process.of("down") == []
        await process.close(b)
        for state in (b, a, again, b):
            await process.reactor.react(state.uuid)
        assert len(await process.of("down")) == 1
        assert await process.store.claims_under("arrived/acme/down/") == []

    async def test_only_data_driven_ones(self, process: Reacting) -> None:
        """Others come after something in sequences only; and retired ones never."""
        await process.define("up")
        await process.define("still", "up", driven=False)
        await process.define("gone", "up")
        await process.jobs.change(CONTEXT, "gone", c.Retire())
        up = await process.run("up")
        await process.close(up)
        await process.reactor.react(up.uuid)
        assert await process.of("still") == await process.of("gone") == []
        assert await process.jobs.followers("acme", "up") == ["still"]

    async def test_what_cannot_follow_says_why(self, process: Reacting) -> None:
        """Once, on the job's own stream."""
        await process.define("up")
        needs = Definition(
            steps=STEPS,
            after=("up",),
            data_driven=True,
            parameters=(Parameter(name="p", required=True),),
        )
        define = c.Define(uuid=new_uuid(), job_id="down", definition=needs)
        await process.jobs.change(CONTEXT, "down", define)
        up = await process.run("up")
        await process.close(up)

        async def told() -> list[Any]:
            records = await process.store.read_stream(job_stream("acme", "down"))
            return [r.event for r in records if isinstance(r.event, j.JobFollowSkipped)]

        skipped = await eventually(told)
        assert skipped[0] == j.JobFollowSkipped(
            upstream=up.uuid, reason="parameter invalid: p, is required"
        )

    async def test_no_circles(self, process: Reacting) -> None:
        """Neither by oneself, nor through others, nor by two definitions at the same time."""
        assert isinstance(await process.define("a", "a"), JobInvalid)
        await process.define("a", "b")
        await process.define("b", "c")
        refused = await process.define("c", "a")
        assert isinstance(refused, JobInvalid)
        assert (refused.path, "c → a → b → c" in refused.reason) == ("after", True)
        both = await asyncio.gather(process.define("x", "y"), process.define("y", "x"))
        assert sorted(type(outcome).__name__ for outcome in both) == ["Done", "JobInvalid"]


class TestSequence:
    """Plans that are made in one append."""

    async def create(self, process: Reacting, *job_ids: str, **variables: Any) -> Any:
        """Ask for a sequence."""
        return await process.sequences.create(CONTEXT, job_ids, variables=variables, like=LIKE)

    async def test_what_was_asked_for_and_what_follows(self, process: Reacting) -> None:
        """One plan, in one batch; nothing of it starts followers once more."""
        await process.define("a")
        await process.define("b", "a")
        await process.define("c", "a", "b")
        await process.define("other", "a", driven=False)
        plan = await self.create(process, "b", "a", v="1")
        assert isinstance(plan, PlanCreated)
        b, a, c_ = plan.states
        assert [state.job_id for state in plan.states] == ["b", "a", "c"]
        assert len({state.created.plan for state in plan.states} - {None}) == 1
        assert len({state.known_at for state in plan.states}) == 1
        assert (b.created.waits_for, c_.created.waits_for) == ((a.uuid,), (a.uuid, b.uuid))
        assert [argument.name for argument in a.created.parameters] == ["v"]
        for state in (a, b, c_):

            async def free(state: ExecutionState = state) -> bool:
                return (await process.now(state)).waiting_for == "worker"

            await eventually(free)
            await process.close(state)
        for state in (a, b, c_):
            await process.reactor.react(state.uuid)
        assert len(await process.of("c")) == 1

    async def test_wrong_ones_create_nothing(self, process: Reacting) -> None:
        """An unknown job, one that is not data-driven, one that runs already."""
        await process.define("a", when_running="reject")
        await process.define("b", "a")
        await process.define("hand", driven=False)
        assert await self.create(process, "a", "no") == JobUnknown(job_id="no")
        assert isinstance(await self.create(process, "a", "hand"), JobInvalid)
        await process.run("a")
        assert isinstance(await self.create(process, "b", "a"), AlreadyRunning)
        assert len(await process.of("a")) == 1
        assert await process.of("b") == []

    async def test_ten_layers(  # noqa: C901 - one scenario
        self, process: Reacting, database_url: str
    ) -> None:
        """200 jobs in 10 layers, four workers; a failure closes exactly what comes after it."""
        layers = [[f"l{layer}-{n:02}" for n in range(20)] for layer in range(10)]
        for layer, names in enumerate(layers):
            for n, name in enumerate(names):
                above = layers[layer - 1] if layer else []
                await process.define(name, *(above[n - k] for k in range(2 if above else 0)))
        plan = await self.create(process, *layers[0])
        assert isinstance(plan, PlanCreated)
        assert len(plan.states) == 200
        by_uuid = {state.uuid: state for state in plan.states}
        broken = next(state for state in plan.states if state.job_id == "l2-05")
        doomed = {broken.uuid}
        for state in plan.states:
            if not doomed.isdisjoint(state.created.waits_for):
                doomed.add(state.uuid)
        order: list[Any] = []

        async def work() -> None:
            while by_uuid:
                for uuid, state in list(by_uuid.items()):
                    if by_uuid.get(uuid) is None:
                        continue
                    seen = (await process.executions.streams.load(execution_stream(uuid))).state
                    if seen is None or not seen.is_open:
                        by_uuid.pop(uuid, None)
                    elif seen.waiting_for == "worker" and uuid in by_uuid:
                        del by_uuid[uuid]
                        order.append(uuid)
                        await process.close(state, "error" if uuid == broken.uuid else "ok")
                await process.store.tail.wait_past(process.store.tail.head, 0.05)

        async with asyncio.timeout(40):
            await asyncio.gather(*(work() for _ in range(4)))
        place = {uuid: at for at, uuid in enumerate(order)}
        ends: Counter[tuple[str, Any]] = Counter()
        for old in plan.states:
            state = await process.now(old)
            ends[state.status, state.cause] += 1
            assert ((state.uuid in doomed) and state.uuid != broken.uuid) == (
                state.cause == "upstream_failed"
            )
            if state.uuid in place:
                assert all(place[up] < place[state.uuid] for up in state.created.waits_for)
        assert ends["aborted", "upstream_failed"] == len(doomed) - 1
        assert ends["finished", None] == 200 - len(doomed) + 1
        await audit(database_url)


async def test_another_process_takes_over(database_url: str) -> None:
    """The place in the log goes on where the last one left it, and failures are tried again."""
    stores = [await PostgresStore.open(database_url) for _ in range(2)]
    one, two = Reacting(stores[0]), Reacting(stores[1])
    await one.define("up")
    up = await one.run("up")
    waiting = await one.run("up", up)
    one.reactor.start()

    async def held() -> bool:
        row = await stores[0].pool.fetchrow("select owner, position from ledger.reactors")
        return row is not None and row["owner"] is not None

    await eventually(held)
    await one.reactor.stop()
    assert not await held()
    await one.close(up)
    # As if the reaction had failed before: it is due again.
    await stores[1].pool.execute(
        "insert into ledger.reactions values ($1, 1, 1, now(), 'Test')", execution_stream(up.uuid)
    )
    two.reactor.start()

    async def released() -> bool:
        left = await stores[1].pool.fetchval("select count(*) from ledger.reactions")
        return left == 0 and (await two.now(waiting)).waiting_for == "worker"

    await eventually(released)
    await two.reactor.stop()
    for store in stores:
        await store.close()


async def test_places_are_limited(process: Reacting) -> None:
    """`max_running`: as many start as there are places; an end makes room; a restart keeps its own."""
    await process.define("job", max_running=2)
    states = [await process.run("job") for _ in range(4)]

    async def start(state: ExecutionState) -> Any:
        return await process.executions.start(
            CONTEXT, state.uuid, x.Start(worker="w", lease=new_uuid())
        )

    outcomes = await asyncio.gather(*map(start, states), return_exceptions=True)
    running = [outcome.state for outcome in outcomes if isinstance(outcome, Done)]
    assert sorted(state.slot for state in running) == [1, 2]
    await process.executions.act(CONTEXT, running[0].uuid, x.LoseLease(fence=1))
    left = [state for state in states if state.uuid not in {one.uuid for one in running}]
    with pytest.raises(Exception, match="running/acme/job"):
        await start(left[0])
    again = await start(running[0])
    assert again.state.slot == running[0].slot
    finished = x.Reports(reports=(x.Finished(outcome="ok"),), fence=2)
    await process.executions.act(CONTEXT, running[0].uuid, finished)
    assert (await start(left[0])).state.slot == running[0].slot
