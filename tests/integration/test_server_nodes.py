"""Two servers, each a process of its own, on one database."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from api.auth.credentials import read_credentials
from ledger.store.postgres import PostgresStore
from projections.registry import PROJECTORS
from projections.supervisor import LEASE_S
from projections.verify import verify
from tests.api.serving import Caller
from tests.integration.worker_processes import Program, free_port, start
from tests.unreachable import over_tcp
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(120)

TAKEOVER_S = 5.0
MARGIN_S = 5.0
"""For a busy machine."""


@asynccontextmanager
async def node(
    database_url: str, data: Path, log: Path, session: aiohttp.ClientSession
) -> AsyncIterator[tuple[Program, Caller]]:
    """Start a server on a database, wait until it is ready, and stop it at the end."""
    port = free_port()
    program = await start(
        log,
        *("serve", "--port", str(port), "--data", str(data)),
        env={"JOBLEDGER_DATABASE_URL": database_url},
    )
    try:
        caller = Caller(f"http://127.0.0.1:{port}", session)

        async def is_ready() -> bool:
            assert program.process.returncode is None, f"see {log}"
            try:
                return (await caller.get("/readyz")).status == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(is_ready, deadline_s=40)
        made = read_credentials(data)
        assert made is not None
        yield program, caller.under(made.admin_key)
    finally:
        await program.stop()


async def test_a_killed_node_is_stood_in_for(database_url: str, tmp_path: Path) -> None:
    """Two nodes serve one log; the projections of a killed one go on at the other, each event once."""
    assert LEASE_S < TAKEOVER_S
    data = tmp_path / "shared"
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        first, here = await stack.enter_async_context(
            node(database_url, data, tmp_path / "first.log", session)
        )
        await here.define()
        _, there = await stack.enter_async_context(
            node(database_url, data, tmp_path / "second.log", session)
        )
        assert there.key == here.key
        owners = {view["owner"] for view in (await views(there)).values()}
        assert len(owners) == 1

        async def create(caller: Caller) -> str:
            return str((await caller.run())["uuid"])

        uuids = await asyncio.gather(*(create((here, there)[i % 2]) for i in range(60)))
        first.process.kill()
        await first.process.wait()
        uuids += await asyncio.gather(*(create(there) for _ in range(20)))

        async def caught_up() -> bool:
            now = await views(there)
            return all(
                view["owner"] not in owners and view["lag"] == 0 and view["state"] == "running"
                for view in now.values()
            )

        await eventually(caught_up, deadline_s=TAKEOVER_S + MARGIN_S)
        listed = (await there.get("/v1/executions", limit=1000, total="true")).expect(200).json
        assert {row["uuid"] for row in listed["executions"]} == set(uuids)
        assert listed["total"] == len(uuids) == 80
        store = await PostgresStore.open(database_url)
        stack.push_async_callback(store.close)
        for projector in PROJECTORS:
            found = await verify(store.pool, store.tail, projector)
            assert found.is_sound, found


async def test_a_server_waits_for_its_database(database_url: str, tmp_path: Path) -> None:
    """Started before its database can be reached, it serves once that can, or stops when told to."""
    port, log = free_port(), tmp_path / "server.log"
    arguments = ("serve", "--port", str(port), "--data", str(tmp_path / "data"))
    async with AsyncExitStack() as stack:
        url, proxy = await stack.enter_async_context(over_tcp(database_url))
        proxy.refuses = True
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def started() -> Program:
            program = await start(log, *arguments, env={"JOBLEDGER_DATABASE_URL": url})
            stack.push_async_callback(program.stop)
            await eventually(lambda: "waiting for the database" in log.read_text(), deadline_s=40)
            return program

        program = await started()
        program.signal(signal.SIGTERM)
        assert await asyncio.wait_for(program.process.wait(), 20) == 0
        log.write_text("")
        program = await started()
        proxy.heal()

        async def is_ready() -> bool:
            assert program.process.returncode is None, f"see {log}"
            with suppress(aiohttp.ClientConnectionError):
                return (
                    await Caller(f"http://127.0.0.1:{port}", session).get("/readyz")
                ).status == 200
            return False

        await eventually(is_ready, deadline_s=40)


async def test_a_server_stops_without_its_database(database_url: str, tmp_path: Path) -> None:
    """Told to stop while its database does not answer, it ends within its own bounds."""
    port, log = free_port(), tmp_path / "server.log"
    arguments = ("serve", "--port", str(port), "--data", str(tmp_path / "data"))
    async with over_tcp(database_url) as (url, proxy):
        program = await start(log, *arguments, env={"JOBLEDGER_DATABASE_URL": url})
        try:
            await eventually(lambda: "serving" in log.read_text(), deadline_s=40)
            proxy.stall()
            program.signal(signal.SIGTERM)
            assert await asyncio.wait_for(program.process.wait(), 45) == 0
        finally:
            proxy.heal()
            await program.stop()
    assert "Traceback" not in log.read_text()


async def test_a_database_that_refuses_is_not_waited_for(database_url: str, tmp_path: Path) -> None:
    """A database that does not exist ends the start at once, with words and without a traceback."""
    url, log = (
        f"{database_url.partition('?')[0]}_gone?{urlsplit(database_url).query}",
        tmp_path / "log",
    )
    arguments = ("serve", "--port", "0", "--data", str(tmp_path / "data"))
    program = await start(log, *arguments, env={"JOBLEDGER_DATABASE_URL": url})
    assert await asyncio.wait_for(program.process.wait(), 40) == 1
    told = log.read_text()
    assert "does not exist" in told
    assert "Traceback" not in told


async def views(caller: Caller) -> dict[str, Any]:
    """Ask how the projections are doing."""
    found = (await caller.get("/v1/projections")).expect(200).json["projections"]
    return {view["name"]: {"owner": "", **view} for view in found}
