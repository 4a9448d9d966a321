"""A server on a log that somebody changed by hand: it starts, serves the rest, and says what is damaged."""

from pathlib import Path

from projections.registry import PROJECTORS
from tests.api.serving import serving
from tests.integration.test_damaged_log import tamper
from tests.waiting import eventually


async def test_it_starts_and_serves(database_url: str, tmp_path: Path) -> None:
    """Reading, running and the views go on; what is damaged is named, and fails alone."""
    async with serving(database_url, tmp_path) as before:
        await before.define()
        damaged, whole = await before.run(), await before.run()
        secret = before.credentials.admin_key
        for projector in PROJECTORS:
            await before.node.covered(projector.name)
    await tamper(
        database_url,
        "update ledger.events set data = '[]' where stream = $1",
        f"execution/{damaged['uuid']}",
    )
    await tamper(
        database_url,
        "update ledger.events set type = 'key.imagined' where position ="
        " (select min(position) from ledger.events where type = 'key.created')",
    )
    async with serving(database_url, tmp_path) as server:
        assert server.credentials.admin_key != secret
        assert (await server.under(secret).get("/v1/jobs")).status in (401, 500)
        (await server.get("/readyz")).expect(200)
        assert (await server.get(f"/v1/executions/{whole['uuid']}")).expect(200).json == whole
        refused = await server.post(f"/v1/executions/{damaged['uuid']}/cancel")
        refused.problem(500, "damaged")
        (await server.post(f"/v1/executions/{whole['uuid']}/cancel")).expect(200)
        events = (await server.get("/v1/events", limit=1000)).expect(200).json["events"]
        assert [event["position"] for event in events] == list(range(1, len(events) + 1))
        more = await server.run()
        listed = (await server.get("/v1/executions")).expect(200).json["executions"]
        assert {more["uuid"], whole["uuid"]} <= {one["uuid"] for one in listed}
        (await server.get("/v1/tree")).expect(200)


async def test_a_hole_stops_the_tree_and_nothing_else(database_url: str, tmp_path: Path) -> None:
    """Without a row the tree cannot go on, which is said; the server is ready all the same."""
    async with serving(database_url, tmp_path) as before:
        await before.define()
        runs = [await before.run() for _ in range(3)]
        for projector in PROJECTORS:
            await before.node.covered(projector.name)
        await before.node.store.pool.execute(
            "update projections.projection set position = 0 where name = 'tree';"
            "update view_tree.head set size = 0; delete from view_tree.tile"
        )
    hole = runs[1]["position"]
    await tamper(database_url, "delete from ledger.events where position = $1", hole)
    async with serving(database_url, tmp_path) as server:

        async def ready() -> bool:
            return (await server.get("/readyz")).status == 200

        await eventually(ready, deadline_s=20)
        views = (await server.get("/v1/projections")).expect(200).json["projections"]
        states = {view["name"]: view["state"] for view in views}
        assert states.pop("tree") == "stalled"
        assert set(states.values()) == {"running"}
        more = await server.run()
        assert (await server.get(f"/v1/executions/{more['uuid']}")).expect(200).json == more
        (await server.post(f"/v1/executions/{runs[0]['uuid']}/cancel")).expect(200)
        (await server.post(f"/v1/executions/{runs[0]['uuid']}/erase")).expect(200)
