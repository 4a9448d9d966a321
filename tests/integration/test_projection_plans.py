"""Pages and candidates cost the same with 100 000 rows: no scan of a table, no sort of one."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

import projections
from ledger.store.migrate import migrate
from ledger.store.queries import load
from projections.executions.query import Filter, arguments
from projections.port import MIGRATIONS
from projections.registry import PROJECTORS
from tests.unit.projections.lives import START

ROOT = Path(projections.__file__).parent
READ = {
    name: load(ROOT / name / "sql" / "read.sql")
    for name in ("executions", "active", "history", "jobs")
}
pytestmark = pytest.mark.asyncio(loop_scope="module")
OPEN = ["pending", "running", "pausing", "paused", "aborting"]

FILL = """
insert into view_executions.executions (
    uuid, number, oid, organization, job_id, job_key, pipeline_id, status, phase, outcome,
    created_at, started_at, ended_at, created_ms, title, title_key, "user", trigger, storage_id, tags, labels,
    depends_on, exit_code, duration_ms, deleted, hidden, created_position, closed_position, version, state)
select gen_random_uuid(), i, md5(i::text), case when i % 50 = 0 then 'small' else 'acme' end,
    case when i % 5000 = 3 then 'seldom' else 'job' || i % 40 end,
    case when i % 5000 = 3 then 'seldom' else 'job' || i % 40 end, 'p' || i % 40,
    case when i % 1000 = 0 then 'running' else 'finished' end,
    case when i % 1000 = 0 then 'running' when i % 500 = 7 then 'error' else 'ok' end,
    case when i % 1000 = 0 then null when i % 500 = 7 then 'error' else 'ok' end,
    now() - interval '1 second' * (100000 - i), now(), now(), i, '', '', 'u', 'rest', '',
    case when i % 2000 = 0 then array['rare'] end, '{}', null, 'OK',
    case when i % 1000 <> 0 then i % 900 end, false, false, i, case when i % 1000 <> 0 then i + 1 end, 1,
    '\\xc0'
from generate_series(1, 100000) i;
insert into view_active.active
select gen_random_uuid(), i, 'acme', 'job' || i % 40, 'pending', now(),
    case when i % 2 = 0 then array['copy'] else array['copy', 'fly'] end, true, false,
    case when i % 4 = 0 then 'job' || i % 40 else '' end, case when i % 4 = 0 then 1 else 0 end, false,
    now(), i, 1, '\\xc0'
from generate_series(1, 100000) i;
insert into view_active.active
select gen_random_uuid(), i, 'acme', 'job4', 'pending', now() + interval '1 day', array['copy'], false,
    true, '', 1, i = 100001, now(), i, 1, '\\xc0'
