"""The tree view: how fast it takes in events, and how long a proof takes in a large tree.

The log is filled by SQL with executions of five events that lie between each other's, a hundred at a
time, and the projector takes it in from the first position, in its usual batches of 2,000, reading
from the log as it does in a server. Then each round makes proofs at random places, each on its own:
inclusion and consistency at random sizes, and what the map of streams holds. `allowed` is 10 ms.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
from frame import Report
from processes import used

from ledger.store.embedded import EmbeddedPostgres
from ledger.store.migrate import migrate
from ledger.store.postgres import PostgresStore
from projections import checkpoint as checkpoints
from projections.port import MIGRATIONS
from projections.runner import Runner
from projections.tree import query as tree
from projections.tree.projector import TreeProjector

ALLOWED_MS = 10.0
PORTION = 100_000
_FILL = """
insert into ledger.events (position, stream, version, event_id, type, schema_version, organization,
    actor, occurred_at, recorded_at, correlation_id, number, data_digest, salt, data)
select p, 'execution/' || md5('s' || s)::uuid, v, gen_random_uuid(), 'execution.progressed', 1,
    'default', 'bench', now(), now(), gen_random_uuid(), null,
    sha256(e.salt || e.data), e.salt, e.data
from (
    select p, (p - 1) / 500 * 100 + (p - 1) % 100 as s, (p - 1) % 500 / 100 + 1 as v,
        decode(md5('x' || p), 'hex') as salt,
        convert_to('{"progress":{"percent":' || p % 100 || '}}', 'utf8') as data
    from generate_series($1::bigint, $2::bigint) p
) e
"""


def options(of: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    of.add_argument("--size", type=int, default=1_000_000, help="events in the tree")
    of.add_argument("--proofs", type=int, default=200, help="of each kind, in one round")


async def run(told: argparse.Namespace, report: Report) -> None:
    """Measure."""
    for kind in ("inclusion", "consistency", "stream"):
        report.ratio(kind, "allowed", at_most=1.0)
    with tempfile.TemporaryDirectory(prefix="jobledger-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        dsn = await postgres.start()
        try:
            await migrate(dsn, MIGRATIONS)
            await _fill(dsn, told.size)
            store = await PostgresStore.open(dsn, max_connections=4)
            try:
                await _take_in(store, told.size, report)
                await _prove(store, told, report)
            finally:
                await store.close()
        finally:
            await postgres.stop()


async def _fill(dsn: str, size: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for start in range(1, size + 1, PORTION):
            await connection.execute(_FILL, start, min(start + PORTION - 1, size), timeout=600)
        await connection.execute("update ledger.head set position = $1", size)
        await connection.execute("analyze ledger.events", timeout=600)
    finally:
        await connection.close()


async def _take_in(store: PostgresStore, size: int, report: Report) -> None:
    """Run the projector over the log; a figure for each tenth, so that a slowdown shows."""
    projector = TreeProjector()
    await checkpoints.create(store.pool, projector, "live")
    found = await checkpoints.acquire(store.pool, "bench", 3600, {"tree": projector.version})
    checkpoint = next(each for each in found if each.name == "tree")
    runner = Runner(projector, checkpoint, pool=store.pool, tail=store.tail, lease_s=3600)
    while runner.position < size:
        before = runner.position
        with used(os.getpid()) as using:
            while runner.position < min(before + size // 10, size):
                await runner.step()
        passed = runner.position - before
        report.measured(
            "taken in", passed / using.seconds, "events/s", used=using, operations=passed
        )


async def _prove(store: PostgresStore, told: argparse.Namespace, report: Report) -> None:
    draw, size = random.Random(1), told.size

    async def inclusion() -> object:
        within = draw.randint(1, size)
        return await tree.inclusion(store.pool, draw.randint(1, within), within)

    async def consistency() -> object:
        new = draw.randint(1, size)
        return await tree.consistency(store.pool, draw.randint(1, new), new)

    async def stream() -> object:
        return await tree.stream_proof(store.pool, f"execution/{draw.randint(1, size)}")

    kinds = {"inclusion": inclusion, "consistency": consistency, "stream": stream}
    for sides in report.rounds(told.rounds, list(kinds)):
        report.measured("allowed", ALLOWED_MS, "ms")
        for kind in sides:
            with used(os.getpid()) as using:
                taken = await _timed(kinds[kind], told.proofs)
            middle = statistics.median(taken)
            report.measured(kind, middle, "ms", used=using, operations=told.proofs)
            report.measured(f"{kind}, 99th of 100", taken[len(taken) * 99 // 100], "ms")


async def _timed(make: Callable[[], Awaitable[object]], count: int) -> list[float]:
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        if await make() is None:
            raise RuntimeError("the tree is not as large as it should be")
        taken.append((time.perf_counter() - begun) * 1000)
    return sorted(taken)
