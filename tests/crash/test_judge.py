"""The judge of fault runs finds what is wrong: careless actors and a doctored log are told apart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from projections.registry import PROJECTORS
from tests.api.serving import Server, serving
from tests.crash.harness import follower, writer
from tests.crash.harness.calls import Calls, session
from tests.crash.harness.journal import Journal, Line
from tests.crash.harness.judge import judge
from tests.crash.harness.proxy import Proxy
from tests.crash.harness.world import Scale, jobs
from tests.waiting import eventually


@asynccontextmanager
async def proxied(database_url: str, folder: Path) -> AsyncIterator[tuple[Server, Proxy, str]]:
    """Serve with the harness's jobs, and a proxy before it."""
    (folder / "data").mkdir()
    async with serving(database_url, folder / "data") as server:
        for name, definition in jobs(Scale()).items():
            await server.put(f"/v1/jobs/{name}", definition)
        port = int(server.url.rpartition(":")[2])
        proxy = Proxy(lambda: asyncio.open_connection("127.0.0.1", port))
        await proxy.open()
        try:
            yield server, proxy, f"http://127.0.0.1:{proxy.port}"
        finally:
            await proxy.close()


@pytest.mark.parametrize("is_naive", [True, False])
async def test_a_careless_writer_doubles(
    database_url: str, tmp_path: Path, *, is_naive: bool
) -> None:
    """Who repeats an unnamed create after a lost answer makes two; who names it makes one."""
    async with proxied(database_url, tmp_path) as (server, proxy, url), session() as web:
        plan = writer.Plan(
            name="writer",
            urls=(url,),
            key=server.key,
            seed="3",
            journal=str(tmp_path / "writer.journal"),
            is_naive=is_naive,
        )
        caller = writer.Caller(0, plan, [Calls(url, server.key, web)], writer.Known())
        for _ in range(6):
            proxy.swallow_answers = 1
            await (caller._create_unnamed() if is_naive else caller._create_named())
        await server.head()
        for view in ("executions", "tree"):
            await server.node.covered(view)
        assert proxy.swallowed == 6
        found = await judge(database_url, journals=tmp_path, views=())
        assert (found.zeros["in the log twice"] > 0) is is_naive, found.examples
        assert found.zeros["acknowledged, not in the log"] == 0


@pytest.mark.parametrize("is_naive", [True, False])
async def test_a_careless_tail_misses(database_url: str, tmp_path: Path, *, is_naive: bool) -> None:
    """Who goes on at the head it finds misses what came meanwhile; who goes on where it was does not."""
    async with proxied(database_url, tmp_path) as (server, _, url):
        plan = follower.Plan(
            name="tail",
            urls=(url,),
            key=server.key,
            seed="1",
            file=str(tmp_path / "tail.seen"),
            is_naive=is_naive,
        )

        async def see(count: int) -> None:
            """Tail until what is created meanwhile was seen."""
            tailing = asyncio.create_task(follower.follow(plan))
            path, before = Path(plan.file), sessions(Path(plan.file))
            await eventually(lambda: sessions(path) > before)
            for _ in range(count):
                await server.run("quick")
            head = await server.head()
            await eventually(lambda: follower.last_position(path) == head)
            tailing.cancel()
            await asyncio.wait((tailing,))

        await see(3)
        for _ in range(4):
            await server.run("quick")
        await see(2)
        await server.node.covered("tree")
        found = await judge(database_url, journals=tmp_path, tails=tmp_path, views=())
        assert (found.zeros["positions a tail did not see"] > 0) is is_naive, found.examples
        assert found.zeros["events a tail saw that are not in the log"] == 0
        assert found.zeros["positions out of order in a tail"] == 0


def sessions(path: Path) -> int:
    """Count how often a tail began."""
    return path.read_text().count("#") if path.exists() else 0


async def doctored(database_url: str, statement: str) -> None:
    """Change the log behind the ledger's back."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("set session_replication_role = replica")
    await connection.execute(statement)
    await connection.close()


DAMAGE = {
    "rows different from a fresh fold": "update view_executions.executions set job_id = 'other'",
    "open executions without a timer": "update ledger.streams set due_at = null",
    "stream heads wrong": "update ledger.streams set version = 7 where last_position = 25",
    "tree different from the log": "update ledger.events set actor = 'x' where position = 23",
    "recorded time going back": """
        update ledger.events set recorded_at = recorded_at - interval '1 day' where position = 25""",
    "digests wrong": "update ledger.events set salt = '\\x00' where position = 24",
    "event ids doubled": """
        update ledger.events set event_id = (select event_id from ledger.events where position = 2)
        where position = 22""",
    "versions missing or doubled": "update ledger.events set version = 9 where position = 21",
    "positions missing or doubled": "delete from ledger.events where position = 20",
}


async def test_damage_is_found(database_url: str, tmp_path: Path) -> None:
    """A log or a view that was changed behind the ledger's back is found, each under its name."""
    async with proxied(database_url, tmp_path) as (server, _, _):
        for _ in range(8):
            await server.run("quick")
        assert await server.head() >= 25
        for projector in PROJECTORS:
            await server.node.covered(projector.name)

    async def look() -> set[str]:
        found = await judge(database_url, journals=tmp_path, views=("executions",))
        return {name for name, count in found.zeros.items() if count}

    assert await look() == {"open executions"}
    Journal(tmp_path / "writer.journal").write(Line(told="acknowledged", id="never made"))
    known = await look()
    assert known == {"open executions", "acknowledged, not in the log"}
    for name, statement in DAMAGE.items():
        assert name not in known
        await doctored(database_url, statement)
        known |= await look()
        assert name in known
