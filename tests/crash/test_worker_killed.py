"""Workers and servers killed with -9 in the middle of a step: nothing is lost, run twice or stuck."""

import signal
from pathlib import Path

import pytest

from api.client.errors import Fenced
from api.native.wire import ReportsPost
from ledger.events.definition import Definition, Policies, StepDefinition
from ledger.executions import commands as c
from tests.integration.worker_processes import is_alive, read_pids, site
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(180)


def gated(pids: Path, go: Path) -> StepDefinition:
    """Define a step that runs until a file appears."""
    script = 'echo $$ >> "$PIDS"; while [ ! -e "$GO" ]; do sleep 0.05; done'
    settings = {"argv": ["sh", "-c", script], "env": {"PIDS": str(pids), "GO": str(go)}}
    return StepDefinition(step_id="gated", step_type_id="command", settings=settings)


async def test_a_killed_worker_is_followed_by_another(tmp_path: Path) -> None:
    """Its step's processes die with it, the next worker runs the step, its late words are refused."""
    pids, go = tmp_path / "pids", tmp_path / "go"
    async with site(tmp_path) as here:
        first = await here.worker("first")
        view = await here.run(
            "Gated", Definition(steps=(gated(pids, go),), policies=Policies(lease_s=1.5))
        )
        held = await here.until_step_runs(view)
        started = await read_pids(pids, 1)
        first.signal(signal.SIGKILL)
        await first.process.wait()
        await eventually(lambda: not is_alive(started[0]))

        await here.worker("second")
        taken = await here.until_step_runs(view, fence=held.fence + 1)
        assert (taken.worker, taken.attempt) == ("second", 2)
        late = ReportsPost(
            reports=(c.StepFinished(index=1, outcome="ok"),), fence=held.fence, worker="first"
        )
        with pytest.raises(Fenced):
            await here.ledger.work.report(view.uuid, late)
        go.touch()
        closed = await here.until_closed(view)
        assert closed.outcome == "ok"
        events = await here.events(view)
        types = [event.type for event in events]
        owners = [e.data["worker"] for e in events if e.type == "execution.started"]
        assert owners == ["first", "second"]
        assert types.count("report.refused") == 1
        assert types.count("execution.lease_lost") == 1
        assert types.count("execution.finished") == 1


async def test_a_worker_outlives_its_server(tmp_path: Path) -> None:
    """A server killed and started again while a step runs costs the execution nothing."""
    pids, go = tmp_path / "pids", tmp_path / "go"
    async with site(tmp_path) as here:
        await here.worker("one")
        view = await here.run(
            "Gated", Definition(steps=(gated(pids, go),), policies=Policies(lease_s=60))
        )
        await here.until_step_runs(view)
        here.server.signal(signal.SIGKILL)
        await here.server.process.wait()
        go.touch()
        await here.serve()
        closed = await here.until_closed(view)
        assert (closed.outcome, closed.attempt) == ("ok", 1)
        types = [event.type for event in await here.events(view)]
        assert types.count("execution.started") == 1
        assert types.count("step.started") == types.count("step.finished") == 1
        assert len(pids.read_text().split()) == 1
