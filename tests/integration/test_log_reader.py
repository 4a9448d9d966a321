"""The filtered reader over a real log: the right lines, and a cursor that always moves on."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import streaming
from api.streaming.lines import StreamLine, encode_lines
from api.streaming.reading import EventFilter, LogReader
from ledger.events import executions as x
from ledger.events.entry import encode_entry, join_line
from ledger.store.port import Append, Context
from ledger.store.postgres import PostgresStore
from ledger.store.queries import load
from projections.registry import PROJECTORS
from tests.contract.log import CONTEXT, STEP, one, progressed, write
from tests.unit.streaming.rows import INSTANTS, WHOLE_SECONDS

ALL = EventFilter(organizations=None, with_keys=True)
EXECUTIONS = next(projector for projector in PROJECTORS if projector.name == "executions")
OTHER = Context(organization="other", actor="test")


async def no_view(_name: str, _position: int) -> None:
    """Stand for views that are not asked for."""
    raise AssertionError("no view is needed")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresStore]:
    """Open the store of a database with the view that tells which job an execution is of."""
    opened = await PostgresStore.open(database_url)
    await opened.pool.execute(
        "create schema view_executions; set search_path = view_executions;" + EXECUTIONS.schema_sql
    )
    yield opened
    await opened.close()


@pytest.fixture
def reader(store: PostgresStore) -> LogReader:
    """Read the store."""
    return LogReader(store.pool, store.tail, no_view)


async def expected(store: PostgresStore) -> list[bytes]:
    """Make every line of the log by way of decoded events."""
    events = await store.read_log(after=0, limit=10_000)
    rows = await store.pool.fetch("select salt, data from ledger.events order by position")
    return [
        join_line(encode_entry(event), row["salt"], row["data"])
        for event, row in zip(events, rows, strict=True)
    ]


def told(lines: Sequence[StreamLine]) -> list[bytes]:
    """Take the bytes of lines."""
    return [line.line for line in lines]


async def all_lines(reader: LogReader, wanted: EventFilter, **limits: Any) -> list[StreamLine]:
    """Read page after page to the head; the cursor must move with each."""
    after = 0
    lines: list[StreamLine] = []
    while True:
        page = await reader.page(wanted, after, **{"limit": 1000, **limits})
        lines += page.lines
        if page.scanned_through >= page.head:
            return lines
        assert page.scanned_through > after
        after = page.scanned_through


async def test_lines_are_those_of_the_log(store: PostgresStore, reader: LogReader) -> None:
    """Every event's line is made of its stored bytes, however pages are cut."""
    for number in range(7):
        await store.append(one(f"execution/{number}", count=5))
    lines = await expected(store)
    for limits in ({}, {"limit": 1}, {"limit": 4}, {"max_bytes": 1}, {"max_bytes": 200}):
        assert told(await all_lines(reader, ALL, **limits)) == lines
        stream = msgspec.structs.replace(ALL, stream="execution/3")
        assert told(await all_lines(reader, stream, **limits)) == lines[15:20]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
ROWS = st.lists(
    st.tuples(
        TEXTS,
        TEXTS.map(lambda text: f"t{text}"),
        TEXTS,
        TEXTS,
        INSTANTS,
        WHOLE_SECONDS,
        st.none() | st.uuids(),
        st.none() | st.integers(1, 2**63 - 1),
        st.none() | st.binary(min_size=16, max_size=16),
        st.none() | st.binary(max_size=40) | st.just(b'{"a":"\\u0000\xc3\xa4"}'),
    ),
    min_size=1,
    max_size=20,
)


