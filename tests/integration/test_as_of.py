"""What was open as of a position, against a fold of the whole log."""

import json
import random
from itertools import product
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

import projections.history
from ledger.events import executions as x
from ledger.executions.husk import follow
from ledger.executions.state import ExecutionState
from ledger.ids import execution_stream
from ledger.store.migrate import migrate
from ledger.store.port import AnyRecorded
from ledger.store.postgres import PostgresStore
from ledger.store.queries import load
from projections.executions.projector import ExecutionsProjector
from projections.history.as_of import open_then
from projections.port import MIGRATIONS
from projections.verify import verify
from tests.unit.projections.ground import catch_up, fold_into, ledger, runner, write
from tests.unit.projections.lives import World, recorded

AS_OF: Final = load(Path(projections.history.__path__[0]) / "sql" / "as_of.sql")


def folded(log: list[AnyRecorded], position: int) -> dict[str, ExecutionState]:
    """Fold every execution up to a position."""
    states: dict[str, ExecutionState] = {}
    for fact in log:
        if fact.position <= position and fact.stream.startswith("execution/"):
            states[fact.stream] = follow(states.get(fact.stream), fact)
    return states


async def listed(
    store: PostgresStore,
    position: int,
    *,
    organization: str | None,
    job_id: str | None,
    deleted: bool,
    limit: int,
) -> list[str]:
    """Page through what was open."""
    found: list[str] = []
    before: int | None = None
    while True:
        page = await open_then(
            store.pool,
            position,
            organizations=None if organization is None else [organization],
            job_id=job_id,
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
        projector = ExecutionsProjector()
        await catch_up(await runner(store, projector, batch_events=17), len(log))
        assert (await verify(store.pool, store.tail, projector)).is_sound
        now = folded(log, len(log))
        for position in [0, 1, len(log), *draw.sample(range(2, len(log)), 40)]:
            then = folded(log, position)
            for organization, deleted, job_id in product(
                (None, *organizations), (True, False), (None, "import")
            ):
                expected = [
                    stream
                    for stream, state in reversed(then.items())
                    if state.is_open
                    and organization in (None, state.organization)
                    and job_id in (None, now[stream].job_id)
                    and (deleted or not now[stream].deleted)
                ]
                assert (
                    await listed(
                        store,
                        position,
                        organization=organization,
                        job_id=job_id,
                        deleted=deleted,
                        limit=draw.randint(1, 20),
                    )
                    == expected
                )


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 6])
async def test_the_first_end_is_kept(database_url: str, size: int, times: int) -> None:
    """Whatever comes after it, in the same batch or a later one, and however often."""
    world = World()
    created = world.created()
    stream = execution_stream(created.uuid)
    log = recorded(
        [
            world.append(stream, created, world.began()),
            world.append(stream, x.ExecutionFinished(outcome="ok", exit_code="OK")),
            # No decider allows a second end; should a log have one, the view says when it was open.
            world.append(stream, x.ExecutionCanceled()),
            world.append(stream, x.ExecutionDeleted(), x.ExecutionErased()),
        ]
    )
    projector = ExecutionsProjector()
    connection = await asyncpg.connect(database_url)
    async with ledger(database_url):
        await fold_into(connection, "folded", projector, [])
        for first in range(0, len(log), size):
            batch = log[first : first + size]
            for _ in range(times):
                await projector.apply(connection, batch)
            closed = await connection.fetchval("select closed_position from executions")
            assert closed == (3 if batch[-1].position >= 3 else None)
    await connection.close()


async def seen(
    store: PostgresStore, position: int, *, scope: str | None, job_id: str | None = None
) -> int:
    """Ask for a first page of fifty, and count the rows that were looked at for it."""
    async with store.pool.acquire() as connection:
        await connection.execute("set plan_cache_mode = force_custom_plan; set jit = off")
        text = await connection.fetchval(
            f"explain (analyze, format json) {AS_OF['open_then']}",
            scope,
            position,
            job_id,
            True,
            None,
            51,
        )
    nodes = nodes_of(json.loads(text)[0]["Plan"])
    scans = [node for node in nodes if node.get("Relation Name") == "executions"]
    assert "Seq Scan" not in {scan["Node Type"] for scan in scans}
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in scans
    )


