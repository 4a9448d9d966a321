"""Work over HTTP: claims, leases, reports, and what users ask of workers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.api.serving import Server, serving
from tests.waiting import eventually

STARTED = {"type": "step.started", "index": 1}
DONE = {"type": "step.finished", "index": 1, "outcome": "ok"}


async def test_two_workers_race_and_one_wins(server: Server, other_node: Server) -> None:
    """However many ask at once, on whatever node, each execution goes to one worker."""
    await server.define()
    runs = {(await server.run())["uuid"] for _ in range(12)}
    callers = [server, other_node] * 4

    async def work(number: int) -> list[str]:
        mine: list[str] = []
        while leases := await callers[number].claim(f"w{number}", limit=3):
            mine += [lease["execution"]["uuid"] for lease in leases]
        return mine

    async def drain() -> list[str]:
        return [u for mine in await asyncio.gather(*map(work, range(8))) for u in mine]

    taken = await drain()
    while len(taken) < len(runs):
        taken += await drain()
    assert sorted(taken) == sorted(runs)
    started = (await server.get("/v1/events", types="execution.started", limit=100)).json
    assert len(started["events"]) == len(runs)
    await server.assert_sound()


async def test_a_waiting_claim_wakes_up(server: Server) -> None:
    """A claim that waits is given what is created meanwhile; one that offers other steps is not."""
    await server.define()
    other = {"worker": "o", "step_types": ["http"], "wait_s": 0.05}
    waiting = asyncio.create_task(server.claim(wait_s=20))
    run = await server.run()
    [lease] = await waiting
    assert lease["execution"]["uuid"] == run["uuid"]
    assert (lease["fence"], lease["lease_s"]) == (1, 15)
    assert (await server.post("/v1/work/claim", other)).json["leases"] == []


async def test_work_is_reported_to_its_end(server: Server) -> None:
    """Steps, progress and output come in batches; a batch that was taken may come again."""
    await server.define()
    run = await server.run()
    [lease] = await server.claim()
    batch = [
        STARTED,
        {"type": "step.progressed", "index": 1, "progress": {"counters": {"rows": 7}}},
        {"type": "output", "output": {"url": "x"}, "metrics": {"rows": 7}},
        DONE,
        {"type": "finished"},
    ]
    first = (await server.report(lease, *batch)).expect(200)
    assert first.json["status"] == "finished"
    again = (await server.report(lease, *batch)).expect(200)
    assert again.json["position"] == first.json["position"]
    view = (await server.get(f"/v1/executions/{run['uuid']}")).json
    assert (view["outcome"], view["output"], view["steps"][0]["progress"]["counters"]) == (
        "ok",
        {"url": "x"},
        {"rows": 7},
    )
    half_wrong = await server.run()
    [lease] = await server.claim()
    head = await server.head()
    (await server.report(lease, STARTED, DONE, DONE | {"outcome": "error"})).problem(
        422, "report-invalid", "$.reports[2]"
    )
    assert await server.head() == head
    view = (await server.get(f"/v1/executions/{half_wrong['uuid']}")).json
    assert view["steps"][0]["status"] == "pending"


async def test_a_silent_worker_is_replaced(server: Server) -> None:
    """After its lease an execution goes to the next; what the first says late is refused, once on record."""
    await server.define(policies={"lease_s": 1})
    run = await server.run()
    [first] = await server.claim("first")
    (await server.report(first, STARTED)).expect(200)
    beat = (await server.post(f"/v1/work/{first['lease']}/heartbeat")).expect(200).json
    assert beat["expires_at"] >= first["expires_at"]
    second: list[Any] = []

    async def taken_over() -> bool:
        second.extend(await server.claim("second"))
        return bool(second)

    await eventually(taken_over, deadline_s=20)
    assert (second[0]["fence"], second[0]["execution"]["attempt"]) == (2, 2)
    (await server.post(f"/v1/work/{first['lease']}/heartbeat")).problem(409, "lease-lost")
    for _ in range(3):
        refused = await server.report(first, DONE, {"type": "finished"})
        assert refused.problem(409, "fenced")["current"] == 2
    await server.finish(second[0], outcome="ok")
    types = [event["type"] for event in await server.events(run["uuid"])]
    assert types.count("report.refused") == types.count("execution.lease_lost") == 1
    assert types[-1] == "execution.finished"


@pytest.mark.parametrize(
    ("action", "request_name", "report", "status"),
    [
        ("cancel", "cancel", {"type": "canceled"}, "aborted"),
        ("pause", "pause", {"type": "paused"}, "paused"),
    ],
)
async def test_requests_reach_the_worker(
    server: Server, action: str, request_name: str, report: Any, status: str
) -> None:
    """What a user asks is told with the next report and heartbeat, until the worker complies."""
    await server.define()
    run = await server.run()
    one = f"/v1/executions/{run['uuid']}"
    [lease] = await server.claim()
    (await server.report(lease, report)).problem(422, "report-invalid", "$.reports[0]")
    asked = (await server.post(f"{one}/{action}", {"reason": "r"})).expect(200).json
    assert asked["status"] == {"cancel": "aborting", "pause": "pausing"}[action]
    assert asked["next"]["who"] == "worker"
    repeated = (await server.post(f"{one}/{action}")).expect(200).json
    assert repeated["version"] == asked["version"]
    told = (await server.report(lease, STARTED)).expect(200).json
    assert told["requests"] == [request_name]
    beat = (await server.post(f"/v1/work/{lease['lease']}/heartbeat")).expect(200).json
    assert beat["requests"] == [request_name]
    assert (await server.report(lease, report)).expect(200).json["status"] == status
    (await server.post(f"/v1/work/{lease['lease']}/heartbeat")).problem(409, "lease-lost")
    if status == "paused":
        assert await server.claim() == []
        (await server.post(f"{one}/resume")).expect(200)
        [lease] = await server.claim()
        assert lease["execution"]["uuid"] == run["uuid"]
    else:
        (await server.post(f"{one}/resume")).problem(409, "wrong-state")
        (await server.post(f"{one}/pause")).problem(409, "wrong-state")


async def test_a_recorder_tells_of_work_done_elsewhere(server: Server) -> None:
    """Without a lease it takes the role recorder; under one the role worker."""
    await server.define()
    run = await server.run()
    path = f"/v1/executions/{run['uuid']}/reports"
    recorder, worker = await server.caller("recorder"), await server.caller("worker")
    told = {"reports": [STARTED | {"occurred_at": "2020-01-01T00:00:00+01:00"}]}
    (await worker.post(path, told)).problem(403, "forbidden", "$.fence")
    (await recorder.post(path, told | {"fence": 1})).problem(403, "forbidden")
    (await recorder.post(path, told)).expect(200)
    finish = {"reports": [DONE, {"type": "finished"}]}
    assert (await recorder.post(path, finish)).expect(200).json["status"] == "finished"
    view = (await server.get(f"/v1/executions/{run['uuid']}")).json
    assert view["started_at"] == "2019-12-31T23:00:00Z"
    owned = await server.run()
    await worker.claim()
    (await recorder.post(f"/v1/executions/{owned['uuid']}/reports", told)).problem(409)


async def test_a_client_that_hangs_up_loses_nothing(server: Server) -> None:
    """Requests cut off in the middle take effect whole or not at all, and the views stay right."""
    # A short lease, since cut-off claims hold some; on a busy machine others run out as well.
    await server.define(policies={"lease_s": 1, "max_lease_losses": 100})
    calls = [asyncio.create_task(server.post("/v1/jobs/Job/executions")) for _ in range(40)]
    claims = [asyncio.create_task(server.claim(f"w{i}", wait_s=5)) for i in range(5)]
    done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    for call in (*calls, *claims):
        call.cancel()
    await asyncio.gather(*calls, *claims, return_exceptions=True)
    for call in done:
        uuid = call.result().expect(201).json["uuid"]
        (await server.get(f"/v1/executions/{uuid}")).expect(200)
    await eventually(lambda: server.node.store.appender.waiting == 0)
    await server.assert_sound()
    everything = (await server.get("/v1/executions", total="true", limit=1)).json["total"]
    finished: set[str] = set()

    async def all_are_done() -> bool:
        for lease in await server.claim(limit=5):
            answer = await server.report(lease, {"type": "finished", "outcome": "ok"})
            if answer.status == 200:
                finished.add(lease["execution"]["uuid"])
        return len(finished) == int(everything)

    assert await eventually(all_are_done, deadline_s=30)


async def test_waiting_requests_are_bounded(database_url: str, tmp_path: Path) -> None:
    """Beyond the limit a request that means to wait is refused; one that does not is served."""
    async with serving(database_url, tmp_path, max_long_polls=2) as server:
        await server.define()
        head = await server.head()
        watching = asyncio.create_task(server.get("/v1/events", after=head, wait=30))
        claiming = asyncio.create_task(server.claim(wait_s=30))

        async def is_full() -> bool:
            answer = await server.get("/v1/events", after=await server.head(), wait="0.01")
            return answer.status == 503

        assert await eventually(is_full)
        late = await server.post(
            "/v1/work/claim", {"worker": "w", "step_types": ["a"], "wait_s": 1}
        )
        late.problem(503, "too-many-waiting")
        assert late.headers["Retry-After"] == "1"
        assert await server.claim() == []
        await server.run()
        assert (await watching).json["events"]
        assert await claiming

        async def has_room() -> bool:
            return not await is_full()

        assert await eventually(has_room)
