"""Writes the rates view."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.instants import MINUTE, begin, whole
from projections.port import Connection

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")
_COUNTED: Final = (
    "execution.created",
    "execution.started",
    "execution.finished",
    "execution.canceled",
)

Key: TypeAlias = tuple[int, str]
"""Minute (since 1970) and organization."""


class RatesProjector:
    """Keeps one row an organization and minute in which something was counted."""

    name: Final = "rates"
    version: Final = 1
    interests: Final = frozenset(_COUNTED)
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        facts: defaultdict[Key, list[AnyRecorded]] = defaultdict(list)
        for fact in batch:
            if fact.type in self.interests:
                facts[whole(MINUTE, fact.recorded_at), fact.organization].append(fact)
        # In one order everywhere, so that no two transactions wait for each other's rows.
        keys = sorted(facts)
        if not keys:
            return
        minutes = [begin(MINUTE, minute) for minute, _ in keys]
        organizations = [organization for _, organization in keys]
        found = await connection.fetch(_WRITE["counted_up_to"], minutes, organizations)
        seen = {(row["minute"], row["organization"]): row["position"] for row in found}
        rows: list[tuple[object, ...]] = []
        for key, place in zip(keys, zip(minutes, organizations, strict=True), strict=True):
            up_to = seen.get(place, 0)
            counts = Counter([fact.type for fact in facts[key] if fact.position > up_to])
            if counts:
                rows.append((*place, *(counts[name] for name in _COUNTED), facts[key][-1].position))
        if rows:
            await connection.execute(_WRITE["count"], *zip(*rows, strict=True))
