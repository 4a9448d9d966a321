"""A worker process on a real server: it stops what it should stop, and hands back what it holds."""

import asyncio
import signal
from pathlib import Path

import pytest

from ledger.events.definition import Definition, Policies, StepDefinition
from tests.integration.worker_processes import is_alive, read_pids, site
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(120)


def family(pids: Path) -> StepDefinition:
    """Define a step whose program has a child of its own, and ignores polite signals."""
    script = "trap '' TERM; sleep 600 & echo $$ $! > \"$PIDS\"; wait"
    settings = {"argv": ["sh", "-c", script], "env": {"PIDS": str(pids)}}
    return StepDefinition(step_id="family", step_type_id="command", settings=settings)


async def test_cancel_ends_the_whole_process_group(tmp_path: Path) -> None:
    """Canceling an execution leaves no process of its command behind, not even grandchildren."""
    async with site(tmp_path) as here:
        await here.worker("one")
        pids = tmp_path / "pids"
        view = await here.run(
            "Family", Definition(steps=(family(pids),), policies=Policies(lease_s=2))
        )
        started = await read_pids(pids, 2)
        assert all(is_alive(pid) for pid in started)
        await here.ledger.executions.cancel(view.uuid, "enough")
        closed = await here.until_closed(view)
        assert (closed.status, closed.cause) == ("aborted", "user")
        assert closed.steps[0].status == "aborted"
        await eventually(lambda: not any(is_alive(pid) for pid in started))


async def test_sigterm_hands_back_and_another_worker_goes_on(tmp_path: Path) -> None:
    """A worker told to stop gives its execution back at once; that does not count as a failure."""
    async with site(tmp_path) as here:
        first = await here.worker("first", "--grace", "0.2")
        pids = tmp_path / "pids"
        marker = tmp_path / "go"
        script = 'echo $$ >> "$PIDS"; while [ ! -e "$GO" ]; do sleep 0.05; done'
        settings = {
            "argv": ["sh", "-c", script],
            "env": {"PIDS": str(pids), "GO": str(marker)},
        }
        step = StepDefinition(step_id="wait", step_type_id="command", settings=settings)
        view = await here.run("Waits", Definition(steps=(step,)))
        await here.until_step_runs(view)
        started = await read_pids(pids, 1)
        first.signal(signal.SIGTERM)
        assert await asyncio.wait_for(first.process.wait(), 20) == 0
        assert not any(is_alive(pid) for pid in started)
        marker.touch()
        await here.worker("second")
        closed = await here.until_closed(view)
        assert (closed.outcome, closed.attempt) == ("ok", 1)
        events = await here.events(view)
        owners = [e.data["worker"] for e in events if e.type == "execution.started"]
        assert owners == ["first", "second"]
        lost = [e.data for e in events if e.type == "execution.lease_lost"]
        assert [data["reason"] for data in lost] == ["handed_back"]


async def test_a_python_step_reports_and_keeps_what_it_prints(tmp_path: Path) -> None:
    """Progress, output, counters and the log of a step are all on record."""
    async with site(tmp_path) as here:
        await here.worker("one")
        step = StepDefinition(
            step_id="import",
            step_type_id="python",
            settings={
                "function": "api.examples.customer_import:validate",
                "file": "customers.csv",
            },
        )
        view = await here.run("Validates", Definition(steps=(step,)))
        closed = await here.until_closed(view)
        assert closed.outcome == "ok"
        assert closed.steps[0].progress.counters == {
            "VALIDATE_RECORDS": 3000,
            "VALIDATE_ERRORS": 7,
        }
        assert "customers.csv line 138: the e-mail address is missing" in closed.steps[0].log
        assert len(closed.output["bad_lines"]) == 7
        assert _instants_ascend(closed.steps[0].started_at, closed.steps[0].ended_at)


def _instants_ascend(*instants: object) -> bool:
    return list(instants) == sorted(instants, key=str)
