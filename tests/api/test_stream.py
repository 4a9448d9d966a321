"""The log as a stream: every form, one cursor, and each caller only what it may see."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.store.append import _SQL
from ledger.store.pending import Pending, arrays
from tests.api.serving import Caller, Server, serving
from tests.contract.log import one
from tests.streams import NDJSON, SSE, Stream, streaming
from tests.waiting import eventually

BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"
FORMS = pytest.mark.parametrize("form", [SSE, NDJSON])


async def raw_lines(caller: Caller, **query: Any) -> list[bytes]:
    """Read the events of a JSON page, byte for byte."""
    answer = (await caller.get("/v1/events", limit=1000, **query)).expect(200)
    page = msgspec.json.decode(answer.raw, type=dict[str, list[msgspec.Raw] | int])
    events = page["events"]
    assert isinstance(events, list)
    return [bytes(event) for event in events]


def has(count: int) -> Any:
    """Make the condition that so many events came."""
    return lambda stream: len(stream.positions) >= count


def is_erased(stream: Stream) -> bool:
    """Tell whether the newest event is an erasure."""
    return bool(stream.events) and stream.events[-1]["type"] == "execution.erased"


async def test_every_form_has_the_same_lines(server: Server) -> None:
    """Pages, streams and CloudEvents carry the same bytes of each event."""
    await server.define()
    for _ in range(3):
        await server.run()
    lines = await raw_lines(server)
    assert len(lines) == await server.head()
    async with streaming(server, SSE) as events, streaming(server, NDJSON) as finite:
        assert events.response.content_type == SSE
        assert finite.response.content_type == NDJSON
        assert finite.response.headers["Ledger-Position"] == str(len(lines))
        await events.until(has(len(lines)))
        await finite.until_end()
    assert events.lines == finite.lines == lines
    assert finite.raw == b"".join(line + b"\n" for line in lines)
    ids = [event.last_event_id for event in events.source.dispatched]
    assert ids == [str(position) for position in range(1, len(lines) + 1)]
    names = [event.type for event in events.source.dispatched]
    assert names == [event["type"] for event in events.events]
    answer = await server.call("GET", "/v1/events", headers={"Accept": BATCH}, limit=1000)
    batch = msgspec.json.decode(answer.expect(200).raw, type=list[dict[str, msgspec.Raw]])
    assert [bytes(event["data"]) for event in batch] == lines


@FORMS
async def test_a_stream_goes_on_where_it_was_left(server: Server, form: str) -> None:
    """What is written while a client is away is given when it comes back, by id or by position."""
    await server.define()
    await server.run()
    async with streaming(server, form, follow="true") as stream:
        await stream.until(has(1))
        await server.run()
        head = await server.head()
        await stream.until(has(head))
        assert stream.positions == list(range(1, head + 1))
    await server.run()
    for place in ("after", "id"):
        resumed = {"after": head} if place == "after" else {"last_event_id": str(head), "after": 0}
        async with streaming(server, form, follow="true", **resumed) as stream:
            await stream.until(has(1))
            await server.run()
            await stream.until(has(2))
            assert stream.positions == [head + 1, head + 2]
        head += 1


async def test_a_browser_is_told_when_to_come_back(server: Server) -> None:
    """The time to wait is spread, so that not all come back at once."""
    waits = set()
    for _ in range(5):
        async with streaming(server, SSE) as stream:
            await stream.until(lambda stream: stream.source.retry_ms)
            waits.add(stream.source.retry_ms)
            assert stream.response.headers["Cache-Control"] == "no-store"
            assert stream.response.headers["X-Accel-Buffering"] == "no"
    assert len(waits) > 1
    assert all(1000 <= wait <= 3000 for wait in waits if wait is not None)


@FORMS
async def test_a_limit_ends_a_stream(server: Server, form: str) -> None:
    """After so many events, old or new, a stream ends in good order."""
    await server.define()
    head = await server.head()
    async with streaming(server, form, follow="true", after=head - 1, limit=3) as stream:
        await stream.until(has(1))
        for _ in range(4):
            await server.run()
        await stream.until_end()
        assert stream.positions == [head, head + 1, head + 2]
    async with streaming(server, form, follow="false", limit=2) as stream:
        await stream.until_end()
        assert stream.positions == [1, 2]


@FORMS
async def test_filters(server: Server, form: str) -> None:
    """Types, job, execution: what does not match is left out, before the head and at it."""
    for job_id in ("A", "B"):
        await server.define(job_id)
    first = await server.run("A")
    await server.run("B")
    execution = f"/v1/executions/{first['uuid']}/events"
    streams = [
        streaming(server, form, follow="true", job_id="A"),
        streaming(server, form, follow="true", execution_id=first["number"]),
        streaming(server, form, follow="true", types="execution.created,execution.canceled"),
        streaming(server, form, execution, follow="true"),
    ]
    canceled = ["execution.cancel_requested", "execution.canceled"]
    expected = [
        ["job.defined", "execution.created", *canceled, "execution.created"],
        ["execution.created", *canceled],
        ["execution.created"] * 2 + ["execution.canceled"] + ["execution.created"] * 2,
        ["execution.created", *canceled],
    ]
    opened = [await stream.__aenter__() for stream in streams]
    for stream in opened:
        await stream.until(has(1))
    await server.post(f"/v1/executions/{first['uuid']}/cancel")
    await server.run("B")
    await server.run("A")
    for stream, types in zip(opened, expected, strict=True):
        await stream.until(has(len(types)))
        assert [event["type"] for event in stream.events] == types
    assert {event["stream"] for event in opened[1].events} == {f"execution/{first['uuid']}"}
    assert opened[3].lines == opened[1].lines
    for context in streams:
        await context.__aexit__(None, None, None)


@FORMS
async def test_organizations_are_kept_apart(server: Server, form: str) -> None:
    """A caller gets its own organization's events and no key's, and a cursor past the others."""
    stranger = await server.caller("viewer", organizations=["other"])
    owner = await server.caller("operator", organizations=["other"])
    await server.define()
    await owner.define("Own")
    head = await server.head()
    problem = await stranger.call(
        "GET", "/v1/events", headers={"Accept": form}, organization="default"
    )
    problem.problem(403, "organization-forbidden", "?organization")
    async with streaming(stranger, form, follow="true") as stream:
        await stream.until(has(1))
        await server.run()
        await server.run()
        await owner.run("Own")
        await stream.until(has(2))
        assert [event["organization"] for event in stream.events] == ["other", "other"]
        assert stream.positions == [head, head + 3]
        await server.caller("viewer", organizations=["other"])
        await owner.run("Own")
        await stream.until(has(3))
        assert stream.positions == [head, head + 3, head + 5]


@FORMS
async def test_a_foreign_execution_is_not_there(server: Server, form: str) -> None:
    """Its stream is answered as if it did not exist."""
    await server.define()
    foreign = await server.run()
    stranger = await server.caller("viewer", organizations=["other"])
    for path, query in (
        (f"/v1/executions/{foreign['uuid']}/events", {}),
        ("/v1/events", {"execution_id": foreign["uuid"]}),
    ):
        answer = await stranger.call("GET", path, headers={"Accept": form}, **query)
        answer.problem(404, "not-found")


@FORMS
async def test_a_deleted_execution_is_for_auditors(server: Server, form: str) -> None:
    """Its events can be tailed by auditors, and by nobody else."""
    await server.define()
    execution = await server.run()
    path = f"/v1/executions/{execution['uuid']}"
    await server.post(f"{path}/cancel")
    (await server.delete(path)).expect(204)
    viewer, auditor = await server.caller("viewer"), await server.caller("auditor")
    async with streaming(auditor, form, f"{path}/events", follow="false") as stream:
        await stream.until_end()
        assert stream.events[-1]["type"] == "execution.deleted"
    answer = await viewer.call("GET", f"{path}/events", headers={"Accept": form})
    answer.problem(404, "not-found")


async def test_a_filter_that_lets_nothing_through_moves_on(
    database_url: str, tmp_path: Path
) -> None:
    """Ids without data, or heartbeats, tell how far the log was looked through, at once and later."""
    async with serving(database_url, tmp_path, stream_mark_every=3) as server:
        await server.define()
        head = await server.head()
        async with (
            streaming(server, SSE, types="job.retired") as events,
            streaming(server, NDJSON, types="job.retired", follow="true") as lines,
        ):
            await events.until(lambda stream: stream.source.last_event_id == str(head))
            await lines.until(lambda stream: stream.heartbeats)
            assert lines.heartbeats == [{"scanned_through": head, "head": head}]
            for _ in range(3):
                await server.run()
            told = head + 3
            await events.until(lambda stream: stream.source.last_event_id == str(told))
            await lines.until(lambda stream: len(stream.heartbeats) == 2)
            assert lines.heartbeats[-1] == {"scanned_through": told, "head": told}
            assert events.source.dispatched == []
            assert lines.lines == []


async def test_silence_is_filled(database_url: str, tmp_path: Path) -> None:
    """A client hears at least every so often that its stream lives, at the head and behind it."""
    async with serving(database_url, tmp_path, stream_heartbeat_s=0.05) as server:
        await server.define()
        head = await server.head()
        async with (
            streaming(server, SSE, after=head) as live,
            streaming(server, SSE, after=head, limit=5) as alone,
            streaming(server, NDJSON, after=head + 1000, follow="true") as ahead,
        ):
            for stream in (live, alone):
                await stream.until(lambda stream: stream.source.comments >= 3)
                assert stream.source.last_event_id == str(head)
            await ahead.until(lambda stream: len(stream.heartbeats) >= 3)
            assert ahead.lines == []


async def test_a_cursor_ahead_of_the_log(server: Server) -> None:
    """A client that asks from beyond the head gets what comes behind its place, and nothing below."""
    await server.define()
    head = await server.head()
    async with streaming(server, SSE, after=head + 2) as stream:
        await stream.until(lambda stream: stream.source.retry_ms)
        for _ in range(4):
            await server.run()
        await stream.until(has(2))
        assert stream.positions == [head + 3, head + 4]


async def test_what_is_new_is_what_the_log_holds(server: Server, other_node: Server) -> None:
    """Lines that go to clients with the commit are the very ones that are read back later."""
    await server.define()
    head = await server.head()
    async with streaming(server, SSE, after=head) as stream:
        await stream.until(lambda stream: stream.source.retry_ms)
        for number in range(12):
            node = other_node if number % 4 == 3 else server
            await node.run(description=f'number {number}: \u00e4\u2028 "', tags=["a"])
        await server.post("/v1/reports", b'{"op":"create","job_id":"Job"}\n' * 5)
        last = await server.head()
        await stream.until(has(last - head))
        assert stream.lines == await raw_lines(server, after=head)


async def test_two_processes_on_one_database(server: Server, other_node: Server) -> None:
    """What one process writes is streamed by the other, in order with its own."""
    await server.define()
    async with (
        streaming(server, SSE) as here,
        streaming(other_node, NDJSON, follow="true") as there,
    ):
        for _ in range(5):
            await server.run()
            await other_node.run()
        head = await other_node.head()
        for stream in (here, there):
            await stream.until(has(head))
            assert stream.positions == list(range(1, head + 1))
        assert here.lines == there.lines


async def test_erased_events_are_streamed_without_their_data(server: Server) -> None:
    """Once an execution is erased, no stream gives its data any more, however new it is."""
    await server.define()
    head = await server.head()
    async with streaming(server, SSE, after=head) as early:
        await early.until(lambda stream: stream.source.retry_ms)
        execution = await server.run(description="a secret")
        await early.until(has(1))
        assert "a secret" in early.source.dispatched[0].data
        path = f"/v1/executions/{execution['uuid']}"
        (await server.post(f"{path}/cancel")).expect(200)
        (await server.post(f"{path}/erase", {"reason": "asked for"})).expect(200)
        await early.until(is_erased)
        async with streaming(server, SSE, after=head) as late:
            await late.until(is_erased)
        assert b"a secret" not in late.raw
        assert (late.events[0]["salt"], late.events[0]["data"]) == (None, None)
        entries = [stream.lines[0].partition(b',"salt":')[0] for stream in (early, late)]
        assert entries[0] == entries[1]


async def test_what_would_commit_late_is_waited_for(server: Server) -> None:
    """The hole, made on purpose: the stream gives nothing behind an append that is not committed."""
    await server.define()
    head = await server.head()
    loop = asyncio.get_running_loop()
    store = server.node.store
    async with (
        streaming(server, SSE, after=head) as stream,
        store.pool.acquire() as early,
        store.pool.acquire() as watcher,
    ):
        await stream.until(lambda stream: stream.source.retry_ms)
        holding = early.transaction()
        await holding.start()
        held = Pending(one("early"), loop.create_future(), loop.time() + 60)
        row = await early.fetchrow(_SQL["append"], *arrays([held]), True)
        assert row is not None
        assert row["position"] == head, "where the log was before"
        late = asyncio.create_task(store.append(one("late")))
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        await eventually(lambda: watcher.fetchval(waits))
        assert stream.events == []
        await holding.commit()
        assert [record.position for record in await late] == [head + 2]
        await stream.until(has(2))
        assert [event["stream"] for event in stream.events] == ["early", "late"]


async def test_cloud_events(server: Server) -> None:
    """A batch, or the next event alone; headers tell where to go on, and a page can wait."""
    await server.define()
    created = await server.run()
    head = await server.head()
    batch = await server.call(
        "GET", "/v1/events", headers={"Accept": BATCH}, types="job.defined,execution.created"
    )
    assert batch.expect(200).headers["Content-Type"].startswith(BATCH)
    first, second = batch.json
    assert (first["type"], second["type"]) == ("job.defined", "execution.created")
    assert second["subject"] == f"execution/{created['uuid']}"
    assert int(second["sequence"]) == second["data"]["position"] == head
    assert batch.headers["Ledger-Next-After"] == str(head)
    one = await server.call("GET", "/v1/events", headers={"Accept": SINGLE}, after=head - 1)
    assert one.expect(200).json == second
    following = one.headers["Link"].partition(">")[0].removeprefix("<")
    none = await server.call("GET", following, headers={"Accept": SINGLE})
    none.expect(204)
    assert none.headers["Ledger-Next-After"] == str(head)
    empty = await server.call("GET", following, headers={"Accept": BATCH})
    assert empty.expect(200).raw == b"[]"
    waited = await server.call(
        "GET", f"/v1/executions/{created['uuid']}/events", headers={"Accept": SINGLE}, wait=5
    )
    assert waited.expect(200).json == second


async def test_forms_are_negotiated(server: Server) -> None:
    """JSON unless another form is liked better; a form that there is not is refused."""

    async def kind_of(accept: str) -> str:
        answer = await server.call("HEAD", "/v1/events", headers={"Accept": accept})
        return answer.expect(200).headers["Content-Type"].partition(";")[0]

    assert await kind_of("*/*") == "application/json"
    assert await kind_of("application/*") == "application/json"
    assert await kind_of("text/html, */*;q=0.1") == "application/json"
    assert await kind_of("text/event-stream, */*") == SSE
    assert await kind_of("application/json;q=0.5, application/x-ndjson") == NDJSON
    assert await kind_of("application/ndjson") == NDJSON
    assert await kind_of(f"{BATCH};q=0.9, text/event-stream;q=0.1") == BATCH
    for accept in ("text/html", "text/event-stream;q=0", "image/*"):
        answer = await server.call("GET", "/v1/events", headers={"Accept": accept})
        answer.problem(406, "not-acceptable", "Accept")


@pytest.mark.parametrize(
    ("accept", "query", "headers", "path"),
    [
        ("application/json", {"follow": "true"}, {}, "?follow"),
        (SSE, {"wait": 5}, {}, "?wait"),
        (SSE, {"limit": 0}, {}, "?limit"),
        (SSE, {"follow": "perhaps"}, {}, "?follow"),
        (SSE, {"after": -1}, {}, "?after"),
        (SSE, {"types": "execution.exploded"}, {}, "?types"),
        (NDJSON, {}, {"Last-Event-ID": "newest"}, "Last-Event-ID"),
        (NDJSON, {}, {"Last-Event-ID": "-1"}, "Last-Event-ID"),
        (NDJSON, {}, {"Last-Event-ID": "9" * 19}, "Last-Event-ID"),
    ],
)
async def test_bad_requests_say_what_is_wrong(
    server: Server, accept: str, query: dict[str, Any], headers: dict[str, str], path: str
) -> None:
    """A stream is not begun with what cannot be understood."""
    answer = await server.call("GET", "/v1/events", headers={"Accept": accept, **headers}, **query)
    answer.problem(400, "malformed-request", path)
