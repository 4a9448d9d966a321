"""A worker runs an execution: its steps, its reports, and what it does when it must stop."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from api.worker.steps.port import StepContext
from api.worker.steps.result import StepResult
from ledger.events.definition import Policies
from ledger.events.executions import Progress
from ledger.executions import commands as c
from tests.unit.worker.standin import StandIn, retried, step, timed, until_closed, working
from tests.waiting import eventually

FUNCTIONS = "tests.unit.worker.functions"


class Gate:
    """A handler that begins, and ends when it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.stopped = 0
        self.open = asyncio.Event()

    async def __call__(self, context: StepContext) -> StepResult:
        """Wait to be let."""
        self.begun += 1
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        return StepResult()


async def quick(context: StepContext) -> StepResult:
    """End at once."""
    return StepResult()


async def test_runs_steps_in_order_and_passes_on_what_they_produce(tmp_path: Path) -> None:
    """Each step sees what earlier ones produced; the worst step's words end the execution."""
    ledger = StandIn(
        step("sum", "python", function=f"{FUNCTIONS}:sums"),
        step("double", "python", function=f"{FUNCTIONS}:doubles"),
        parameters={"code": "GREAT"},
        given=[1, 2, 3],
    )
    async with working(ledger, tmp_path):
        state = await until_closed(ledger)
    assert state.outcome == "ok"
    assert state.exit_code == "GREAT"
    assert state.output == {"sum": 6, "double": 12}
    assert state.progress.percent == 100
    assert state.progress.counters == {"SUM": 6}
    assert state.steps[0].progress.counters == {"SEEN": 3, "SUM": 6}
    assert "adding 3 numbers" in state.steps[0].log
    assert ledger.types.count("step.started") == ledger.types.count("step.finished") == 2


async def test_an_error_ends_the_execution_and_later_steps_stay_untouched(tmp_path: Path) -> None:
    """A foreseen error gives its words and its exit code, and says that the input is at fault."""
    ledger = StandIn(
        step("fails", "python", function=f"{FUNCTIONS}:fails"), step("never", "sleep", seconds=0)
    )
    async with working(ledger, tmp_path):
        state = await until_closed(ledger)
    assert (state.outcome, state.exit_code, state.cause) == ("error", "BAD_ROW", "invalid_input")
    assert state.message == "row 17 is bad"
    assert state.steps[1].status == "pending"


async def test_a_step_is_tried_again_as_its_policy_says(tmp_path: Path) -> None:
    """A failed try is on record, and so is the one that succeeds."""
    ledger = StandIn(
        retried(step("second", "python", function=f"{FUNCTIONS}:second_time"), times=3)
    )
    async with working(ledger, tmp_path):
        state = await until_closed(ledger)
    assert state.outcome == "ok"
    assert state.steps[0].attempt == 2
    assert ledger.types.count("step.finished") == 2


async def test_crashes_of_a_step_become_errors(tmp_path: Path) -> None:
    """An exception, and a process that vanishes, are told as what they are."""
    for function, words in (("crashes", "ZeroDivisionError: by zero"), ("vanishes", "status 9")):
        ledger = StandIn(step("bad", "python", function=f"{FUNCTIONS}:{function}"))
        async with working(ledger, tmp_path):
            state = await until_closed(ledger)
        assert state.outcome == "error"
        assert words in state.message


async def test_a_step_over_its_time_is_stopped(tmp_path: Path) -> None:
    """The step's own time limit ends it with an error."""
    gate = Gate()
    ledger = StandIn(timed(step("slow", "gate"), 0.05))
    async with working(ledger, tmp_path, {"gate": gate}):
        state = await until_closed(ledger)
    assert (state.outcome, state.exit_code) == ("error", "TIMEOUT")
    assert gate.stopped == 1


async def test_cancel_stops_the_running_step_at_once(tmp_path: Path) -> None:
    """A wish to cancel, heard by the next heartbeat, ends the step and the execution."""
    gate = Gate()
    ledger = StandIn(step("slow", "gate"), policies=Policies(lease_s=1))
    async with working(ledger, tmp_path, {"gate": gate}):
        await eventually(lambda: gate.begun)
        ledger.put(c.Cancel())
        state = await until_closed(ledger)
    assert state.status == "aborted"
    assert gate.stopped == 1
    assert state.steps[0].status == "aborted"


async def test_pause_lets_the_current_step_end(tmp_path: Path) -> None:
    """After the step in hand the worker lets go; resumed, the next worker goes on behind it."""
    gate = Gate()
    ledger = StandIn(step("first", "gate"), step("second", "quick"), policies=Policies(lease_s=1))
    async with working(ledger, tmp_path, {"gate": gate, "quick": quick}):
        await eventually(lambda: gate.begun)
        ledger.put(c.Pause())
        gate.open.set()
        await eventually(lambda: ledger.state.status == "paused" or not ledger.state.is_open)
        if ledger.state.is_open:
            assert ledger.state.steps[0].status == "finished"
            assert ledger.state.steps[1].status == "pending"
            ledger.put(c.Resume())
        state = await until_closed(ledger)
    assert state.outcome == "ok"
    assert gate.begun == 1


