"""Members that join, leave and die at random while events are written, on two processes.

JOBLEDGER_SOAK_S makes it longer.
"""

import asyncio
import itertools
import os
import random
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pytest

from tests.api.consuming import Reading, each_of
from tests.api.serving import Caller, Server, serving

SOAK_S: Final = float(os.environ.get("JOBLEDGER_SOAK_S", "6"))
MEMBERS: Final = 5
LEASE_S: Final = 1.0


class Book:
    """What was handed to whom, in the order in which it was received, and what was acknowledged."""

    def __init__(self) -> None:
        self.done: set[int] = set()
        self.handed: dict[int, int] = defaultdict(int)
        self.lost = 0
        self.mistakes: list[str] = []
        self._last: dict[str, int] = defaultdict(int)

    def receive(self, batch: Any) -> None:
        """Note what came, and what is wrong with it."""
        for _, event in each_of(batch):
            position, stream = event["position"], event["stream"]
            if position in self.done:
                self.mistakes.append(f"{position} came after it was acknowledged")
            if event["version"] > self._last[stream] + 1:
                self.mistakes.append(f"{stream} came with a hole before {event['version']}")
            self._last[stream] = max(self._last[stream], event["version"])
            self.handed[position] += 1

    def acknowledged(self, batch: Any, lost: set[str]) -> None:
        """Note what was done."""
        for delivery in batch["deliveries"]:
            if delivery["lease"] in lost:
                self.lost += 1
            else:
                self.done |= {event["position"] for event in delivery["events"]}


async def member(reading: Reading, name: str, book: Book, luck: random.Random) -> None:
    """Read for a while; then leave in good order, or be never heard of again."""
    for _ in range(luck.randint(1, 8)):
        batch = await reading.poll(name, limit=luck.choice((1, 10, 100)), wait_s=0.2)
        book.receive(batch)
        if not batch["deliveries"]:
            continue
        fate = luck.random()
        if fate < 0.08:
            return  # dead, with something in its hands
        if fate < 0.14:
            break  # leaves without an answer
        answer = await reading.ack(batch)
        lost = set() if answer.status == 200 else set(answer.json["current"]["lost"])
        assert answer.status in (200, 409), answer
        book.acknowledged(batch, lost)
    await reading.caller.post(f"{reading.path}/release", {"member": name})


@pytest.mark.timeout(SOAK_S + 120)
async def test_members_that_come_and_go_lose_nothing(database_url: str, tmp_path: Path) -> None:
    """Each execution in order, none lost, and nothing again that was acknowledged."""
    luck = random.Random(7)
    async with (
        serving(database_url, tmp_path) as here,
        serving(database_url, tmp_path) as there,
    ):
        await here.define()
        reading = Reading(here, "load")
        await reading.make(start="end", lease_s=LEASE_S, max_attempts=1000, backoff_s=0)
        start = await here.head()
        book, names = Book(), itertools.count()
        loop = asyncio.get_running_loop()
        until = loop.time() + SOAK_S

        async def seat(node: Caller) -> None:
            while loop.time() < until:
                await member(Reading(node, "load"), f"m{next(names)}", book, luck)

        async with asyncio.TaskGroup() as group:
            group.create_task(write(here, until))
            for index in range(MEMBERS):
                group.create_task(seat((here, there)[index % 2]))
        await finish(reading, book)
        log = await all_after(here, start)
        assert book.mistakes == []
        assert book.done == {event["position"] for event in log}
        assert len(log) > 50
        again = sum(times - 1 for times in book.handed.values())
        # The luck of this seed has members die with events in their hands.
        assert again > 0
        shown = await reading.show()
        assert (shown["parked"], shown["retrying"], shown["lag"]) == (0, 0, 0)


async def write(server: Server, until: float) -> None:
    """Run executions of a few events each."""
    loop = asyncio.get_running_loop()
    while loop.time() < until:
        await server.run()
        for lease in await server.claim():
            await server.report(lease, {"type": "progressed", "progress": {"percent": 50}})
            await server.finish(lease)


async def finish(reading: Reading, book: Book) -> None:
    """Read what is left, waiting for the leases of those who died."""
    while True:
        batch = await reading.poll("last", wait_s=0.5)
        book.receive(batch)
        if batch["deliveries"]:
            (await reading.ack(batch)).expect(200)
            book.acknowledged(batch, set())
        elif batch["lag"] == 0 and (await reading.show())["retrying"] == 0:
            return


async def all_after(server: Server, after: int) -> list[Any]:
    """Read the log."""
    events: list[Any] = []
    while True:
        page = (await server.get("/v1/events", after=after, limit=1000)).json
        events += [e for e in page["events"] if not e["type"].startswith("key.")]
        after = page["next_after"]
        if after >= page["head"]:
            return events
