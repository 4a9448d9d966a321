"""Reads the rates view; see `projections.executions.query` for what all queries have in common."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

from ledger.store.queries import load
from projections.port import Pool
from projections.rates.projector import RatesProjector
from projections.reading import listing

_SQL: Final = load(Path(__file__).parent / "sql" / "read.sql")
_NAME: Final = RatesProjector.name
_VERSION: Final = RatesProjector.version
_MINUTE: Final = timedelta(minutes=1)


class Minute(Struct, frozen=True, kw_only=True):
    """What was recorded within a minute."""

    at: datetime
    """When it began."""
    created: int = 0
    started: int = 0
    finished: int = 0
    aborted: int = 0


class Rates(Struct, frozen=True, kw_only=True):
    """Minutes without a hole, oldest first."""

    position: int
    """They reflect the log up to here."""
    minutes: tuple[Minute, ...]


async def until(
    pool: Pool, *, organizations: Sequence[str] | None, now: datetime, minutes: int
) -> Rates:
    """Give the last *minutes*, the one that *now* lies in included."""
    last = now.replace(second=0, microsecond=0)
    begins = [last - _MINUTE * back for back in range(minutes - 1, -1, -1)]
    async with listing(pool, _NAME, _VERSION) as connection:
        rows = await connection.fetch(_SQL["since"], organizations, begins[0])
    counted = {
        row["minute"]: Minute(
            at=row["minute"],
            created=row["created"],
            started=row["started"],
            finished=row["finished"],
            aborted=row["aborted"],
        )
        for row in rows
        if row["minute"] is not None
    }
    return Rates(
        position=rows[0]["reflects"] if rows else 0,
        minutes=tuple(counted.get(begin) or Minute(at=begin) for begin in begins),
    )
