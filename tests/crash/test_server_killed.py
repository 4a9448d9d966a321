"""The server killed with -9 under load: whatever it acknowledged is there when it comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from ledger.store.embedded import EmbeddedPostgres
from ledger.store.postgres import PostgresStore
from projections.registry import PROJECTORS
from projections.verify import verify
from tests.api.serving import Caller
from tests.integration.worker_processes import site
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(180)

KILLS = 2
CREATORS = 8
WORKERS = 4
ACKNOWLEDGED_BETWEEN = 60
LOST = (aiohttp.ClientError, OSError)


class Load:
    """Callers that create, work and follow until told to stop, and remember what was acknowledged."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.created: list[str] = []
        self.finished: set[str] = set()
        self.positions: list[int] = []
        self.stopped = False

    def has_created(self, count: int) -> bool:
        """Tell whether so many creates were acknowledged."""
        return len(self.created) >= count

    async def create(self) -> None:
        """Create executions, one after the other."""
        while not self.stopped:
            answer = await self.caller.post("/v1/jobs/Job/executions")
            if answer.status == 201:
                self.created.append(answer.json["uuid"])

    async def work(self, name: str) -> None:
        """Claim executions and report them finished."""
        while not self.stopped:
            for lease in await self.caller.claim(name, limit=5, wait_s=0.2):
                report = {"type": "finished", "outcome": "ok"}
                answer = await self.caller.report(lease, report)
                if answer.status == 200:
                    self.finished.add(lease["execution"]["uuid"])

    async def follow(self) -> None:
        """Read the log, from where it was left off."""
        after = self.positions[-1] if self.positions else 0
        page = (await self.caller.get("/v1/events", after=after, wait=1, limit=500)).expect(200)
        self.positions += [event["position"] for event in page.json["events"]]

    async def follow_until_stopped(self) -> None:
        """Go on reading the log."""
        while not self.stopped:
            await self.follow()


@asynccontextmanager
async def calling(url: str, key: str) -> AsyncIterator[Caller]:
    """Call a server that may go away at any moment."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=30),
    ) as session:
        yield Caller(url, session, key)


async def until_killed(load: Load, kill: asyncio.Event) -> None:
    """Put the load on until the server is gone; what was under way is lost or done, nobody knows."""
    tasks = [
        *(asyncio.create_task(load.create()) for _ in range(CREATORS)),
        *(asyncio.create_task(load.work(f"w{number}")) for number in range(WORKERS)),
        asyncio.create_task(load.follow_until_stopped()),
    ]
    await kill.wait()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert outcome is None or isinstance(outcome, LOST), outcome


async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Creates and reports that were answered survive kills; log, views and tail have no hole."""
    async with site(tmp_path) as here, calling(here.url, here.key) as caller:
        await caller.define()
        load = Load(caller)
        for _ in range(KILLS):
            killed, enough = asyncio.Event(), len(load.created) + ACKNOWLEDGED_BETWEEN
            under_load = asyncio.create_task(until_killed(load, killed))
            await eventually(partial(load.has_created, enough), deadline_s=40)
            here.server.process.kill()
            await here.server.process.wait()
            killed.set()
            await under_load
            await here.serve()

        assert len(set(load.created)) == len(load.created) >= KILLS * ACKNOWLEDGED_BETWEEN
        for uuid in load.created:
            (await caller.get(f"/v1/executions/{uuid}")).expect(200)
        for uuid in load.finished:
            view = (await caller.get(f"/v1/executions/{uuid}")).expect(200).json
            assert (view["status"], view["outcome"]) == ("finished", "ok")
        head = await caller.head()
        while load.positions[-1] < head:
            await load.follow()
        assert load.positions == list(range(1, len(load.positions) + 1))

        async with AsyncExitStack() as stack:
            postgres = EmbeddedPostgres(tmp_path / "ledger" / "postgres")
            stack.push_async_callback(postgres.stop)
            store = await PostgresStore.open(await postgres.start())
            stack.push_async_callback(store.close)
            for projector in PROJECTORS:
                found = await verify(store.pool, store.tail, projector)
                assert found.is_sound, found