@given(ROWS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_database_makes_the_same_lines(
    store: PostgresStore, reader: LogReader, rows: list[Any]
) -> None:
    """Whatever stands in the columns, damaged data too: as text it is what rows make."""
    async with store.pool.acquire() as connection:
        await connection.execute("alter table ledger.events disable trigger user")
        await connection.execute("delete from ledger.events")
        await connection.executemany(
            "insert into ledger.events values ($1, $2, 1, gen_random_uuid(), $3, 1, $4, $5, $6, $7, "
            "$8, $8, $9, sha256('x'), $10, $11)",
            [(position, *row) for position, row in enumerate(rows, 1)],
        )
    for limits in ((1000, 10**6), (3, 10**6), (1000, 30)):
        after = 0
        while after < len(rows):
            found, scanned = await reader.rows(ALL, after, len(rows), *limits)
            text = await reader.text(ALL, after, len(rows), *limits)
            assert text.lines == encode_lines(found)
            assert (text.count, text.last, text.scanned_through) == (
                len(found),
                found[-1]["position"],
                scanned,
            )
            after = scanned


async def test_a_long_text_is_made_in_two_halves(store: PostgresStore, reader: LogReader) -> None:
    """Together they are the lines of the log; a first half that is full stands alone."""
    for number in range(30):
        await store.append(one(f"execution/{number}", count=50))
    lines = await expected(store)
    whole = await reader.text(ALL, 0, 1500, 5000, 10**6)
    assert whole.lines == b"".join(line + b"\n" for line in lines)
    assert (whole.count, whole.last, whole.scanned_through) == (1500, 1500, 1500)
    part = await reader.text(ALL, 100, 1500, 1200, 10**6)
    assert part.lines == b"".join(line + b"\n" for line in lines[100:1300])
    full = await reader.text(ALL, 0, 1500, 5000, 1000)
    assert 0 < full.count < 750
    assert full.scanned_through == full.last == full.count
    assert full.lines == b"".join(line + b"\n" for line in lines[: full.count])


async def test_pages_end_at_their_bytes(store: PostgresStore, reader: LogReader) -> None:
    """A page is full once its data is; an event that is larger than a page stands alone."""
    small, large = progressed(), x.ExecutionDescribed(description="x" * 5000)
    await store.append(Append(context=CONTEXT, writes=(write("s", 0, small, large, small, small),)))
    sizes = []
    after = 0
    while after < 4:
        page = await reader.page(ALL, after, limit=10, max_bytes=1000)
        sizes.append(len(page.lines))
        after = page.scanned_through
    assert sizes == [2, 2]
    assert len((await reader.page(ALL, 1, limit=10, max_bytes=1000)).lines) == 1


async def test_filters(store: PostgresStore, reader: LogReader) -> None:
    """Organizations, types and streams are kept apart, and what is left out is scanned through."""
    await store.append(Append(context=CONTEXT, writes=(write("a", 0, STEP, progressed()),)))
    await store.append(Append(context=OTHER, writes=(write("b", 0, STEP, progressed()),)))
    await store.append(Append(context=CONTEXT, writes=(write("c", 0, progressed()),)))

    async def positions(**wanted: Any) -> list[int]:
        given = EventFilter(**{"organizations": None, **wanted})
        return [line.position for line in await all_lines(reader, given, limit=1)]

    assert await positions() == [1, 2, 3, 4, 5]
    assert await positions(organizations=("acme",)) == [1, 2, 5]
    assert await positions(organizations=("acme", "other")) == [1, 2, 3, 4, 5]
    assert await positions(organizations=()) == []
    assert await positions(types=("step.started",)) == [1, 3]
    assert await positions(types=("step.started",), organizations=("other",)) == [3]
    assert await positions(stream="b") == [3, 4]
    assert await positions(stream="b", organizations=("acme",)) == []
    assert await positions(stream="b", types=("step.started",)) == [3]
    page = await reader.page(EventFilter(organizations=("nobody",)), 0, limit=10)
    assert (page.lines, page.scanned_through, page.head) == ([], 5, 5)
    beyond = await reader.page(ALL, 9, limit=10)
    assert (list(beyond.lines), beyond.scanned_through, beyond.head) == ([], 9, 5)


async def test_an_erased_event_keeps_its_entry(store: PostgresStore, reader: LogReader) -> None:
    """Without salt and data a line holds nulls, and the entry it had."""
    await store.append(one("execution/1", count=2))
    lines = await expected(store)
    await store.pool.execute("alter table ledger.events disable trigger events_are_immutable")
    await store.pool.execute("update ledger.events set salt = null, data = null where position = 1")
    page = await reader.page(ALL, 0, limit=10)
    assert page.lines[0].line.endswith(b',"salt":null,"data":null}')
    assert lines[0].startswith(page.lines[0].line.removesuffix(b'"salt":null,"data":null}'))
    assert page.lines[1].line == lines[1]


async def test_plans_do_not_depend_on_the_length_of_the_log(store: PostgresStore) -> None:
    """Every statement finds its rows by an index, whatever values it was planned for."""
    await store.pool.execute(
        "insert into ledger.events select i, 'execution/' || i / 10, i % 10 + 1, gen_random_uuid(), "
        "'step.started', 1, 'acme', 'a', now(), now(), null, null, null, sha256('x'), "
        "'salt', '{}' from generate_series(1, 20000) i; "
        "insert into ledger.streams select stream, max(version), min(position), max(position), null "
        "from ledger.events group by stream; analyze ledger.events, ledger.streams"
    )
    statements = load(Path(streaming.__file__).parent / "sql" / "events.sql")
    parameters = (9000, 9100, 50, 10**6, ["acme"], None, True, None)
    async with store.pool.acquire() as connection:
        await connection.execute("set plan_cache_mode = force_generic_plan")
        for name, more, index in (
            ("log", (), "_pkey"),
            ("text", (), "_pkey"),
            ("stream", ("execution/905",), "_stream_version_idx"),
        ):
            explained = f"explain (analyze, format text) {statements[name]}"
            rows = await connection.fetch(explained, *parameters, *more)
            plan = "\n".join(row[0] for row in rows)
            scans = [
                line for line in plan.splitlines() if "Scan" in line and "events_000000" in line
            ]
            assert scans, plan
            assert all(index in line or "Bitmap Heap Scan" in line for line in scans), plan
            # A stream's own events may be sorted; everything up to the head may not.
            assert name == "stream" or "Sort" not in plan, plan
