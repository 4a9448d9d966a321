"""What people look at: activity, statistics, due times, workers, short lists, and one's own key."""

from datetime import timedelta

from ledger.clock import system_clock
from tests.api.serving import STEP, Server
from tests.waiting import eventually


async def test_a_key_is_told_what_it_may(server: Server) -> None:
    """Every role may ask whose key it shows; nothing of the secret is told."""
    for role in ("viewer", "worker", "recorder"):
        caller = await server.caller(role, organizations=["acme", "umbrella"], name="somebody")
        me = (await caller.get("/v1/me")).expect(200).json
        assert (me["name"], me["roles"]) == ("somebody", [role])
        assert (me["organizations"], me["default_organization"]) == (["acme", "umbrella"], "acme")
        assert caller.key not in str(me)
    (await server.under("").get("/v1/me")).problem(401)


async def test_activity_counts_what_is_open_and_what_went_on(server: Server) -> None:
    """Open executions by status, and starts and ends in the minute they were recorded in."""
    await server.define()
    for _ in range(3):
        await server.run()
    first, second = await server.claim(limit=2)
    await server.finish(first, outcome="ok")
    path = f"/v1/executions/{second['execution']['uuid']}/cancel"
    (await server.post(path)).expect(200)
    await server.report(second, {"type": "canceled"})
    found = (await server.get("/v1/activity", minutes=5)).expect(200).json
    assert found["open"] == {"pending": 1}
    assert len(found["minutes"]) == 5
    sums = {
        name: sum(minute[name] for minute in found["minutes"])
        for name in ("created", "started", "finished", "aborted")
    }
    assert sums == {"created": 3, "started": 2, "finished": 1, "aborted": 1}
    ats = [minute["at"] for minute in found["minutes"]]
    assert ats == sorted(ats)
    assert found["position"] == await server.head()
    stranger = await server.caller("viewer", organizations=["other"])
    told = (await stranger.get("/v1/activity", minutes=1)).expect(200).json
    assert told["open"] == {}
    assert told["minutes"][0]["created"] == 0
    (await server.get("/v1/activity", minutes=100_000)).problem(400, path="?minutes")


async def test_a_jobs_statistics(server: Server) -> None:
    """How a job's executions stand and ended, and how long one takes."""
    await server.define()
    for outcome in ("ok", "error", "ok"):
        await server.run()
        [lease] = await server.claim()
        await server.finish(lease, outcome=outcome)
    await server.run()
    found = (await server.get("/v1/jobs/Job/statistics")).expect(200).json
    assert found["counts"] == {"open": 1, "ok": 2, "warning": 0, "error": 1, "aborted": 0}
    assert found["typical_s"] >= 0
    [listed] = [
        job
        for job in (await server.get("/v1/jobs")).expect(200).json["jobs"]
        if job["job_id"] == "Job"
    ]
    assert listed["counts"] == found["counts"]
    assert listed["last"]["status"] == "pending"
    stranger = await server.caller("viewer", organizations=["other"])
    (await stranger.get("/v1/jobs/Job/statistics")).problem(404)


async def test_due_times_tell_what_became_of_them(server: Server) -> None:
    """The next due times, and of those that passed the execution, or why there was none."""
    await server.define(policies={"when_running": "reject"})
    now = system_clock()
    ats = [now + timedelta(milliseconds=200), now + timedelta(milliseconds=400)]
    later = now + timedelta(days=1)
    schedule = {"at": [each.isoformat() for each in (*ats, later)]}
    (await server.put("/v1/jobs/Job/schedule", schedule)).expect(200)

    async def both_passed() -> bool:
        found = (await server.get("/v1/jobs/Job/due-times")).expect(200).json
        return len(found["past"]) == 2

    await eventually(both_passed, deadline_s=20)
    found = (await server.get("/v1/jobs/Job/due-times")).expect(200).json
    skipped, fired = found["past"]
    assert skipped["reason"]
    assert "execution" not in skipped
    assert "reason" not in fired
    execution = (await server.get(f"/v1/executions/{fired['execution']}")).expect(200).json
    assert execution["trigger"] == "schedule"
    assert len(found["next"]) == 1
    [newest] = (await server.get("/v1/jobs/Job/due-times", limit=1)).json["past"]
    assert newest == skipped
    stranger = await server.caller("viewer", organizations=["other"])
    (await stranger.get("/v1/jobs/Job/due-times")).problem(404)


async def test_workers_are_known_by_what_they_hold(server: Server) -> None:
    """Who holds work is listed with its leases; who holds none is not, nor is another's."""
    await server.define()
    for _ in range(3):
        await server.run()
    one = await server.claim("one", limit=2)
    await server.claim("two")
    found = (await server.get("/v1/workers")).expect(200).json
    assert [worker["worker"] for worker in found["workers"]] == ["one", "two"]
    assert found["leases"] == 3
    held = found["workers"][0]["leases"]
    assert {each["execution"] for each in held} == {each["execution"]["uuid"] for each in one}
    assert held[0]["expires_at"] <= held[1]["expires_at"]
    for lease in one:
        await server.finish(lease, outcome="ok")
    left = (await server.get("/v1/workers")).expect(200).json
    assert [worker["worker"] for worker in left["workers"]] == ["two"]
    stranger = await server.caller("viewer", organizations=["other"])
    told = (await stranger.get("/v1/workers")).expect(200).json
    assert told == {"workers": [], "leases": 0}


async def test_a_short_list_leaves_out_what_may_be_large(server: Server) -> None:
    """With `short` a list tells how executions stand, and neither steps nor documents."""
    await server.define(steps=[STEP, {**STEP, "step_id": "two"}])
    made = await server.run(input={"a": "b" * 5000}, parameters=[{"name": "p", "value": "v"}])
    [lease] = await server.claim()
    await server.report(lease, {"type": "output", "output": {"c": "d" * 5000}})
    await server.finish(lease, outcome="error", message="why")
    [short] = (await server.get("/v1/executions", short="true")).expect(200).json["executions"]
    [long] = (await server.get("/v1/executions")).expect(200).json["executions"]
    left_out = {"steps", "input", "output", "parameters"}
    assert left_out <= set(long)
    assert not left_out & set(short)
    assert short == {name: value for name, value in long.items() if name not in left_out}
    assert short["uuid"] == made["uuid"]


async def test_open_executions_by_status(server: Server) -> None:
    """The list of what is open can be narrowed to some statuses."""
    await server.define()
    for _ in range(3):
        await server.run()
    [lease] = await server.claim()
    running = (await server.get("/v1/executions/active", status="running")).expect(200).json
    uuids = [each["uuid"] for each in running["executions"]]
    assert uuids == [lease["execution"]["uuid"]]
    either = (await server.get("/v1/executions/active", status="running,pending")).json
    assert len(either["executions"]) == 3
    (await server.get("/v1/executions/active", status="nothing")).problem(400, path="?status")
