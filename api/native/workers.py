"""`/v1/workers`: who holds work now, and until when."""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from aiohttp import web
from msgspec import Struct

from api.native.call import Call, answer
from ledger.ids import execution_of
from ledger.store.pool import store_errors
from ledger.store.queries import load

_SQL: Final = load(Path(__file__).parent / "sql" / "workers.sql")
MAX_LEASES: Final = 1000


class HeldView(Struct, frozen=True, kw_only=True):
    """A worker's hold on an execution."""

    execution: UUID
    organization: str
    fence: int
    lease_s: float
    """How long it may stay silent."""
    expires_at: datetime
    """When the execution is taken away, unless the worker is heard from before."""


class WorkerView(Struct, frozen=True, kw_only=True):
    """A worker that holds work; one that holds none is not known here."""

    worker: str
    leases: tuple[HeldView, ...]
    """The first to expire first."""


class WorkerList(Struct, frozen=True, kw_only=True):
    """Workers by name, with what each holds."""

    workers: tuple[WorkerView, ...]
    leases: int
    """How many there are; those shown are at most a thousand, the first to expire."""


async def list_workers(call: Call) -> web.Response:
    """List who holds work now."""
    with store_errors():
        rows = await call.node.store.pool.fetch(_SQL["held"], call.readable, MAX_LEASES)
        total = await call.node.store.pool.fetchval(_SQL["total"], call.readable)
    held: defaultdict[str, list[HeldView]] = defaultdict(list)
    for row in rows:
        uuid = execution_of(row["stream"])
        if uuid is not None:
            held[row["worker"]].append(
                HeldView(
                    execution=uuid,
                    organization=row["organization"],
                    fence=row["fence"],
                    lease_s=row["lease_s"],
                    expires_at=row["expires_at"],
                )
            )
    workers = tuple(
        WorkerView(worker=worker, leases=tuple(leases)) for worker, leases in sorted(held.items())
    )
    return answer(WorkerList(workers=workers, leases=total))
