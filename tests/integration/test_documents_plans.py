"""Pages of lists and finds cost the same with 50 000 executions: no scan of the table, no sort of it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from ledger.executions.phase import Phase
from ledger.store.migrate import migrate
from projections.documents import criteria as k
from projections.documents.compile import Compiler
from projections.documents.query import _SQL, Listing, _arguments, _window
from projections.executions.projector import ExecutionsProjector
from projections.port import MIGRATIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
COMPLETED = k.InPhase(frozenset[Phase](("ok", "warning")))
FAILED = k.InPhase(frozenset[Phase](("error", "lease_lost")))
OPEN = k.InPhase(frozenset[Phase](("waits_for_worker", "running", "paused")))
SINCE = k.InstantOrder("created_at", "greater", LONG_AGO)
FILL = """
insert into view_executions.executions (
    uuid, number, oid, organization, job_id, job_key, pipeline_id, status, phase, outcome,
    created_at, started_at, ended_at, created_ms, title, title_key, "user", trigger, storage_id, tags, labels,
    depends_on, input, input_key, exit_code, deleted, hidden, created_position, version, state)
select gen_random_uuid(), i, lpad(to_hex(i), 24, '0'),
    case when i % 50 = 0 then 'small' else 'acme' end,
    case when i % 5000 = 3 then 'Seldom' else 'Job' || i % 40 end,
    case when i % 5000 = 3 then 'seldom' else 'job' || i % 40 end, 'p' || i % 40,
    case when i % 1000 = 0 then 'running' else 'finished' end,
    case when i % 1000 = 0 then 'running' when i % 500 = 7 then 'error' else 'ok' end,
    case when i % 1000 = 0 then null when i % 500 = 7 then 'error' else 'ok' end,
    now() - interval '1 second' * (50000 - i), now(), now(),
    floor(extract(epoch from now()) * 1000) - 1000 * (50000 - i), 'Title ' || i, 'title ' || i,
    'user' || i % 500, 'rest', case when i % 100 = 0 then 's' || i % 1000 else '' end,
    case when i % 2000 = 0 then array['rare'] end, '{}', null,
    jsonb_build_object('n', i), jsonb_build_object('n', i), 'OK', false, false, i, 1, '\\xc0'
from generate_series(1, 50000) i;
insert into view_executions.counts
select organization, job_id, job_key, pipeline_id, phase, date_trunc('hour', created_at), count(*)
from view_executions.executions group by 1, 2, 3, 4, 5, 6;
analyze view_executions.executions, view_executions.counts;
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def connection(module_database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Fill the view once."""
    await migrate(module_database_url, MIGRATIONS)
    connection = await asyncpg.connect(module_database_url)
    await connection.execute("create schema view_executions; set search_path = view_executions")
    await connection.execute(ExecutionsProjector.schema_sql)
    await connection.execute("set search_path = public; set jit = off")
    await connection.execute(FILL)
    await connection.execute("set plan_cache_mode = force_custom_plan")
    yield connection
    await connection.close()


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


async def touched(
    connection: "asyncpg.Connection[Any]", statement: str, *parameters: object
) -> float:
    """Run a statement, and count the rows of the view that it read or threw away."""
    text = await connection.fetchval(f"explain (analyze, format json) {statement}", *parameters)
    nodes = _nodes(json.loads(text)[0]["Plan"])
    assert not [n for n in nodes if n["Node Type"] == "Seq Scan" and n["Alias"] == "d"] or (
        "view_executions.counts" in statement
    )
    rows: float = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes
        if "Scan" in node["Node Type"] and node.get("Relation Name") == "executions"
    )
    return rows


@pytest.mark.parametrize("scope", [None, "acme", "small"])
@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (k.Every(), 30),
        (COMPLETED, 40),
        (k.Every((COMPLETED, SINCE)), 40),
        (FAILED, 110),
        (OPEN, 60),
        (k.TextIn("job_id", ("seldom",), exact=False), 20),
        (k.TextIn("job_id", ("Job7",), exact=True), 50 * 60),
        (k.TextIn("pipeline_id", ("p7",), exact=True), 50 * 60),
        (k.TextIn("title", ("TITLE 77",), exact=False), 10),
        (k.TextIn("oid", (f"{77:024x}",), exact=True), 10),
        (k.InstantOrder("created_at", "less", datetime(2999, 1, 1, tzinfo=UTC)), 30),
        (k.PathIn("input", ("n",), (77,), exact=True), 10),
    ],
)
async def test_a_find_is_flat(
    connection: "asyncpg.Connection[Any]", scope: str | None, wanted: k.Criterion, rows: int
) -> None:
    """A page reads about as many rows as it gives, or as an index found."""
    compiler = Compiler(first=4)
    statement = _SQL["find"].replace(":condition", compiler.condition(wanted))
    read = await touched(connection, statement, scope, 0, 10, *compiler.parameters)
    # What is not the organization's is looked through where the planner takes no index of its own.
    assert read <= rows * (1 if scope != "small" else 50)


@pytest.mark.parametrize(
    "wanted",
    [
        k.Every(),
        COMPLETED,
        k.Every((COMPLETED, SINCE)),
        k.Every((k.TextIn("job_id", ("job7",), exact=False), k.Not(FAILED), SINCE)),
        k.Some((COMPLETED, k.TextHolds("pipeline_id", ("7",), exact=True))),
    ],
)
async def test_a_total_is_added_up_from_counts(
    connection: "asyncpg.Connection[Any]", wanted: k.Criterion
) -> None:
    """Without a look at the executions, and it is what counting them gives."""
    window = _window(wanted)
    assert window is not None
    compiler = Compiler(first=4)
    statement = _SQL["add_up"].replace(":condition", compiler.condition(window[0]))
    first = LONG_AGO if window[1] is not None else None
    told = ("acme", first, None, *compiler.parameters)
    assert await touched(connection, statement, *told) == 0
    counting = Compiler(first=2)
    counted = _SQL["count_found"].replace(":condition", counting.condition(wanted))
    assert await connection.fetchval(statement, *told) == await connection.fetchval(
        counted, "acme", *counting.parameters
    )


@pytest.mark.parametrize("statement", ["list_up", "list_down"])
@pytest.mark.parametrize("after", [None, 25_000])
@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (Listing(), 60),
        # One of forty jobs: the others' rows on the way are looked through; a rare one has its index.
        (Listing(job_ids=("Job7",)), 51 * 42),
        (Listing(job_ids=("Seldom",)), 60),
        (Listing(phases=("ok", "warning")), 70),
        (Listing(storage_id="s100"), 60),
        (Listing(user="user7"), 110),
        (Listing(any_tags=("rare",)), 60),
        (Listing(all_tags=("rare",)), 60),
    ],
)
async def test_a_list_is_flat(
    connection: "asyncpg.Connection[Any]",
    statement: str,
    after: int | None,
    wanted: Listing,
    rows: int,
) -> None:
    """A page reads about as many rows as it gives, in either direction."""
    read = await touched(connection, _SQL[statement], "acme", *_arguments(wanted), after, 51)
    assert read <= rows
