"""The ring never has a hole, and gives each reader what its filter admits."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from api.streaming.frames import NDJSON, SSE, StreamForm
from api.streaming.reading import EventFilter
from api.streaming.ring import Ring, chosen
from tests.unit.streaming.rows import line

ORGANIZATIONS = ["acme", "other"]
KINDS = ["step.started", "key.created", "execution.created"]
STREAMS = ["execution/1", "execution/2", "job/acme/a", "job/other/a"]
JOBS = {"execution/1": "a", "execution/2": "b"}
FILTERS = st.builds(
    EventFilter,
    organizations=st.sampled_from([None, (), ("acme",), ("acme", "other")]),
    types=st.sampled_from([(), ("step.started",), ("key.created", "execution.created")]),
    stream=st.sampled_from([None, *STREAMS]),
    job_id=st.sampled_from([None, "a", "b"]),
    with_keys=st.booleans(),
)
LINE = st.tuples(st.sampled_from(ORGANIZATIONS), st.sampled_from(KINDS), st.sampled_from(STREAMS))
BATCHES = st.lists(st.lists(LINE, min_size=1, max_size=4), max_size=8)


def admitted(wanted: EventFilter, organization: str, kind: str, stream: str) -> bool:
    """Say what a filter lets through, in other words."""
    if wanted.organizations is not None and organization not in wanted.organizations:
        return False
    if kind.startswith("key.") and not wanted.with_keys:
        return False
    if wanted.types and kind not in wanted.types:
        return False
    if wanted.stream and stream != wanted.stream:
        return False
    if not wanted.job_id:
        return True
    return stream == f"job/{organization}/{wanted.job_id}" or JOBS.get(stream) == wanted.job_id


@given(
    BATCHES,
    FILTERS,
    st.integers(0, 100),
    st.integers(0, 40),
    st.integers(0, 40),
    st.none() | st.integers(1, 5),
    st.sampled_from([SSE, NDJSON]),
    st.integers(1, 12),
)
def test_readers_get_what_they_want(  # noqa: PLR0917 - each is drawn
    batches: list[list[tuple[str, str, str]]],
    wanted: EventFilter,
    start: int,
    behind: int,
    ahead: int,
    limit: int | None,
    form: StreamForm,
    room: int,
) -> None:
    """From any place that the ring holds: all frames that match up to the limit, in order."""
    ring = Ring(room, 10**6)
    ring.restart(start)
    told: list[tuple[int, str, str, str, bytes]] = []
    for batch in batches:
        lines = []
        for organization, kind, stream in batch:
            position = start + len(told) + 1
            fields = {"organization": organization, "type": kind, "stream": stream}
            lines.append(line(position, **fields))
            told.append((position, organization, kind, stream, form.frame(lines[-1])))
        ring.append(lines[-1].position, lines)
    assert ring.top == start + len(told)
    after = ring.floor + behind
    through = max(min(after + ahead, ring.top), after)
    assert ring.holds(after)
    assert not ring.holds(ring.floor - 1)
    chunk = chosen(
        ring.behind(after, through),
        wanted,
        form,
        JOBS.get,
        after=after,
        through=through,
        limit=limit,
    )
    expected = [
        (position, frame)
        for position, organization, kind, stream, frame in told
        if after < position <= through and admitted(wanted, organization, kind, stream)
    ][:limit]
    assert chunk.payload == b"".join(frame for _, frame in expected)
    assert chunk.count == len(expected)
    assert chunk.last == (expected[-1][0] if expected else 0)
    is_cut = limit is not None and len(expected) == limit
    assert chunk.scanned_through == (chunk.last if is_cut else through)


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=20), st.integers(1, 10), st.integers(1, 200)
)
def test_the_ring_is_bounded(sizes: list[int], max_events: int, max_bytes: int) -> None:
    """It holds no more than it may, but for its newest batch, and nothing in the middle is lost."""
    ring = Ring(max_events, max_bytes)
    for size in sizes:
        ring.append(ring.top + size, [line(ring.top + index + 1) for index in range(size)])
        batches = ring.behind(ring.floor)
        positions = [each.position for batch in batches for each in batch.lines]
        assert positions == list(range(ring.floor + 1, ring.top + 1))
        older = batches[:-1]
        if older:
            assert len(positions) <= max_events
            assert sum(batch.size for batch in batches) <= max_bytes


@given(st.lists(st.integers(1, 5), min_size=1, max_size=9), st.integers(0, 60), st.integers(0, 200))
def test_a_turn_ends_with_a_batch(sizes: list[int], after: int, max_bytes: int) -> None:
    """What is given at once is whole batches that fit, and at least one."""
    ring = Ring(1000, 10**6)
    for size in sizes:
        ring.append(ring.top + size, [line(ring.top + index + 1) for index in range(size)])
    through = ring.reach(after, max_bytes)
    batches = ring.behind(after)
    if not batches:
        assert through == after
        return
    taken = [batch for batch in batches if batch.through <= through]
    assert taken
    assert through == taken[-1].through
    assert len(taken) == 1 or sum(batch.size for batch in taken) <= max_bytes


async def test_waiting_for_the_ring() -> None:
    """A waiter wakes when something is behind its place; one that gives up wakes nobody else."""
    ring = Ring(10, 1000)
    ring.restart(5)
    first, second = (asyncio.create_task(ring.past(5)) for _ in range(2))
    await asyncio.wait((first, second), timeout=0)
    first.cancel()
    ring.append(6, [line(6)])
    await second
    await ring.past(5)
    assert (await asyncio.gather(first, return_exceptions=True))[0].__class__ is (
        asyncio.CancelledError
    )
