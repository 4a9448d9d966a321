"""Jobs over HTTP: definitions, schedules, and the policies that executions follow."""

import asyncio

import pytest

from tests.api.serving import STEP, Answer, Server

EXECUTIONS = "/v1/jobs/Job/executions"


async def test_a_job_is_defined_changed_and_retired(server: Server) -> None:
    """POST and PUT bring it into being, PUT and PATCH change it, DELETE ends it; its id is free again."""
    body = {"job_id": "Job é", "definition": {"steps": [STEP], "description": "d"}}
    made = (await server.post("/v1/jobs", body)).expect(201)
    assert made.headers["Location"] == "/v1/jobs/Job%20%C3%A9"
    assert made.headers["ETag"] == '"1"'
    assert (await server.post("/v1/jobs", body)).expect(200).json["version"] == 1
    one = made.headers["Location"]
    patched = await server.patch(one, {"description": None, "labels": {"a": "1"}, "name": "n"})
    definition = patched.expect(200).json["definition"]
    assert definition == {"steps": [STEP], "labels": {"a": "1"}, "name": "n"}
    patched = await server.patch(one, {"labels": {"b": "2"}}, headers={"If-Match": '"2"'})
    assert patched.expect(200).json["definition"]["labels"] == {"a": "1", "b": "2"}
    (await server.put(one, {}, headers={"If-Match": '"2"'})).problem(412, "stale-version")
    (await server.put(one, {}, headers={"If-None-Match": "*"})).problem(412, "stale-version")
    (await server.patch(one, {}, headers={"If-Match": '"2"'})).problem(412)
    (await server.delete(one, headers={"If-Match": '"2"'})).problem(412)
    for tag, status in (('"3"', 304), ('W/"3"', 304), ('"2"', 200)):
        (await server.call("GET", one, headers={"If-None-Match": tag})).expect(status)
    (await server.put(one, {"steps": [STEP]}, headers={"If-Match": '"3"'})).expect(200)
    (await server.delete(one)).expect(204)
    (await server.get(one)).problem(404, "not-found")
    (await server.post(f"{one}/executions")).problem(404, "not-found")
    (await server.put(one, {}, headers={"If-Match": "*"})).problem(412, "stale-version")
    (await server.put(one, {}, headers={"If-None-Match": "*"})).expect(201)
    assert (await server.get(one)).json["uuid"] != made.json["uuid"]


async def test_patches_at_the_same_time_all_count(server: Server) -> None:
    """Without If-Match a merge patch is put on top of what others changed meanwhile."""
    await server.define()
    answers = await asyncio.gather(
        *(server.patch("/v1/jobs/Job", {"labels": {f"l{i}": "v"}}) for i in range(6))
    )
    assert {answer.status for answer in answers} == {200}
    labels = (await server.get("/v1/jobs/Job")).json["definition"]["labels"]
    assert labels == {f"l{i}": "v" for i in range(6)}


async def test_a_schedule_says_when(server: Server) -> None:
    """A schedule shows the next due times in UTC, can be set with the job, and cleared."""
    schedule = {"cron": "30 8 * * *", "time_zone": "Europe/Berlin"}
    made = await server.post("/v1/jobs", {"job_id": "S", "definition": {}, "schedule": schedule})
    assert len(made.expect(201).json["next_due_at"]) == 3
    assert (await server.get("/v1/jobs/S/schedule")).expect(200).json == schedule
    once = {"at": ["2100-01-01T00:00:00+01:00"]}
    changed = (await server.put("/v1/jobs/S/schedule", once)).expect(200).json
    assert changed["next_due_at"] == ["2099-12-31T23:00:00Z"]
    (await server.delete("/v1/jobs/S/schedule")).expect(204)
    (await server.get("/v1/jobs/S/schedule")).problem(404)
    assert "next_due_at" not in (await server.get("/v1/jobs/S")).json


