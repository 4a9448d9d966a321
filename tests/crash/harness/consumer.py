"""Members of a durable consumer, who take, acknowledge, fall silent and die, and write down which.

Run as a program: `python -m tests.crash.harness.consumer <plan as JSON>`. One file for all members of
one process, in the order in which things came: `r position version stream` for what was handed out,
`a position` for what the ledger said is acknowledged.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from msgspec import Struct

from tests.crash.harness.calls import Calls, pause, session

NAME: Final = "crash"
PATH: Final = f"/v1/consumers/{NAME}"
LEASE_S: Final = 1.5
TERMS: Final[dict[str, Any]] = {
    "start": "beginning",
    "with_keys": True,
    "lease_s": LEASE_S,
    "max_attempts": 1000,
    "backoff_s": 0,
}
"""Nothing is set aside, however often a member dies on it."""


class Plan(Struct, frozen=True, kw_only=True):
    """What a process of members is to do."""

    name: str
    urls: tuple[str, ...]
    key: str
    seed: str
    file: str
    members: int = 3


class Entry(Struct, frozen=True):
    """A line of the file."""

    is_acknowledged: bool
    position: int
    version: int = 0
    stream: str = ""


def read(path: Path) -> Iterator[Entry]:
    """Read what was written down; a line that was cut is not there."""
    with path.open() as file:
        for line in file:
            match line.split() if line.endswith("\n") else ():
                case ("a", position):
                    yield Entry(is_acknowledged=True, position=int(position))
                case ("r", position, version, stream):
                    yield Entry(
                        is_acknowledged=False,
                        position=int(position),
                        version=int(version),
                        stream=stream,
                    )
                case _:
                    pass


async def member(plan: Plan, number: int, servers: list[Calls], handle: int) -> None:
    """Take and acknowledge for ever, with changes of mind."""
    dice = Random(f"{plan.seed}/{number}")
    lives = 0
    while True:
        lives += 1
        name = f"{plan.name}-{os.getpid()}-{number}-{lives}"
        for _ in range(dice.randint(5, 60)):
            server = dice.choice(servers)
            post = {"member": name, "limit": dice.choice((5, 50, 200)), "wait_s": 1.0}
            answer = await server.call("POST", f"{PATH}/events", post, timeout_s=8)
            if answer.status != 200:
                await pause(dice.uniform(0.05, 0.5))
                continue
            batch = answer.json
            received = [
                f"r {event['position']} {event['version']} {event['stream']}\n"
                for delivery in batch["deliveries"]
                for event in delivery["events"]
            ]
            os.write(handle, "".join(received).encode())
            if not received:
                continue
            if dice.random() < 0.05:
                await pause(LEASE_S * dice.uniform(0.5, 2.0))
            if dice.random() < 0.05:
                break  # gone, with something in its hands
            await _acknowledge(dice.choice(servers), batch, handle)


async def _acknowledge(server: Calls, batch: Any, handle: int) -> None:
    leases = [{"lease": d["lease"], "position": d["position"]} for d in batch["deliveries"]]
    answer = await server.call("POST", f"{PATH}/ack", {"leases": leases}, timeout_s=8)
    if answer.status not in (200, 409):
        return
    lost = set(answer.json["current"]["lost"]) if answer.status == 409 else set()
    done = [
        f"a {event['position']}\n"
        for delivery in batch["deliveries"]
        if delivery["lease"] not in lost
        for event in delivery["events"]
    ]
    os.write(handle, "".join(done).encode())


async def main(plan: Plan) -> None:
    """Consume until told to stop."""
    handle = os.open(plan.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, b"\n")  # what a killed one left half written is told apart from a line
    async with session() as web:
        servers = [Calls(url, plan.key, web) for url in plan.urls]
        members = [member(plan, number, servers, handle) for number in range(plan.members)]
        consuming = asyncio.gather(*members)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, consuming.cancel)
        await asyncio.wait((consuming,))
    if not consuming.cancelled():
        consuming.result()


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
