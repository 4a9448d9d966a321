"""What each event changed: every type shows it, and the parts add up to the state."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from ledger.events import executions as x
from ledger.events.envelope import Erased
from ledger.executions.changes import Change, changes
from ledger.executions.husk import follow
from ledger.executions.state import ExecutionState
from tests.unit.projections.lives import LIMIT, START, World, recorded

LATER = START + timedelta(minutes=1)
DONE = x.StepFinished(index=1, outcome="ok", exit_code="OK", log="said")


def life(*events: Any) -> list[tuple[str, dict[str, tuple[Any, Any]]]]:
    """Fold a life that begins with a creation; give what each event changed."""
    world = World()
    log = recorded([world.append("execution/x", world.created(), *events)])
    state: ExecutionState | None = None
    told: list[tuple[str, dict[str, tuple[Any, Any]]]] = []
    for fact in log:
        after = follow(state, fact)
        told.append((fact.type, {c.field: (c.before, c.after) for c in changes(state, after)}))
        state = after
    return told


@pytest.mark.parametrize(
    ("before", "event", "expected"),
    [
        ([], x.ExecutionScheduled(run_at=LATER), {"waiting_for": ("worker", "time")}),
        ([x.ExecutionScheduled(run_at=LATER)], x.ExecutionReleased(), {"waiting_for": ("time", "worker")}),
        ([], x.ExecutionStarted(fence=1, worker="w"), {"status": ("pending", "running"), "fence": (None, 1)}),
        ([], x.ExecutionProgressed(progress=x.Progress(percent=5)), {"progress.percent": (None, 5)}),
        ([], x.PauseRequested(deadline_at=LIMIT), {"status": ("pending", "pausing")}),
        ([x.PauseRequested(deadline_at=LIMIT)], x.ExecutionPaused(limit_at=LATER), {"status": ("pausing", "paused")}),
        ([x.PauseRequested(deadline_at=LIMIT), x.ExecutionPaused(limit_at=LATER)], x.ExecutionResumed(), {"status": ("paused", "pending")}),
        ([], x.CancelRequested(deadline_at=LIMIT), {"status": ("pending", "aborting")}),
        ([], x.ExecutionCanceled(message="why"), {"status": ("pending", "aborted"), "message": (None, "why")}),
        ([x.ExecutionStarted(fence=1, worker="w")], x.LeaseLost(fence=1), {"worker": ("w", None), "lease_losses": (None, 1)}),
        ([], x.RetryScheduled(attempt=2, run_at=LIMIT), {"attempt": (None, 2), "waiting_for": ("worker", "time")}),
        ([], x.ExecutionFinished(outcome="ok", exit_code="OK"), {"status": ("pending", "finished"), "outcome": (None, "ok")}),
        ([], x.ExecutionDescribed(name="n", labels={"a": "b"}), {"name": (None, "n"), "labels.a": (None, "b")}),
        ([], x.OutputSet(output={"a": 1}, metrics={"m": 1.0}), {"output": (None, {"a": 1}), "metrics.m": (None, 1.0)}),
        ([], x.ExecutionDeleted(), {"deleted": (None, True)}),
        ([], x.ExecutionErased(outcome=None), {"erased": (None, True), "job_id": ("import", None)}),
        ([], x.StepStarted(index=2), {"steps[2].status": ("pending", "running"), "steps[2].attempt": (None, 1)}),
        ([x.StepStarted(index=1)], x.StepProgressed(index=1, progress=x.Progress(counters={"n": 2})), {"steps[1].progress.counters.n": (None, 2)}),
        ([x.StepStarted(index=1)], DONE, {"steps[1].status": ("running", "finished"), "steps[1].log": (None, "said")}),
        ([], x.ReportRefused(fence=3), {"refused_fences": (None, (3,))}),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "__struct_fields__") else "",
)  # fmt: skip
def test_each_type_shows_what_it_changed(
    before: list[Any], event: Any, expected: dict[str, tuple[Any, Any]]
) -> None:
    """From what, to what; parts that stayed are not told."""
    told = life(*before, event)[-1][1]
    assert expected.items() <= told.items()
    assert all(old != new for old, new in told.values())
    assert not {"version", "position", "modified_at"} & told.keys()


def test_every_type_is_above() -> None:
    """A type that is added has its case."""
    cases = test_each_type_shows_what_it_changed.pytestmark[0].args[1]
    shown = {type(case[1]) for case in cases} | {x.ExecutionCreated}
    assert shown == set(x.ExecutionEvent.__args__)


def test_a_creation_tells_what_was_asked() -> None:
    """The job, the plan and the words, from nothing."""
    told = dict(life()[0][1])
    assert told["job_id"] == (None, "import")
    assert told["status"] == (None, "pending")
    assert told["steps[2].step_type_id"] == (None, "check")
    assert told["user"] == (None, "ada")


def test_changes_add_up() -> None:
    """Whoever applies every change in turn has what the last state is compared to nothing."""
    world = World(3)
    for number in range(40):
        log = recorded([world.append(f"execution/{UUID(int=number)}", *world.life())])
        state: ExecutionState | None = None
        parts: dict[str, Any] = {}
        for fact in log:
            after = follow(state, fact)
            for change in changes(state, after):
                assert parts.get(change.field) == change.before
                parts[change.field] = change.after
            state = after
        assert state is not None
        whole = {change.field: change.after for change in changes(None, state)}
        assert {k: v for k, v in parts.items() if v is not None} == whole


def test_an_erased_life_is_told_by_its_envelopes() -> None:
    """Status and instants are left; nothing of the content is."""
    world = World()
    stream = f"execution/{UUID(int=7)}"
    end = x.ExecutionFinished(outcome="ok", exit_code="OK")
    whole = recorded([world.append(stream, world.created(), world.began(), end)])
    log = [replace(fact, event=Erased()) for fact in whole]
    state: ExecutionState | None = None
    told: list[tuple[Change, ...]] = []
    for fact in log:
        after = follow(state, fact)
        told.append(changes(state, after))
        state = after
    assert [c.after for c in told[2] if c.field == "status"] == ["finished"]
    assert not [c for each in told for c in each if c.field.startswith(("user", "job_id", "steps"))]
