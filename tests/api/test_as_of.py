"""What was known then, and how it came about: as_of on one execution and on the list, and changes."""

from typing import Any

from tests.api.serving import Server


async def told(server: Server, **query: Any) -> list[str]:
    """Page through the active list by its links."""
    found: list[str] = []
    answer = await server.get("/v1/executions/active", **query)
    while True:
        found.extend(one["uuid"] for one in answer.expect(200).json["executions"])
        link = answer.headers.get("Link")
        if link is None:
            return found
        answer = await server.get(link.partition(">")[0].removeprefix("<"))


async def test_the_active_list_as_of_any_position(server: Server) -> None:
    """Each position has its own list, the same however it is paged, and others' have no part in it."""
    await server.define()
    first, second = await server.run(), await server.run()
    (lease,) = await server.claim()
    await server.report(lease, {"type": "progressed", "progress": {"percent": 40}})
    between = await server.head()
    await server.finish(lease, outcome="ok")
    ended = await server.head()
    third = await server.run()
    order = [third["uuid"], second["uuid"], first["uuid"]]
    stranger = await server.caller("viewer", organizations=("other",))
    for position, count in ((first["position"], (2, 3)), (between, (1, 3)), (ended, (1, 2))):
        expected = order[count[0] : count[1]]
        for limit in (1, 2, 100):
            assert await told(server, as_of=position, limit=limit) == expected
        empty = await stranger.get("/v1/executions/active", as_of=position)
        assert empty.expect(200).json["executions"] == []
    assert await told(server, as_of=first["position"] - 1) == []
    (shown,) = (await server.get("/v1/executions/active", as_of=between, status="running")).json[
        "executions"
    ]
    assert (shown["uuid"], shown["progress"]["percent"]) == (first["uuid"], 40)
    assert shown["next"]["who"] == "worker"
    now = (await server.get("/v1/executions/active", as_of=await server.head())).expect(200)
    live = (await server.get("/v1/executions/active")).expect(200)
    assert [one["uuid"] for one in now.json["executions"]] == [
        one["uuid"] for one in live.json["executions"]
    ]
    instant = (await server.events(second["uuid"]))[0]["recorded_at"]
    assert await told(server, as_of=instant, limit=1) == order[1:]
    for wrong in (await server.head() + 1, "then", "-1"):
        refused = await server.get("/v1/executions/active", as_of=wrong)
        refused.problem(400, "malformed-request", "?as_of")


async def test_deleted_and_erased_ones_as_of_then(server: Server) -> None:
    """Auditors see that they were open; of an erased one what is left, at each of its positions."""
    await server.define()
    gone, erased = await server.run(), await server.run()
    for _ in range(2):
        (lease,) = await server.claim()
        await server.finish(lease, outcome="ok")
    (await server.delete(f"/v1/executions/{gone['uuid']}")).expect(204)
    (await server.post(f"/v1/executions/{erased['uuid']}/erase")).expect(200)
    viewer = await server.caller("viewer")
    as_of = erased["position"]
    seen = (await viewer.get("/v1/executions/active", as_of=as_of)).json["executions"]
    assert [(one["uuid"], one["job_id"], one["erased"]) for one in seen] == [
        (erased["uuid"], "", True)
    ]
    seen = (await server.get("/v1/executions/active", as_of=as_of)).json["executions"]
    assert [one["uuid"] for one in seen] == [erased["uuid"], gone["uuid"]]
    events = await server.events(erased["uuid"])
    statuses = []
    path = f"/v1/executions/{erased['uuid']}"
    for event in events:
        past = (await viewer.get(path, as_of=event["position"])).expect(200).json
        assert past["erased"] is True
        assert "input" not in past
        statuses.append(past["status"])
    assert statuses == ["pending", "running", "finished", "finished"]
    before = events[0]["position"] - 1
    (await viewer.get(path, as_of=before)).problem(404, "not-found")
    one = f"/v1/executions/{gone['uuid']}"
    (await viewer.get(one, as_of=gone["position"])).problem(404, "not-found")
    past = (await server.get(one, as_of=gone["position"])).expect(200).json
    assert (past["status"], past.get("deleted", False)) == ("pending", False)


async def test_changes_are_told_event_by_event(server: Server) -> None:
    """Each event has what it changed, in pages; the state as of it is an as_of away."""
    await server.define()
    run = await server.run(name="first")
    (lease,) = await server.claim()
    await server.report(lease, {"type": "step.started", "index": 1})
    one = f"/v1/executions/{run['uuid']}"
    await server.patch(one, {"name": "second"})
    await server.report(lease, {"type": "step.finished", "index": 1, "outcome": "ok"})
    await server.finish(lease, outcome="ok")
    whole = (await server.get(f"{one}/changes")).expect(200).json
    assert [event["type"] for event in whole["events"]] == [
        event["type"] for event in await server.events(run["uuid"])
    ]
    assert whole["more"] is False
    renamed = next(e for e in whole["events"] if e["type"] == "execution.described")
    assert renamed["changes"] == [{"field": "name", "from": "first", "to": "second"}]
    for event in whole["events"]:
        past = (await server.get(one, as_of=event["position"])).expect(200).json
        assert past["version"] == event["version"]
        for change in event.get("changes", []):
            if change["field"] in ("status", "name", "outcome", "fence"):
                assert past[change["field"]] == change["to"]
    paged: list[Any] = []
    after, more = 0, True
    while more:
        page = (await server.get(f"{one}/changes", after=after, limit=2)).expect(200).json
        paged.extend(page["events"])
        after, more = page["next_after"], page["more"]
    assert paged == whole["events"]
    assert (await server.get(f"{one}/changes", after=after)).json["events"] == []
    stranger = await server.caller("viewer", organizations=("other",))
    (await stranger.get(f"{one}/changes")).problem(404, "not-found")
    (await server.post(f"{one}/erase")).expect(200)
    left = (await server.get(f"{one}/changes")).expect(200)
    assert b"second" not in left.raw
    assert left.json["events"][-1]["type"] == "execution.erased"
