"""Waiting, following and being limited, over HTTP."""

from tests.api.serving import Server
from tests.waiting import eventually


async def test_waits_for_another(server: Server) -> None:
    """`waits_for` is shown with its limit, and what waits is offered once its upstream ended well."""
    await server.define()
    up = await server.run()
    waiting = await server.run(waits_for=[up["uuid"]])
    assert (waiting["waiting_for"], waiting["next"]["who"]) == ("dependency", "upstream")
    active = (await server.get("/v1/executions/active")).expect(200).json["executions"]
    shown = next(view for view in active if view["uuid"] == waiting["uuid"])
    assert (shown["waiting_for"], shown["waits_for"]) == ("dependency", [up["uuid"]])
    (lease,) = await server.claim(limit=2)
    assert lease["execution"]["uuid"] == up["uuid"]
    await server.finish(lease, outcome="ok")
    (then,) = await eventually(lambda: server.claim(wait_s=1))
    assert then["execution"]["uuid"] == waiting["uuid"]
    wrong = {"waits_for": ["01980000-0000-7000-8000-000000000001"]}
    (await server.post("/v1/jobs/Job/executions", wrong)).problem(404, "not-found")
    await server.assert_sound()


async def test_places_and_ageing(server: Server) -> None:
    """As many run as the job has places, the others wait for one; priorities come first."""
    await server.define(policies={"max_running": 2})
    await server.define("Urgent", policies={"priority": 5})
    made = [await server.run() for _ in range(4)]
    urgent = await server.run("Urgent")
    leases = await server.claim(limit=9)
    numbers = [lease["execution"]["number"] for lease in leases]
    assert numbers == [urgent["number"], made[0]["number"], made[1]["number"]]
    active = (await server.get("/v1/executions/active")).json["executions"]
    waiting = [view for view in active if view["status"] == "pending"]
    assert [view["waiting_for"] for view in waiting] == ["capacity", "capacity"]
    assert await server.claim(limit=9) == []
    await server.finish(leases[1], outcome="ok")
    (lease,) = await server.claim(limit=9)
    assert lease["execution"]["number"] == made[2]["number"]
    await server.assert_sound()