async def test_a_pause_that_would_come_too_late_stops_the_step(tmp_path: Path) -> None:
    """A step that outlasts the grace of a pause is stopped, and run again later."""
    gate = Gate()
    ledger = StandIn(step("long", "gate"), policies=Policies(lease_s=1, pause_grace_s=0.4))
    async with working(ledger, tmp_path, {"gate": gate}):
        await eventually(lambda: gate.begun)
        ledger.put(c.Pause())
        await eventually(lambda: ledger.state.status == "paused")
        assert gate.stopped == 1
        gate.open.set()
        ledger.put(c.Resume())
        state = await until_closed(ledger)
    assert state.outcome == "ok"
    assert gate.begun == 2


async def test_a_lost_lease_stops_what_runs(tmp_path: Path) -> None:
    """When the lease went to somebody else nothing more is run or told."""
    gate = Gate()
    ledger = StandIn(step("slow", "gate"), policies=Policies(lease_s=1, max_lease_losses=0))
    async with working(ledger, tmp_path, {"gate": gate}):
        await eventually(lambda: gate.begun)
        ledger.put(c.LoseLease(fence=1))
        await eventually(lambda: gate.stopped)
    assert ledger.state.cause == "lease_lost"
    assert "step.finished" not in ledger.types


async def test_an_unreachable_server_ends_the_hold_in_time(tmp_path: Path) -> None:
    """Without a renewal the worker stops by itself before its lease can pass on."""
    gate = Gate()
    ledger = StandIn(step("slow", "gate"), policies=Policies(lease_s=1))
    async with working(ledger, tmp_path, {"gate": gate}):
        await eventually(lambda: gate.begun)
        ledger.break_connections = True
        await eventually(lambda: gate.stopped)
        assert ledger.state.is_owned


async def test_stopping_hands_back_what_runs(tmp_path: Path) -> None:
    """A worker that is told to stop gives its execution back unfinished."""
    gate = Gate()
    ledger = StandIn(step("slow", "gate"))
    async with working(ledger, tmp_path, {"gate": gate}, grace_s=0.05) as worker:
        await eventually(lambda: gate.begun)
        worker.stop()
        await eventually(lambda: not ledger.state.is_owned)
    assert ledger.types[-2:] == ["execution.lease_lost", "execution.retry_scheduled"]
    assert ledger.state.attempt == 1


async def test_stopping_lets_a_quick_step_end(tmp_path: Path) -> None:
    """Within the grace the step in hand ends and is told; the next one is left."""
    gate = Gate()
    ledger = StandIn(step("first", "gate"), step("second", "quick"))
    async with working(ledger, tmp_path, {"gate": gate, "quick": quick}) as worker:
        await eventually(lambda: gate.begun)
        worker.stop()
        gate.open.set()
        await eventually(lambda: not ledger.state.is_owned)
    assert [s.status for s in ledger.state.steps] == ["finished", "pending"]
    assert ledger.state.steps[0].outcome == "ok"


async def test_lost_answers_leave_one_record_of_everything(tmp_path: Path) -> None:
    """Each report whose answer is lost is sent again, and recorded once."""

    async def tells(context: StepContext) -> StepResult:
        for percent in (10, 60):
            context.report.progress(Progress(percent=percent))
            await asyncio.sleep(0)  # noqa: TID251 - lets the report go
        context.report.output({context.step_id: True})
        return StepResult()

    ledger = StandIn(step("a", "tells"), step("b", "tells"), step("c", "tells"))
    ledger.lose_answers = 1000

    async with working(ledger, tmp_path, {"tells": tells}):
        await eventually(lambda: ledger.bodies)
        await eventually(_spend_answers(ledger))
        state = await until_closed(ledger)
    assert state.outcome == "ok"
    assert ledger.types.count("step.started") == 3
    assert ledger.types.count("step.finished") == 3
    assert ledger.types.count("execution.finished") == 1
    assert ledger.refused == 0
    assert len(ledger.bodies) > len(set(ledger.bodies))
    assert state.output == {"a": True, "b": True, "c": True}


def _spend_answers(ledger: StandIn) -> Callable[[], bool]:
    """Lose each answer once: the repetition of a body gets through."""

    def look() -> bool:
        last = ledger.bodies[-1]
        ledger.lose_answers = 0 if ledger.bodies.count(last) > 1 else 1
        return not ledger.state.is_open

    return look


async def test_a_report_that_is_refused_ends_the_execution_with_an_error(tmp_path: Path) -> None:
    """What the ledger cannot take is not tried for ever."""

    async def ends_twice(context: StepContext) -> StepResult:
        ledger.put(
            c.Reports(
                reports=(c.StepFinished(index=1, outcome="ok", exit_code="ELSEWHERE"),),
                fence=ledger.state.fence,
            )
        )
        return StepResult(exit_code="HERE")

    ledger = StandIn(step("odd", "odd"))
    async with working(ledger, tmp_path, {"odd": ends_twice}):
        state = await until_closed(ledger)
    assert state.outcome == "error"
    assert "refused a report" in state.message


async def test_reports_hold_no_more_than_the_ledger_takes(tmp_path: Path) -> None:
    """Words that are too long are cut, not refused."""

    async def talks(context: StepContext) -> StepResult:
        return StepResult(outcome="warning", exit_code="X" * 500, message="m" * 10_000)

    ledger = StandIn(step("talks", "talks"))
    async with working(ledger, tmp_path, {"talks": talks}):
        state = await until_closed(ledger)
    assert state.outcome == "warning"
    assert len(state.exit_code) == 100
    assert len(state.message) == 4000
    assert msgspec.json.encode(state.message)