from generate_series(100001, 110000) i;
analyze view_executions.executions, view_active.active;
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def connection(module_database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Fill the views once."""
    await migrate(module_database_url, MIGRATIONS)
    connection = await asyncpg.connect(module_database_url)
    for projector in PROJECTORS:
        await connection.execute(
            "insert into projections.projection (name, generation, version) values ($1, 'live', 1)",
            projector.name,
        )
        await connection.execute(f"create schema view_{projector.name}")
        await connection.execute(f"set search_path = view_{projector.name}")
        await connection.execute(projector.schema_sql)
    await connection.execute("set search_path = public; set jit = off")
    await connection.execute(FILL)
    await connection.execute("set plan_cache_mode = force_custom_plan")
    yield connection
    await connection.close()


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


async def _plan(
    connection: "asyncpg.Connection[Any]", statement: str, *parameters: object
) -> list[dict[str, Any]]:
    """Run a statement and give the nodes of its plan."""
    text = await connection.fetchval(f"explain (analyze, format json) {statement}", *parameters)
    return _nodes(json.loads(text)[0]["Plan"])


def _touched(nodes: list[dict[str, Any]]) -> float:
    """Count the rows that scans of the views gave or threw away."""
    touched: float = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes
        if "Scan" in node["Node Type"] and node.get("Relation Name") in {"executions", "active"}
    )
    return touched


def _assert_flat(nodes: list[dict[str, Any]], *, rows: int, sort: bool = False) -> None:
    kinds = [
        node["Node Type"]
        for node in nodes
        if node.get("Relation Name") != "projection" and node["Node Type"] == "Seq Scan"
    ]
    assert kinds == []
    if not sort:
        assert not [node for node in nodes if "Sort" in node["Node Type"]]
    assert _touched(nodes) <= rows


@pytest.mark.parametrize(
    ("scope", "wanted", "rows"),
    [
        (None, Filter(), 60),
        ("acme", Filter(), 60),
        ("small", Filter(), 60),
        # Without an organization the planner may as well look through the other jobs' rows.
        (None, Filter(job_id="job7"), 41 * 51),
        ("acme", Filter(job_id="job7"), 60),
        ("acme", Filter(job_id="job7", statuses=["finished"]), 60),
        (None, Filter(statuses=OPEN), 110),
        ("acme", Filter(statuses=["running", "pending"]), 110),
        (None, Filter(outcomes=["error"]), 110),
        ("acme", Filter(outcomes=["error"]), 110),
        (None, Filter(statuses=["finished"], outcomes=["ok"]), 110),
        ("acme", Filter(include_deleted=True), 60),
    ],
)
@pytest.mark.parametrize("before", [None, 50_000])
async def test_a_page_of_executions_is_flat(
    connection: "asyncpg.Connection[Any]",
    scope: str | None,
    wanted: Filter,
    rows: int,
    before: int | None,
) -> None:
    """A page reads about as many rows as it gives, whatever the common filter."""
    nodes = await _plan(
        connection, READ["executions"]["page"], scope, *arguments(wanted), before, 51
    )
    _assert_flat(nodes, rows=rows)


@pytest.mark.parametrize("wanted", [Filter(tags=["rare"]), Filter(job_id="seldom")])
async def test_what_is_rare_is_found_by_its_index(
    connection: "asyncpg.Connection[Any]", wanted: Filter
) -> None:
    """What is sorted is what was found by an index, never the table."""
    nodes = await _plan(
        connection,
        READ["executions"]["page"],
        None,
        *arguments(wanted),
        None,
        51,
    )
    _assert_flat(nodes, rows=120, sort=True)


async def test_single_rows_are_found_by_index(connection: "asyncpg.Connection[Any]") -> None:
    """Each of the ids has its index."""
    for statement, key in (
        ("by_uuid", "00000000-0000-0000-0000-000000000001"),
        ("by_number", 77),
        ("by_oid", "x" * 24),
    ):
        nodes = await _plan(connection, READ["executions"][statement], key, ["acme"], False)
        _assert_flat(nodes, rows=1)


@pytest.mark.parametrize("view", ["history", "active"])
async def test_other_lists_are_flat(connection: "asyncpg.Connection[Any]", view: str) -> None:
    """History and active pages read what they give."""
    for scope, job_id in ((None, None), ("acme", None), ("acme", "job7")):
        rest = (job_id, None, None, 51) if view == "active" else (job_id, None, 51)
        nodes = await _plan(connection, READ[view]["page"], scope, *rest)
        _assert_flat(nodes, rows=60)


async def test_a_list_of_jobs_reads_one_execution_each(
    connection: "asyncpg.Connection[Any]",
) -> None:
    """However many executions others have: of a job without any, none is looked at."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("""
            update view_executions.executions set job_id = 'busy', organization = 'acme';
            insert into view_jobs.jobs
            select organization, name, gen_random_uuid(), 1, '', '', '', '{}', false, now(), now(), 1, 1,
                '\xc0'
            from unnest(array['acme', 'small']) organization,
                unnest(array['busy', 'idle1', 'idle2', 'idle3']) name;
            analyze view_executions.executions, view_jobs.jobs
        """)
        page = READ["jobs"]["page"]
        nodes = await _plan(connection, page, None, False, None, None, None, None, None, 101)
        assert _touched(nodes) <= 10
        # The namesake of a busy job of somebody else.
        filtered = arguments(Filter(job_id="busy"))
        for statement, parameters in (
            (READ["jobs"]["by_job_id"], ("busy", ["small"], False)),
            (READ["history"]["estimate"], ("small", ["busy", "idle1"])),
            (READ["history"]["page"], ("small", "busy", None, 51)),
            (READ["executions"]["page"], ("small", *filtered, None, 51)),
        ):
            assert _touched(await _plan(connection, statement, *parameters)) <= 10
    finally:
        await transaction.rollback()  # with its statistics, which the other plans depend on


async def test_an_estimate_reads_twenty_rows_a_job(
    connection: "asyncpg.Connection[Any]",
) -> None:
    """However long a job's history is."""
    nodes = await _plan(connection, READ["history"]["estimate"], "acme", ["job1", "job2"])
    _assert_flat(nodes, rows=40, sort=True)


@pytest.mark.parametrize("offered", [["copy"], ["copy", "fly"], ["fly"]])
@pytest.mark.parametrize("scope", [None, ["acme"], ["other"]])
async def test_candidates_are_found_among_many(
    connection: "asyncpg.Connection[Any]", offered: list[str], scope: list[str] | None
) -> None:
    """A worker's question costs by kinds of waiting work, not by how much of it waits."""
    now = START + timedelta(days=1)
    nodes = await _plan(connection, READ["active"]["candidates"], scope, offered, now, 10)
    _assert_flat(nodes, rows=150, sort=True)
    found = await connection.fetch(READ["active"]["candidates"], scope, offered, now, 10)
    numbers = [row["number"] for row in found]
    if scope == ["other"] or offered == ["fly"]:
        assert numbers == []
    elif offered == ["copy"]:
        # Even ones need only copy; multiples of four queue, one for each job, but job4's slot is taken.
        assert numbers == [2, 6, 8, 10, 12, 14, 16, 18, 20, 22]
    else:
        assert numbers == [1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
