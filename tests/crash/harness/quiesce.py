"""Back to rest: everything healed, nothing asked for any more, and what is open comes to its end.

Each wait has a bound, because that it ends is what is promised: no open state without a timer, views
and tails that catch up, servers that come back by themselves.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import asyncpg
from msgspec import Struct

from tests.crash.harness import consumer
from tests.crash.harness.calls import pause
from tests.crash.harness.world import CRON, NotBack, World

DRAIN_S: Final = 60.0
CATCH_UP_S: Final = 90.0
LOOK_S: Final = 0.1


class Rest(Struct, frozen=True):
    """How long it took, and where the log ends."""

    ready_s: float
    drained_s: float
    caught_up_s: float
    last: str
    """What was behind for longest."""
    head: int


async def come_to_rest(world: World, *, with_workers: bool) -> Rest:
    """Heal, stop asking, and wait until nothing is open and everything has caught up.

    Without workers what is open is closed by the ledger alone.

    Raises:
        NotBack: something does not come to rest; the message says what.
    """
    await world.heal()
    ready_s = await world.until_ready()
    for actor in world.writers:
        await actor.stop()
    for job in CRON:
        await world.must("DELETE", f"/v1/jobs/{job}/schedule")
    if not with_workers:
        for actor in world.workers:
            await actor.kill()
    connection = await asyncpg.connect(world.dsn, timeout=10)
    try:
        drained_s, _ = await _until(lambda: _open(connection), DRAIN_S, "open executions")
        caught_up_s, last = await _until(lambda: _behind(world, connection), CATCH_UP_S, "behind")
        head = await connection.fetchval("select position from ledger.head")
    finally:
        connection.terminate()
    for actor in world.workers:
        await actor.stop()
    return Rest(ready_s, drained_s, caught_up_s, last, head)


async def _until(
    look: Callable[[], Awaitable[str]], bound_s: float, what: str
) -> tuple[float, str]:
    """Wait until there is nothing left to tell of; give the time it took, and the last told."""
    loop = asyncio.get_running_loop()
    begun, last = loop.time(), ""
    while told := await look():
        last = told
        if loop.time() - begun > bound_s:
            raise NotBack(f"{what} after {bound_s:.0f} s: {told}")
        await pause(LOOK_S)
    return loop.time() - begun, last


async def _open(connection: "asyncpg.Connection[Any]") -> str:
    """Tell what still has a timer: a closed execution of these jobs has none."""
    rows = await connection.fetch(
        "select stream, due_at from ledger.streams"
        " where stream like 'execution/%' and due_at is not null limit 3"
    )
    return ", ".join(f"{row['stream']} due {row['due_at']}" for row in rows)


async def _behind(world: World, connection: "asyncpg.Connection[Any]") -> str:
    """Tell which follower of the log is not at its end."""
    head: int = await connection.fetchval("select position from ledger.head")
    told: list[str] = []
    rows = await connection.fetch("select name, position, state from projections.projection")
    told += [
        f"view {row['name']} at {row['position']} ({row['state']})"
        for row in rows
        if row["position"] != head
    ]
    rows = await connection.fetch("select name, position from ledger.reactors")
    told += [f"reactor at {row['position']}" for row in rows if row["position"] != head]
    left = await connection.fetchval("select count(*) from ledger.reactions")
    told += [f"{left} reactions"] if left else []
    for path in sorted(world.tails_folder.glob("*.seen")):
        at = _last_line(path)
        told += [f"{path.stem} at {at}"] if at != head else []
    told += await _consumers_behind(world)
    return f"{', '.join(told)}; head {head}" if told else ""


async def _consumers_behind(world: World) -> list[str]:
    """Tell what the members still have in hand, or have not seen."""
    answer = await world.direct(0).call("GET", consumer.PATH)
    if answer.status != 200:
        return [f"consumer: {answer.status} {answer.lost}"]
    shown = answer.json
    left = {
        name: shown[name] for name in ("lag", "shards_out", "parked", "retrying") if shown[name]
    }
    return [f"consumer {left}"] if left else []


def _last_line(path: Path) -> int:
    """Read the last position in a tail's file."""
    with path.open("rb") as file:
        file.seek(max(os.fstat(file.fileno()).st_size - 400, 0))
        for line in reversed(file.read().splitlines()):
            words = line.split()
            if words and words[0].isdigit():
                return int(words[0])
            if line.startswith(b"#"):
                return int(words[-1])
    return 0
