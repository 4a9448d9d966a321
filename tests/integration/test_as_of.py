"""What was open as of a position, against a fold of the whole log."""

import json
import random
from pathlib import Path
from typing import Any, Final

import pytest

import projections.spans
from ledger.events import executions as x
from ledger.executions.husk import follow
from ledger.executions.state import ExecutionState
from ledger.store.port import AnyRecorded
from ledger.store.postgres import PostgresStore
from ledger.store.queries import load
from projections.spans.projector import SpansProjector
from projections.spans.query import open_then
from projections.verify import verify
from tests.unit.projections.ground import catch_up, ledger, runner, write
from tests.unit.projections.lives import World

READ: Final = load(Path(projections.spans.__path__[0]) / "sql" / "read.sql")


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


async def test_the_list_reads_little_besides_what_was_open(database_url: str) -> None:
    """Among 100 000 executions, with some 100 open at any position, few rows are looked at."""
    async with ledger(database_url) as store:
        await runner(store, SpansProjector())
        await store.pool.execute(
            "insert into view_spans.spans select gen_random_uuid(),"
            " case when i % 50 = 0 then 'small' else 'acme' end, 'job' || i % 40, i * 10,"
            " int8range(i * 10, i * 10 + 1000), false from generate_series(1, 100000) i"
        )
        await store.pool.execute("analyze view_spans.spans")
        for position in (500, 500_000, 1_000_000):
            for scope in (None, "acme", "small"):
                async with store.pool.acquire() as connection:
                    await connection.execute(
                        "set plan_cache_mode = force_custom_plan; set jit = off"
                    )
                    text = await connection.fetchval(
                        f"explain (analyze, format json) {READ['page']}",
                        scope,
                        position,
                        None,
                        True,
                        None,
                        51,
                    )
                nodes = nodes_of(json.loads(text)[0]["Plan"])
                scans = [n for n in nodes if n.get("Relation Name") == "spans"]
                assert "Seq Scan" not in {scan["Node Type"] for scan in scans}
                seen = sum(
                    (n["Actual Rows"] + n.get("Rows Removed by Filter", 0)) * n["Actual Loops"]
                    for n in scans
                )
                assert seen <= 300, (position, scope, seen)


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Give a plan's nodes."""
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes_of(child))]
