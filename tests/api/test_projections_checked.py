"""Whether views are what the log says, asked over HTTP and on the command line; and their repair."""

from pathlib import Path
from typing import Any

from projections.registry import PROJECTORS
from tests.api.serving import Server, serving
from tests.integration.test_cli_commands import cli
from tests.integration.test_damaged_log import tamper
from tests.waiting import eventually


async def verified(server: Server, name: str) -> Any:
    """Verify a view and give the result."""
    answer = (await server.post(f"/v1/projections/{name}/verify")).expect(200)
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    *progress, last = answer.lines
    assert all(line["position"] <= line["of"] for line in progress)
    return last["result"]


async def shell(server: Server, *words: str) -> tuple[int, str]:
    """Run the command line against a server."""
    env = {"JOBLEDGER_URL": server.url, "JOBLEDGER_KEY": server.credentials.admin_key}
    code, out, err = await cli(*words, env=env)
    return code, out + err


async def test_a_sound_view_and_one_that_was_changed(server: Server) -> None:
    """Every view is what the log says, until somebody changes a row, which is named."""
    await server.define()
    run = await server.run()
    for projector in PROJECTORS:
        assert (await verified(server, projector.name))["sound"] is True
    code, told = await shell(server, "projections", "verify")
    assert (code, told.count("is what the log says")) == (0, len(PROJECTORS))
    await server.node.store.pool.execute("update view_executions.executions set job_id = 'forged'")
    found = await verified(server, "executions")
    assert found["sound"] is False
    assert found["differences"] == [
        {"table": "executions", "key": {"uuid": run["uuid"]}, "kind": "different"}
    ]
    code, told = await shell(server, "projections", "verify", "executions")
    assert code == 1
    assert run["uuid"] in told
    (await server.post("/v1/projections/executions/rebuild")).expect(202)

    async def sound() -> bool:
        return bool((await verified(server, "executions"))["sound"])

    await eventually(sound, deadline_s=20)


async def test_who_may_verify_and_replay(server: Server) -> None:
    """Auditors verify and admins repair, of all organizations; unknown views are not found."""
    auditor = await server.caller("auditor", organizations=("*",))
    answer = await auditor.post("/v1/projections/keys/verify")
    assert answer.expect(200).lines[-1]["result"]["sound"] is True
    (await auditor.post("/v1/projections/keys/replay")).problem(403)
    local = await server.caller("admin")
    for verb in ("verify", "replay"):
        (await local.post(f"/v1/projections/keys/{verb}")).problem(403, "forbidden")
        (await server.post(f"/v1/projections/nothing/{verb}")).problem(404, "not-found")
    refused = await server.post("/v1/projections/keys/replay", {"stream": "execution/x"})
    refused.problem(404, "not-found")
    assert (await server.post("/v1/projections/keys/replay")).expect(200).json == {"replayed": []}


async def test_one_at_a_time(server: Server) -> None:
    """A second verification of a view is told to come back; one that was hung up on leaves nothing."""
    pool = server.node.store.pool
    await pool.execute(
        "insert into projections.projection (name, generation, version, owner, until)"
        " values ('keys', 'verify', 1, 'somebody', now() + interval '1 minute')"
    )
    refused = await server.post("/v1/projections/keys/verify")
    assert "verified already" in refused.problem(503, "unavailable")["detail"]
    await pool.execute("delete from projections.projection where owner = 'somebody'")
    assert (await verified(server, "keys"))["sound"] is True
    left = "select count(*) from projections.projection where generation = 'verify'"
    assert await pool.fetchval(left) == 0


async def test_what_was_set_aside_comes_back(database_url: str, tmp_path: Path) -> None:
    """It is shown with the reason, fails again until it is repaired, and is followed from then on."""
    async with serving(database_url, tmp_path) as before:
        await before.define()
        run = await before.run()
        stream = f"execution/{run['uuid']}"
        read = "select data from ledger.events where stream = $1"
        data = await before.node.store.pool.fetchval(read, stream)
        for projector in PROJECTORS:
            await before.node.covered(projector.name)
    # While nobody runs, or it would be made again from what it is about to lose.
    await tamper(
        database_url,
        "update projections.projection set position = 0 where name = 'executions';"
        "truncate view_executions.executions, view_executions.counts, view_executions.endings",
    )
    await tamper(database_url, "update ledger.events set data = '[]' where stream = $1", stream)
    async with serving(database_url, tmp_path) as server:
        listed = await eventually(lambda: _aside(server))
        assert listed["stream"] == stream
        assert "UndecodableEvent" in listed["error"]
        code, told = await shell(server, "projections")
        assert (code, stream in told) == (0, True)
        code, told = await shell(server, "projections", "replay", "executions", stream)
        assert code == 1
        assert "failed again" in told
        await tamper(
            database_url, "update ledger.events set data = $2 where stream = $1", stream, data
        )
        replayed = (await server.post("/v1/projections/executions/replay")).expect(200).json
        assert [one["events"] for one in replayed["replayed"]] == [1]
        assert (await verified(server, "executions"))["sound"] is True


async def _aside(server: Server) -> Any:
    views = (await server.get("/v1/projections")).expect(200).json["projections"]
    executions = next(view for view in views if view["name"] == "executions")
    return executions.get("quarantined") and executions["quarantine"][0]
