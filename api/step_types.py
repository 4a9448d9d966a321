"""Which step types there are: those built in, and those that workers announced when they claimed.

Announcements are kept in the database, so that they outlast a restart and every node knows them; a
worker's are written once by each node. What was announced is never forgotten: a worker that is away
may come back, and an execution that waits too long for one is closed by its deadline.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg

from ledger.store.pool import store_errors
from ledger.store.queries import load

BUILT_IN_TYPES: Final = frozenset(
    ("command", "http", "python", "sleep", "site_import", "site_export", "site_index")
)
"""What every `jobledger worker` can do; see `api.worker.steps.registry`."""
MAX_REMEMBERED: Final = 20_000
EVERYWHERE: Final = "*"
_SQL: Final = load(Path(__file__).parent / "sql" / "ways_in.sql")


class StepTypes:
    """Announced step types; one a process."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._known: set[tuple[str, str]] = set()

    async def announce(
        self, organizations: Sequence[str] | None, step_types: Collection[str]
    ) -> None:
        """Note what a worker can do, in its organizations (None: in all). Idempotent.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        scopes = [EVERYWHERE] if organizations is None else list(organizations)
        own = [name for name in step_types if name not in BUILT_IN_TYPES and "\x00" not in name]
        pairs = {(scope, name) for scope in scopes for name in own}
        if not pairs or pairs <= self._known:
            return
        with store_errors():
            await self._pool.execute(_SQL["announce"], scopes, own)
        self._remember(pairs)

    async def unknown(self, organization: str, step_types: Collection[str]) -> set[str]:
        """Give those of *step_types* that nobody is known to provide.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        missing = {
            name
            for name in step_types
            if name not in BUILT_IN_TYPES
            and (organization, name) not in self._known
            and (EVERYWHERE, name) not in self._known
        }
        asked = [name for name in missing if "\x00" not in name]
        if not asked:
            return missing
        with store_errors():
            rows = await self._pool.fetch(_SQL["announced"], organization, asked)
        found = {row["step_type"] for row in rows}
        self._remember({(organization, name) for name in found})
        return missing - found

    def _remember(self, pairs: set[tuple[str, str]]) -> None:
        if len(self._known) + len(pairs) > MAX_REMEMBERED:
            self._known.clear()
        self._known |= pairs
