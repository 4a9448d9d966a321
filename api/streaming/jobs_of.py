"""Which job an execution is of, remembered: an execution never changes its job."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final

import asyncpg

from ledger.store.pool import store_errors
from ledger.store.queries import load

CACHE_SIZE: Final = 50_000
_SQL: Final = load(Path(__file__).parent / "sql" / "jobs.sql")
_PREFIX: Final = "execution/"


class JobsOf:
    """Looks executions' jobs up in a view, once each."""

    def __init__(
        self, pool: "asyncpg.Pool[Any]", covered: Callable[[str, int], Awaitable[None]]
    ) -> None:
        self._pool = pool
        self._covered = covered
        self._known: OrderedDict[str, str] = OrderedDict()

    def __call__(self, stream: str) -> str | None:
        """Give the job of an execution's stream; None for other streams, and what is not known."""
        return self._known.get(stream)

    async def learn(self, streams: Iterable[str], through: int) -> None:
        """Look up the jobs of all executions among streams whose events are up to a position.

        Raises:
            ProjectionLagging: the view has not come that far.
            StoreUnavailable: the database cannot be reached.
        """
        if not await self._look_up(streams):
            await self._covered("executions", through)
            await self._look_up(streams)

    async def _look_up(self, streams: Iterable[str]) -> bool:
        """Look up what is not known; tell whether everything is now."""
        wanted = {
            stream[len(_PREFIX) :]
            for stream in streams
            if stream.startswith(_PREFIX) and stream not in self._known
        }
        if not wanted:
            return True
        with store_errors():
            rows = await self._pool.fetch(_SQL["jobs_of"], list(wanted))
        for row in rows:
            self._known[f"{_PREFIX}{row['uuid']}"] = row["job_id"]
        while len(self._known) > CACHE_SIZE:
            self._known.popitem(last=False)
        return len(rows) == len(wanted)