async def test_jobs_are_listed_by_id(server: Server) -> None:
    """Pages follow each other by job id; type and tags narrow the list."""
    for number in range(7):
        await server.define(f"J{number}", type="t" if number % 2 else "u", tags=[f"g{number % 3}"])
    seen: list[str] = []
    target: str | None = "/v1/jobs?limit=2"
    while target is not None:
        page = (await server.get(target)).expect(200)
        seen += [job["job_id"] for job in page.json["jobs"]]
        link = page.headers.get("Link")
        target = link[1:].partition(">")[0] if link else None
    assert seen == [f"J{number}" for number in range(7)]
    for query, expected in (
        ({"type": "t"}, ["J1", "J3", "J5"]),
        ({"tag": "g0"}, ["J0", "J3", "J6"]),
        ({"tag": "g0,g1", "type": "u"}, ["J0", "J4", "J6"]),
    ):
        found = (await server.get("/v1/jobs", **query)).json["jobs"]
        assert [job["job_id"] for job in found] == expected


@pytest.mark.parametrize("policy", ["parallel", "reject", "queue", "coalesce"])
async def test_concurrent_creates_follow_the_jobs_policy(
    server: Server, other_node: Server, policy: str
) -> None:
    """Many at once, on two nodes: as many executions as the policy allows, and no more at work."""
    await server.define(policies={"when_running": policy})
    answers: list[Answer] = await asyncio.gather(
        *((server, other_node)[i % 2].post(EXECUTIONS) for i in range(20))
    )
    statuses = sorted(answer.status for answer in answers)
    made = {answer.json["uuid"] for answer in answers if answer.status in (200, 201)}
    match policy:
        case "parallel" | "queue":
            assert statuses == [201] * 20
            assert len(made) == 20
        case "reject":
            assert statuses == [201] + [409] * 19
            for refused in (answer for answer in answers if answer.status == 409):
                assert {refused.problem(409, "already-running")["execution"]} == made
        case _:
            assert statuses == [200] * 19 + [201]
            assert len(made) == 1
    minimum = {"Ledger-Min-Position": str(await other_node.node.store.head())}
    (await server.call("GET", "/v1/executions/active", headers=minimum)).expect(200)
    leases = [
        lease
        for mine in await asyncio.gather(server.claim("a", limit=9), server.claim("b", limit=9))
        for lease in mine
    ]
    at_work = 18 if policy == "parallel" else 1
    assert len(leases) <= at_work
    while len(leases) < at_work and (more := await server.claim("c", limit=at_work)):
        leases += more
    assert len(leases) == at_work
    if policy == "coalesce":
        next_one = await server.run()
        assert next_one["uuid"] not in made
        assert (await server.post(EXECUTIONS)).expect(200).json["uuid"] == next_one["uuid"]
    if policy != "parallel":
        await server.finish(leases[0], outcome="ok")
        after = await server.post(EXECUTIONS)
        assert after.status == (200 if policy == "coalesce" else 201)
        assert len(await server.claim("d", limit=5)) == 1
    await server.assert_sound()


async def test_after_a_failure_the_jobs_policy_decides(server: Server) -> None:
    """Refuse lets nothing run again, resume goes on at the failed step, new begins afresh."""
    steps = [{"step_id": s, "step_type_id": "command"} for s in ("a", "b")]
    done = {"type": "step.finished", "index": 1, "outcome": "ok"}
    for policy in ("new", "refuse", "resume"):
        await server.define(policy, steps=steps, policies={"when_failed": policy})
        first = await server.run(policy)
        [lease] = await server.claim()
        await server.report(lease, {"type": "step.started", "index": 1}, done)
        await server.finish(lease, outcome="error")
        again = await server.post(f"/v1/jobs/{policy}/executions")
        match policy:
            case "new":
                assert not again.expect(201).json["is_restart"] if "is_restart" in again.json else 1
                await server.finish((await server.claim())[0])
            case "refuse":
                again.problem(409, "not-restartable")
            case _:
                resumed = again.expect(201).json
                assert resumed["restart_of"] == first["uuid"]
                assert [s["status"] for s in resumed["steps"]] == ["skipped", "pending"]
                await server.finish((await server.claim())[0])
                await server.define("resume", steps=steps[::-1])
    changed = await server.run("resume")
    assert "restart_of" not in changed
