"""Executions over HTTP: from definition to deletion, and every way to look at them."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.api.serving import Server
from tests.waiting import eventually

FINISHED = {"type": "finished", "outcome": "ok"}


async def test_a_life_from_definition_to_deletion(server: Server) -> None:
    """Defined, run, watched, canceled, deleted; afterwards only an auditor finds its history."""
    await server.define()
    head = await server.head()
    watching = asyncio.create_task(server.get("/v1/events", after=head, wait=20))
    run = await server.run(name="first")
    seen = (await watching).expect(200).json
    assert [event["type"] for event in seen["events"]] == ["execution.created"]
    assert seen["events"][0]["stream"] == f"execution/{run['uuid']}"
    assert seen["next_after"] == seen["head"] == run["position"]
    one = f"/v1/executions/{run['uuid']}"
    (await server.delete(one)).problem(409, "not-finished")
    canceled = (await server.post(f"{one}/cancel", {"reason": "enough"})).expect(200).json
    assert (canceled["status"], canceled["cause"], canceled["message"]) == (
        "aborted",
        "user",
        "enough",
    )
    (await server.delete(one)).expect(204)
    auditor = await server.caller("auditor")
    types = [event["type"] for event in await auditor.events(run["uuid"])]
    assert types == [
        "execution.created",
        "execution.cancel_requested",
        "execution.canceled",
        "execution.deleted",
    ]
    assert (await auditor.get(one)).expect(200).json["deleted"] is True
    assert (await auditor.get(one, as_of=run["position"])).json["status"] == "pending"
    history = (await auditor.get("/v1/jobs/Job/history")).expect(200).json["executions"]
    assert [(row["uuid"], row["deleted"]) for row in history] == [(run["uuid"], True)]
    assert (await auditor.get("/v1/executions", deleted="true")).json["executions"]
    assert (await auditor.get("/v1/executions")).json["executions"] == []
    for role in ("viewer", "operator"):
        other = await server.caller(role)
        for path in (one, f"{one}/events", f"/v1/executions/{run['number']}"):
            (await other.get(path)).problem(404, "not-found")
        (await other.get("/v1/events", execution_id=run["uuid"])).problem(404)
        for path in ("/v1/jobs/Job/history", "/v1/executions", "/v1/executions?deleted=true"):
            assert (await other.get(path)).expect(200).json["executions"] == []
    for action in ("cancel", "pause", "resume", "restart"):
        (await server.post(f"{one}/{action}")).problem(404, "not-found")


async def test_an_execution_is_found_by_each_of_its_names(server: Server) -> None:
    """Its uuid, number and oid lead to the same view, with version as ETag, and HEAD tells the same."""
    await server.define()
    run = await server.run()
    answers = [
        await server.get(f"/v1/executions/{name}")
        for name in (run["uuid"], run["uuid"].upper(), run["number"], run["oid"])
    ]
    assert all(answer.expect(200).json["uuid"] == run["uuid"] for answer in answers)
    assert {answer.headers["ETag"] for answer in answers} == {'"1"'}
    bare = await server.call("HEAD", f"/v1/executions/{run['uuid']}")
    assert (bare.status, bare.raw, bare.headers["ETag"]) == (200, b"", '"1"')
    for name in ("0", "999999999999999999", "9" * 19, "f" * 24, "no-such", "%00", "0" * 5000):
        (await server.get(f"/v1/executions/{name}")).problem(404, "not-found")


async def test_a_repeated_request_runs_once(server: Server) -> None:
    """Under one idempotency key there is one execution; another request under it is refused."""
    await server.define(policies={"when_running": "reject"})
    path, key = "/v1/jobs/Job/executions", {"Idempotency-Key": "once"}
    answers = await asyncio.gather(
        *(server.post(path, {"input": {"a": 1}}, headers=key) for _ in range(20))
    )
    assert sorted(answer.status for answer in answers) == [200] * 19 + [201]
    assert len({answer.json["uuid"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 19
    head = await server.head()
    (await server.post(path, {"input": {"a": 2}}, headers=key)).problem(
        422, "idempotency-key-reused", "Idempotency-Key"
    )
    (await server.post(path, headers={"Idempotency-Key": "x" * 256})).problem(
        400, "malformed-request", "Idempotency-Key"
    )
    assert await server.head() == head
    uuid = answers[0].json["uuid"]
    (await server.post(f"/v1/executions/{uuid}/cancel")).expect(200)
    again = (await server.post(path, {"input": {"a": 1}}, headers=key)).expect(200).json
    assert (again["uuid"], again["status"]) == (uuid, "aborted")


async def test_a_restart_is_repeatable(server: Server) -> None:
    """A restart begins at the step that failed, and one idempotency key restarts once."""
    await server.define(steps=[{"step_id": s, "step_type_id": "command"} for s in ("a", "b")])
    run = await server.run(parameters=[{"name": "p", "value": 1}])
    (await server.post(f"/v1/executions/{run['uuid']}/restart")).problem(409, "not-finished")
    [lease] = await server.claim()
    started, done = {"type": "step.started", "index": 1}, {"type": "step.finished", "index": 1}
    await server.report(lease, started, {**done, "outcome": "ok"})
    await server.finish(lease, outcome="error", message="no")
    path, key = f"/v1/executions/{run['uuid']}/restart", {"Idempotency-Key": "again"}
    first = (await server.post(path, headers=key)).expect(201).json
    second = (await server.post(path, headers=key)).expect(200).json
    assert first["uuid"] == second["uuid"]
    assert first["restart_of"] == run["uuid"]
    assert first["is_restart"] is True
    assert first["parameters"] == run["parameters"]
    assert [step["status"] for step in first["steps"]] == ["skipped", "pending"]
    [lease] = await server.claim()
    await server.finish(lease)
    (await server.post(f"/v1/executions/{first['uuid']}/restart")).problem(409, "not-restartable")


async def test_words_are_changed_by_merge_patch(server: Server) -> None:
    """Absent fields stay, null empties, labels are merged name by name; nothing else can be told."""
    await server.define(labels={"from": "job"}, tags=["t"])
    run = await server.run(name="a", description="d")
    one = f"/v1/executions/{run['uuid']}"
    merge = {"Content-Type": "application/merge-patch+json"}
    patched = await server.patch(one, {"labels": {"x": "1"}, "description": None}, headers=merge)
    after = patched.expect(200).json
    assert after["labels"] == {"from": "job", "x": "1"}
    assert (after["name"], after.get("description", "")) == ("a", "")
    after = (await server.patch(one, {"labels": {"from": None}, "tags": None})).json
    assert (after["labels"], after.get("tags", [])) == ({"x": "1"}, [])
    head = await server.head()
    (await server.patch(one, {})).expect(200)
    (await server.patch(one, {"labels": {"x": "1"}})).expect(200)
    (await server.patch(one, {"status": "finished"})).problem(400, "malformed-request")
    (await server.patch(one, {"labels": {f"l{i}": "" for i in range(100)}})).problem(400)
    assert await server.head() == head
    await asyncio.gather(*(server.patch(one, {"labels": {f"c{i}": "v"}}) for i in range(6)))
    labels = (await server.get(one)).json["labels"]
    assert labels == {"x": "1"} | {f"c{i}": "v" for i in range(6)}


async def test_versions_guard_changes(server: Server) -> None:
    """If-Match lets only the reader of the newest version change, If-None-Match spares the reader."""
    await server.define()
    run = await server.run()
    one = f"/v1/executions/{run['uuid']}"
    for action, method in (("", "PATCH"), ("", "DELETE"), ("/cancel", "POST"), ("/pause", "POST")):
        body = {"name": "n"} if method == "PATCH" else None
        stale = await server.call(method, one + action, body, headers={"If-Match": '"7"'})
        assert stale.problem(412, "stale-version")["current"] == 1
        for tag in ('W/"1"', "1", '"a"', '"1", "2"'):
            broken = await server.call(method, one + action, body, headers={"If-Match": tag})
            broken.problem(400, "malformed-request", "If-Match")
    (await server.patch(one, {"name": "n"}, headers={"If-Match": '"1"'})).expect(200)
    (await server.patch(one, {"name": "m"}, headers={"If-Match": "*"})).expect(200)
    for tag, status in (('"3"', 304), ('W/"3"', 304), ('"1", "3"', 304), ("*", 304), ('"2"', 200)):
        answer = await server.call("GET", one, headers={"If-None-Match": tag})
        assert answer.expect(status).headers["ETag"] == '"3"'


async def test_pages_neither_repeat_nor_miss(server: Server) -> None:
    """Following next through a list while executions are added gives each of the old ones once."""
    await server.define()
    old = [(await server.run())["uuid"] for _ in range(13)]
    for path, limit in (
        ("/v1/executions", 3),
        ("/v1/executions/active", 4),
        ("/v1/jobs/Job/history", 5),
    ):
        seen: list[str] = []
        target: str | None = f"{path}?limit={limit}"
        while target is not None:
            page = (await server.get(target)).expect(200)
            seen += [row["uuid"] for row in page.json["executions"]]
            assert int(page.headers["Ledger-Position"]) == page.json["position"]
            await server.run()
            link = page.headers.get("Link")
            assert (link is None) == ("next" not in page.json)
            target = None
            if link is not None:
                assert link.endswith('>; rel="next"')
                target = link[1:].partition(">")[0]
                assert page.json["next"] in urlsplit(target).query
        assert len(seen) == len(set(seen))
        assert set(old) <= set(seen)


async def test_filters_narrow_lists(server: Server) -> None:
    """Each filter gives what fits it and nothing else, and the total counts beyond the page."""
    await server.define("A", tags=["red"])
    await server.define("B")
    a = await server.run("A", labels={"city": "Bern", "x": "1"})
    [lease] = await server.claim()
    await server.finish(lease, outcome="warning")
    b = await server.run("B", tags=["blue", "green"])
    c = await server.run("B", run_at="2100-01-01T00:00:00Z")
    later = "2099-01-01T00:00:00Z"

    async def found(**query: object) -> set[str]:
        answer = await server.get("/v1/executions", total="true", **query)
        page = answer.expect(200).json
        assert page["total"] == len(page["executions"])
        return {row["uuid"] for row in page["executions"]}

    everything = {run["uuid"] for run in (a, b, c)}
    for query, expected in (
        ({}, everything),
        ({"job_id": "A"}, {a["uuid"]}),
        ({"job_id": "none"}, set()),
        ({"status": "finished"}, {a["uuid"]}),
        ({"status": "finished,pending"}, everything),
        ({"outcome": "warning"}, {a["uuid"]}),
        ({"outcome": "ok"}, set()),
        ({"tag": "red"}, {a["uuid"]}),
        ({"tag": "red,green"}, {a["uuid"], b["uuid"]}),
        ({"label": "city=Bern"}, {a["uuid"]}),
        ({"label": "city=Rom"}, set()),
        ({"user": "admin"}, everything),
        ({"user": "other"}, set()),
        ({"trigger": "rest"}, everything),
        ({"trigger": "schedule"}, set()),
        ({"created_after": a["created_at"]}, everything),
        ({"created_before": a["created_at"]}, set()),
        ({"created_before": later, "created_after": b["created_at"]}, {b["uuid"], c["uuid"]}),
        ({"started_after": a["created_at"]}, {a["uuid"]}),
        ({"ended_after": a["created_at"], "ended_before": later}, {a["uuid"]}),
        ({"ended_after": later}, set()),
    ):
        assert await found(**query) == expected, query
    page = (await server.get("/v1/executions", total="true", limit=1)).json
    assert (page["total"], len(page["executions"])) == (3, 1)
    for query in (
        {"status": "done"},
        {"outcome": "good"},
        {"label": "noequals"},
        {"created_after": "yesterday"},
        {"total": "maybe"},
        {"limit": 0},
        {"limit": 1001},
        {"limit": "many"},
        {"after": "bm90LWEtY3Vyc29y"},
        {"nonsense": "1"},
        {"user": "\x00"},
    ):
        [name] = query
        (await server.get("/v1/executions", **query)).problem(400, "malformed-request", f"?{name}")


async def test_a_past_state_is_told_by_position_and_time(server: Server) -> None:
    """as_of shows what was known then; before its creation an execution is not there."""
    await server.define()
    run = await server.run()
    one = f"/v1/executions/{run['uuid']}"
    created_at = (await server.events(run["uuid"]))[0]["recorded_at"]
    renamed = (await server.patch(one, {"name": "later"})).json
    past = await server.get(one, as_of=run["position"])
    assert past.expect(200).json == run
    assert past.headers["Ledger-Position"] == str(run["position"])
    assert (await server.get(one, as_of=created_at)).expect(200).json == run
    assert (await server.get(one, as_of=renamed["position"])).json["name"] == "later"
    assert (await server.get(one, as_of="2100-01-01T00:00:00Z")).json["name"] == "later"
    (await server.get(one, as_of=run["position"] - 1)).problem(404, "not-found")
    (await server.get(one, as_of="2000-01-01T00:00:00Z")).problem(404, "not-found")
    for wrong in (renamed["position"] + 100, "9" * 30, "-1", "then", "9999-12-31T23:59:59-12:00"):
        (await server.get(one, as_of=wrong)).problem(400, "malformed-request", "?as_of")


@pytest.mark.parametrize("view", ["/v1/executions", "/v1/executions/active"])
async def test_writes_are_read_on_every_node(server: Server, other_node: Server, view: str) -> None:
    """A node's reads cover its own writes; with Ledger-Min-Position another node's too."""
    await server.define()
    for _ in range(5):
        created = (await server.post("/v1/jobs/Job/executions")).expect(201)
        minimum = {"Ledger-Min-Position": created.headers["Ledger-Position"]}
        for answer in (
            await server.get(view, limit=1),
            await other_node.call("GET", f"{view}?limit=1", headers=minimum),
        ):
            assert answer.json["executions"][0]["uuid"] == created.json["uuid"]
            assert answer.json["position"] >= created.json["position"]
        one = f"/v1/executions/{created.json['uuid']}"
        read = await other_node.call("GET", one, headers=minimum)
        assert read.expect(200).json["version"] == 1
    too_far = {"Ledger-Min-Position": "many"}
    (await server.call("GET", view, headers=too_far)).problem(400, path="Ledger-Min-Position")


async def test_what_a_view_does_not_have_yet_is_found_by_its_uuid(
    server: Server, other_node: Server
) -> None:
    """Who learns of an execution from the log gets it, however far behind the view is."""
    await server.define()
    stranger = other_node.under((await server.caller("viewer", organizations=["other"])).key)
    await server.views_at(await server.head())
    async with server.node.store.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "select from projections.projection where name = 'executions' for update"
        )
        made = await server.run()
        found = (await other_node.get(f"/v1/executions/{made['uuid']}")).expect(200)
        assert (found.json["number"], found.json["version"]) == (made["number"], 1)
        assert int(found.headers["Ledger-Position"]) == made["position"]
        # Only the view knows its number.
        (await other_node.get(f"/v1/executions/{made['number']}")).problem(404, "not-found")
        (await stranger.get(f"/v1/executions/{made['uuid']}")).problem(404, "not-found")


async def test_a_long_poll_wakes_by_a_commit_of_another_process(
    server: Server, other_node: Server
) -> None:
    """Who waits on one node sees what another node commits."""
    await server.define()
    head = await server.head()
    watching = asyncio.create_task(other_node.get("/v1/events", after=head, wait=40))
    run = await server.run()
    assert (await watching).json["events"][0]["stream"] == f"execution/{run['uuid']}"
    assert (await other_node.head()) == run["position"]


async def test_a_filtered_cursor_advances(server: Server) -> None:
    """Where nothing matched, next_after is as far as was looked; each filter gives its events."""
    await server.define("A")
    await server.define("B")
    a, b = await server.run("A"), await server.run("B")
    head = await server.head()
    none = (await server.get("/v1/events", types="job.retired")).expect(200).json
    assert (none["events"], none["next_after"], none["head"]) == ([], head, head)
    assert (await server.get("/v1/events", types="job.retired", wait="0.01")).json[
        "next_after"
    ] == head
    only = (await server.get("/v1/events", job_id="A")).json["events"]
    assert [e["stream"] for e in only] == ["job/default/A", f"execution/{a['uuid']}"]
    only = (await server.get("/v1/events", execution_id=b["number"])).json["events"]
    assert [e["position"] for e in only] == [b["position"]]
    first = (await server.get("/v1/events", types="execution.created", limit=1)).json
    assert (first["next_after"], len(first["events"])) == (a["position"], 1)
    second = (await server.get("/v1/events", types="execution.created", after=a["position"])).json
    assert [e["position"] for e in second["events"]] == [b["position"]]
    for query in (
        {"types": "execution.exploded"},
        {"after": -1},
        {"after": 2**63},
        {"limit": 5001},
        {"wait": 61},
        {"wait": "nan"},
    ):
        [name] = query
        (await server.get("/v1/events", **query)).problem(400, "malformed-request", f"?{name}")


async def test_an_active_list_estimates_from_history(server: Server) -> None:
    """An open execution says who must act by when, and how long it may still take."""
    await server.define()
    await server.run()
    [lease] = await server.claim()
    await server.finish(lease)
    run = await server.run()
    [row] = (await server.get("/v1/executions/active")).json["executions"]
    assert row["uuid"] == run["uuid"]
    assert row["next"]["who"] == "worker"
    [lease] = await server.claim()
    await server.report(lease, {"type": "progressed", "progress": {"percent": 50}})

    async def estimated() -> bool:
        [row] = (await server.get("/v1/executions/active")).json["executions"]
        return bool(row["progress"]["percent"] == 50 and row["seconds_left"] >= 0)

    assert await eventually(estimated)
