"""A ledger with projections to test on a real database, and folds without a runner."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ledger.store.migrate import migrate
from ledger.store.port import AnyRecorded, Append
from ledger.store.postgres import PostgresStore
from projections import checkpoint as checkpoints
from projections.checkpoint import SQL
from projections.port import MIGRATIONS, Connection, Generation, Projector, Reader
from projections.runner import Runner


@asynccontextmanager
async def ledger(database_url: str) -> AsyncIterator[PostgresStore]:
    """Open a store whose database holds the projections' tables as well."""
    await migrate(database_url, MIGRATIONS)
    store = await PostgresStore.open(database_url, max_connections=12)
    try:
        yield store
    finally:
        await store.close()


async def write(store: PostgresStore, appends: Sequence[Append]) -> int:
    """Append in order and give the head."""
    for append in appends:
        await store.append(append)
    return store.tail.head


async def runner(
    store: PostgresStore,
    projector: Projector,
    *,
    owner: str = "me",
    generation: Generation = "live",
    batch_events: int = 50,
) -> Runner:
    """Own a generation of a projection, made if it is missing, and give its runner."""
    pool = store.pool
    await checkpoints.create(pool, projector, generation)
    found = await checkpoints.acquire(pool, owner, 60.0, {projector.name: projector.version})
    checkpoint = next(c for c in found if (c.name, c.generation) == (projector.name, generation))
    return Runner(
        projector,
        checkpoint,
        pool=pool,
        tail=store.tail,
        lease_s=60.0,
        batch_events=batch_events,
    )


async def catch_up(run: Runner, head: int) -> None:
    """Step until a runner has reached the head."""
    while run.position < head:
        await run.step()


async def fold_into(
    connection: Connection,
    schema: str,
    projector: Projector,
    log: Sequence[AnyRecorded],
    *,
    seed: int | None = None,
    twice: bool = False,
) -> None:
    """Fold a log into a new schema: whole, or in batches of random sizes, perhaps each twice."""
    draw = random.Random(seed)
    await connection.execute(SQL["fresh_schema"], schema)
    await connection.execute(f"set search_path = {schema},pg_catalog")
    await connection.execute(projector.schema_sql)
    wanted = [f for f in log if projector.interests is None or f.type in projector.interests]
    while wanted:
        size = len(wanted) if seed is None else draw.randint(1, 30)
        for _ in range(2 if twice else 1):
            await projector.apply(connection, wanted[:size])
        wanted = wanted[size:]


async def differences(connection: Reader, left: str, right: str) -> list[Any]:
    """Compare two schemas row by row."""
    return [tuple(row) for row in await connection.fetch(SQL["differences"], left, right, 20)]
