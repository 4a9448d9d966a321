"""Writers that race: run as a process of their own.

    python -m tests.contract.race gapless|naive DSN NAME WRITERS APPENDS [print]

Each of the writers makes so many appends, most of them to streams that all processes share.
With `print`, the event ids of every acknowledged append are written to standard output at once.
"""

import asyncio
import random
import sys

import asyncpg

from ledger.errors import WrongExpectedVersion
from ledger.events.codec import Event
from ledger.store.postgres import PostgresStore
from tests.contract.log import STEP, append, progressed, write

SHARED_STREAMS = 24


async def gapless(dsn: str, name: str, writers: int, appends: int, *, tell: bool) -> None:
    """Append through the store."""
    store = await PostgresStore.open(dsn, max_connections=2)

    async def writer(index: int) -> None:
        dice = random.Random(f"{name}/{index}")
        versions: dict[str, int] = {}
        for _ in range(appends):
            own = dice.random() < 0.3
            stream = f"own/{name}-{index}" if own else f"shared/{dice.randrange(SHARED_STREAMS)}"
            events: list[Event] = [STEP, *[progressed()] * dice.randrange(3)]
            while True:
                version = versions.get(stream, 0)
                try:
                    records = await store.append(append(write(stream, version, *events)))
                except WrongExpectedVersion as moved_on:
                    versions[stream] = moved_on.actual
                    continue
                versions[stream] = records[-1].version
                if tell:
                    print(*(record.event_id for record in records), flush=True)  # noqa: T201 - told
                break

    await asyncio.gather(*(writer(index) for index in range(writers)))
    await store.close()


async def naive(dsn: str, writers: int, appends: int) -> None:
    """Append with a sequence for positions, as one would at first."""

    async def writer() -> None:
        connection = await asyncpg.connect(dsn)
        for _ in range(appends):
            async with connection.transaction():
                await connection.execute("insert into naive default values")
                await connection.execute("select 1")
        await connection.close()

    await asyncio.gather(*(writer() for _ in range(writers)))


def main() -> None:
    """Run one process's writers."""
    kind, dsn, name, writers, appends, *rest = sys.argv[1:]
    if kind == "naive":
        asyncio.run(naive(dsn, int(writers), int(appends)))
    else:
        asyncio.run(gapless(dsn, name, int(writers), int(appends), tell=bool(rest)))


if __name__ == "__main__":
    main()
