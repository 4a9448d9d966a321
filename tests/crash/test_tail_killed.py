"""A tail under many writers, with the server killed with -9 again and again: 1, 2, 3 … without a hole.

TAIL_KILLS and TAIL_EVENTS (between two kills) make it longer; 20 and 3000 is the long form.
"""

import asyncio
import os
import sys
from contextlib import aclosing
from functools import partial
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from api.client.session import Ledger
from tests.api.serving import Caller
from tests.integration.worker_processes import Site, site
from tests.streams import NDJSON, SSE, Stream, streaming
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(600)

KILLS = int(os.environ.get("TAIL_KILLS", "2"))
EVENTS = int(os.environ.get("TAIL_EVENTS", "80"))
WRITERS = 32
NAIVE_WRITERS = 16
NAIVE_APPENDS = 60
LOST = (aiohttp.ClientError, OSError, TimeoutError)


class Tail:
    """A client that comes back with the last id it was told, in one form of the stream."""

    def __init__(self, here: Site, form: str) -> None:
        self._here = here
        self._form = form
        self.positions: list[int] = []
        self.resumed_at: list[int] = []
        """How many events had come when it came back."""
        self.cuts = 0

    async def follow(self) -> None:
        """Follow for ever."""
        caller = Caller(self._here.url, aiohttp.ClientSession(), self._here.key)
        await caller.session.close()  # each stream has a session of its own
        while True:
            last = self.positions[-1] if self.positions else 0
            self.resumed_at.append(len(self.positions))
            try:
                # An `after` that is wrong on purpose: the id wins.
                async with streaming(
                    caller, self._form, last_event_id=str(last), after=0, follow="true"
                ) as stream:
                    await self._take(stream)
            except LOST:
                self.cuts += 1
                await eventually(self._here.ledger.is_ready, deadline_s=60)

    async def _take(self, stream: Stream) -> None:
        """Take what comes whole, as it comes; what was cut off in the middle does not count."""
        taken = 0
        while not stream.ended:
            await stream.read()
            self.positions += [event["position"] for event in stream.events[taken:]]
            taken = len(stream.events)

    def check(self) -> None:
        """Check that nothing is missing, and that what came twice came at a resume."""
        seen = 0
        for number, position in enumerate(self.positions):
            if position <= seen:
                assert number in self.resumed_at, f"{position} came twice, in the middle"
            else:
                assert position == seen + 1, f"{seen + 1} is missing"
            seen = max(seen, position)


async def follow_with_client(here: Site, positions: list[int]) -> None:
    """Follow by the product's own client."""
    async with Ledger(here.url, here.key) as ledger:
        pages = ledger.events.follow()
        async with aclosing(pages):
            async for page in pages:
                positions += [event.position for event in page.events]


async def write(here: Site, acknowledged: list[str]) -> None:
    """Create executions, one after the other, as long as there is a server."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        caller = Caller(here.url, session, here.key)
        while True:
            try:
                answer = await caller.post("/v1/jobs/Job/executions")
            except LOST:
                await eventually(here.ledger.is_ready, deadline_s=60)
                continue
            if answer.status == 201:
                acknowledged.append(answer.json["uuid"])


async def naive_reader_loses(dsn: str) -> int:
    """Let writers race for places of a sequence, and count what a reader by position misses."""
    raw = await asyncpg.connect(dsn)
    await raw.execute("create table naive (position bigserial primary key)")
    writers = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.race", "naive", dsn, "p"),
        *(str(NAIVE_WRITERS), str(NAIVE_APPENDS)),
    )
    seen: list[int] = []
    is_over = False
    while not is_over:
        is_over = writers.returncode is not None
        after = seen[-1] if seen else 0
        rows = await raw.fetch(
            "select position from naive where position > $1 order by position", after
        )
        seen += [row["position"] for row in rows]
    assert await writers.wait() == 0
    count: int = await raw.fetchval("select count(*) from naive")
    await raw.close()
    assert count == NAIVE_WRITERS * NAIVE_APPENDS
    return count - len(seen)


async def test_tails_have_no_hole_through_kills(tmp_path: Path, database_url: str) -> None:
    """Tails that resume by id see every position; a reader over a sequence, in the same test, not."""
    async with site(tmp_path) as here:
        async with aiohttp.ClientSession() as session:
            await Caller(here.url, session, here.key).define()
        acknowledged: list[str] = []
        by_client: list[int] = []
        tails = [Tail(here, SSE), Tail(here, NDJSON)]
        tasks = [
            *(asyncio.create_task(tail.follow()) for tail in tails),
            asyncio.create_task(follow_with_client(here, by_client)),
            *(asyncio.create_task(write(here, acknowledged)) for _ in range(WRITERS)),
        ]
        for _ in range(KILLS):
            enough = len(acknowledged) + EVENTS
            await eventually(partial(has_more, acknowledged, enough), deadline_s=120)
            here.server.process.kill()
            await here.server.process.wait()
            await here.serve()
        enough = len(acknowledged) + EVENTS
        await eventually(partial(has_more, acknowledged, enough), deadline_s=120)
        for writer in tasks[3:]:
            writer.cancel()
        head = await here.ledger.events.head()
        for positions in (*(tail.positions for tail in tails), by_client):
            await eventually(partial(has_come_to, positions, head), deadline_s=60)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), outcome
        for tail in tails:
            assert tail.cuts >= KILLS
            tail.check()
            assert set(tail.positions) >= set(range(1, head + 1))
        assert by_client[:head] == list(range(1, head + 1))
        assert head > len(acknowledged) >= (KILLS + 1) * EVENTS
    assert await naive_reader_loses(database_url) > 0, "the reader should have lost some"


def has_more(acknowledged: list[str], count: int) -> bool:
    """Tell whether so many writes were acknowledged."""
    return len(acknowledged) >= count


def has_come_to(positions: list[int], head: int) -> bool:
    """Tell whether a tail has seen a position."""
    return bool(positions) and positions[-1] >= head
