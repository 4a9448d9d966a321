"""What was open as of a position, against a fold of the whole log."""

import random

import pytest

from ledger.events import executions as x
from ledger.executions.husk import follow
from ledger.executions.state import ExecutionState
from ledger.store.port import AnyRecorded
from ledger.store.postgres import PostgresStore
from projections.spans.projector import SpansProjector
from projections.spans.query import open_then
from projections.verify import verify
from tests.unit.projections.ground import catch_up, ledger, runner, write
from tests.unit.projections.lives import World


def folded(log: list[AnyRecorded], position: int) -> dict[str, ExecutionState]:
    """Fold every execution up to a position."""
    states: dict[str, ExecutionState] = {}
    for fact in log:
        if fact.position <= position and fact.stream.startswith("execution/"):
            states[fact.stream] = follow(states.get(fact.stream), fact)
    return states


async def listed(
    store: PostgresStore, position: int, *, organization: str | None, deleted: bool, limit: int
) -> list[str]:
    """Page through what was open."""
    found: list[str] = []
    before: int | None = None
    while True:
        page = await open_then(
            store.pool,
            position,
            organizations=None if organization is None else [organization],
            include_deleted=deleted,
            before=before,
            limit=limit,
        )
        found.extend(f"execution/{uuid}" for uuid in page.uuids)
        before = page.next_before
        if before is None:
            return found


@pytest.mark.parametrize("seed", range(4))
async def test_the_list_of_any_position_is_a_fold_s(database_url: str, seed: int) -> None:
    """At every position, for every organization, each open execution is listed once, newest first."""
    world = World(seed)
    draw = random.Random(seed)
    organizations = ("acme", "umbrella")
    async with ledger(database_url) as store:
        await write(store, [world.job("import"), *world.lives(40, organizations=organizations)])
        log = await store.read_log(after=0, limit=10_000)
        closed = [
            stream
            for stream, state in folded(log, len(log)).items()
            if not state.is_open and draw.random() < 0.3
        ]
        await write(store, [world.append(stream, x.ExecutionErased()) for stream in closed])
        log = await store.read_log(after=0, limit=10_000)
        projector = SpansProjector()
        await catch_up(await runner(store, projector, batch_events=17), len(log))
        assert (await verify(store.pool, store.tail, projector)).is_sound
        now = folded(log, len(log))
        for position in [0, 1, len(log), *draw.sample(range(2, len(log)), 40)]:
            then = folded(log, position)
            for organization in (None, *organizations):
                for deleted in (True, False):
                    expected = [
                        stream
                        for stream, state in reversed(then.items())
                        if state.is_open
                        and organization in (None, state.organization)
                        and (deleted or not now[stream].deleted)
                    ]
                    assert (
                        await listed(
                            store,
                            position,
                            organization=organization,
                            deleted=deleted,
                            limit=draw.randint(1, 20),
                        )
                        == expected
                    )
