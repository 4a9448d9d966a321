"""States without content: outlines and husks."""

import pytest
from msgspec.structs import replace

from ledger.events import executions as x
from ledger.executions.deadlines import next_due
from ledger.executions.state import ExecutionState, evolve
from ledger.store.port import AnyRecorded
from projections.fold import LIFE_TYPES
from projections.outline import take
from tests.unit.projections.lives import World, recorded


def _fold(log: list[AnyRecorded], *, outlined: bool = False) -> ExecutionState:
    state: ExecutionState | None = None
    for fact in log:
        state = take(state, fact, outlined=outlined)
    assert state is not None
    return state


@pytest.mark.parametrize("seed", range(60))
def test_an_outline_has_the_life_of_the_whole(seed: int) -> None:
    """Statuses, instants and deadlines are the same without steps and documents."""
    log = recorded(World(seed).lives(1))
    whole: ExecutionState | None = None
    for fact in log:
        whole = evolve(whole, fact)
    assert whole is not None
    outline = _fold([fact for fact in log if fact.type in LIFE_TYPES], outlined=True)
    for name in (
        "status",
        "waiting_for",
        "ready_at",
        "worker",
        "lease",
        "attempt",
        "started_at",
        "ended_at",
        "deadline_at",
        "outcome",
        "exit_code",
        "cause",
        "deleted",
        "number",
    ):
        assert getattr(outline, name) == getattr(whole, name), name
    assert next_due(outline) == next_due(whole)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("outlined", [False, True])
def test_an_erased_execution_is_the_same_folded_before_and_after(
    seed: int,
    outlined: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """What a live view keeps is what a rebuild finds, also of later events."""
    world = World(seed)
    appends = world.lives(1)
    stream = appends[0].writes[0].stream
    appends += [
        world.append(stream, x.ExecutionErased(reason="asked")),
        world.append(stream, x.ExecutionDeleted()),
    ]
    log = [f for f in recorded(appends) if not outlined or f.type in LIFE_TYPES]
    emptied = [replace(fact, event=None) for fact in log[:-2]] + log[-2:]
    live, rebuilt = _fold(log, outlined=outlined), _fold(emptied, outlined=outlined)
    assert live == rebuilt
    assert live.erased
    assert live.deleted
    assert live.created.job_id == ""
    assert live.steps == ()