async def fill(store: PostgresStore, *, still_open: str, lasting: int = 1_000) -> None:
    """Make 100 000 executions of 40 jobs, one every 10 positions.

    *still_open* is the condition on the number, `i`, of those that do not end; others end *lasting*
    positions after they were created.
    """
    await runner(store, ExecutionsProjector())
    await store.pool.execute(
        "insert into view_executions.executions (uuid, number, oid, organization, job_id, job_key,"
        ' pipeline_id, status, phase, created_at, created_ms, title, title_key, "user", trigger,'
        " storage_id, labels, exit_code, deleted, hidden, created_position, closed_position, version,"
        " state)"
        " select gen_random_uuid(), i, i, case when i % 50 = 0 then 'small' else 'acme' end,"
        " 'job' || i % 40, '', '', case when open then 'pending' else 'finished' end, '', now(), i,"
        " '', '', '', '', '', '{}', '', false, false, i * 10,"
        f" case when not open then i * 10 + {lasting} end, 1, ''"
        f" from (select i, {still_open} as open from generate_series(1, 100000) i) made"
    )
    await store.pool.execute("analyze view_executions.executions")


async def test_the_list_reads_little_besides_what_was_open(database_url: str) -> None:
    """Among 100 000 executions, with 50 to 200 open at any position, few rows are looked at."""
    async with ledger(database_url) as store:
        await fill(store, still_open="i % 1000 = 7")
        for position in (500, 500_000, 1_000_000):
            for scope in (None, "acme", "small"):
                for job_id in (None, "job10"):
                    looked_at = await seen(store, position, scope=scope, job_id=job_id)
                    assert looked_at <= 300, (position, scope, job_id)


async def test_a_backlog_is_read_page_by_page(database_url: str) -> None:
    """Of 50 000 that are still open, a page looks at those it gives, and at others' between them."""
    async with ledger(database_url) as store:
        await fill(store, still_open="i > 50000")
        for position in (500_000, 900_000, 1_000_000):
            assert await seen(store, position, scope=None) <= 200, position
            assert await seen(store, position, scope="acme") <= 200, position
            assert await seen(store, position, scope="small") <= 50 * 60, position


async def test_what_closed_since_is_found_by_its_interval(database_url: str) -> None:
    """Of 5 000 that were open, a page looks at no other, however many were created later."""
    async with ledger(database_url) as store:
        await fill(store, still_open="false", lasting=50_000)
        for position in (100_000, 500_000, 1_000_000):
            assert await seen(store, position, scope=None) <= 5_000, position
            assert await seen(store, position, scope="small") <= 5_000, position


@pytest.mark.parametrize(
    ("migration", "gone"),
    [
        ("0002_documents_are_executions.sql", "documents"),
        ("0003_history_tells_what_was_open.sql", "spans"),
        ("0004_history_is_in_executions.sql", "history"),
    ],
)
async def test_an_upgrade_takes_away_the_view_that_told_it(
    database_url: str, migration: str, gone: str
) -> None:
    """All its generations with what they had set aside, and of no other view anything."""
    async with ledger(database_url) as store:
        await runner(store, ExecutionsProjector())
        await store.pool.execute(
            "delete from public.jobledger_migrations"
            f" where name = 'projections/{migration}';"
            "insert into projections.projection (name, generation, version)"
            f" select '{gone}', unnest(array['live', 'rebuild', 'verify']), 1;"
            "insert into projections.quarantine (name, generation, stream, from_position, attempts)"
            " select name, generation, 'execution/x', 1, 3 from projections.projection;"
            f"create schema view_{gone}; create table view_{gone}.rows ();"
            f"create schema view_{gone}_rebuild; create schema view_{gone}_verify"
        )
        assert len(await migrate(database_url, MIGRATIONS)) == 1
        for left in ("projections.projection", "projections.quarantine"):
            rows = await store.pool.fetch(f"select name, generation from {left}")
            assert [tuple(row) for row in rows] == [("executions", "live")]
        schemas = await store.pool.fetch(
            "select nspname from pg_namespace where nspname ~ '^view_'"
        )
        assert [row["nspname"] for row in schemas] == ["view_executions"]


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Give a plan's nodes."""
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes_of(child))]
