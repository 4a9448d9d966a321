"""The reactor's place in the log: held by one process at a time, kept over restarts."""

from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from ledger.store.pool import store_errors
from ledger.store.queries import load

UPSTREAMS: Final = "upstreams"
"""The reactor to what ended: see `ledger.reactor`."""

_SQL: Final = load(Path(__file__).parent / "sql" / "reactions.sql")


async def place_of(pool: "asyncpg.Pool[Any]", name: str) -> int:
    """Read up to which position a named reactor has reacted, whoever does it."""
    with store_errors():
        place: int = await pool.fetchval(_SQL["place"], name)
    return place


class Reactions:
    """One named reactor's place, as one process sees it."""

    def __init__(self, pool: "asyncpg.Pool[Any]", name: str, owner: UUID) -> None:
        self._pool = pool
        self._name = name
        self._owner = owner

    async def hold(self, hold_s: float) -> int | None:
        """Take or keep the place; None while another process has it."""
        with store_errors():
            place: int | None = await self._pool.fetchval(
                _SQL["hold"], self._name, self._owner, hold_s
            )
        return place

    async def advance(self, position: int, hold_s: float) -> bool:
        """Say that everything up to *position* was reacted to; False when the place was lost."""
        with store_errors():
            place = await self._pool.fetchval(
                _SQL["advance"], self._name, self._owner, position, hold_s
            )
        return place is not None

    async def let_go(self) -> None:
        """Leave the place to another process. Idempotent."""
        with store_errors():
            await self._pool.execute(_SQL["let_go"], self._name, self._owner)

    async def put_off(self, stream: str, position: int, *, delay_s: float, error: str) -> None:
        """Note an end that could not be reacted to, to be tried again later and ever later."""
        with store_errors():
            await self._pool.execute(_SQL["put_off"], stream, position, delay_s, error)

    async def due(self, limit: int) -> list[tuple[str, int]]:
        """List ends to try again, as stream and position."""
        with store_errors():
            rows = await self._pool.fetch(_SQL["due"], limit)
        return [(row["stream"], row["position"]) for row in rows]

    async def done(self, stream: str) -> None:
        """Forget an end that was reacted to after all. Idempotent."""
        with store_errors():
            await self._pool.execute(_SQL["done"], stream)
