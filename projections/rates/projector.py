"""Writes the rates view."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.port import Connection

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")


class RatesProjector:
    """Keeps one row an organization and minute in which something was counted."""

    name: Final = "rates"
    version: Final = 1
    interests: Final = frozenset(
        ("execution.created", "execution.started", "execution.finished", "execution.canceled")
    )
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        counted = [
            (
                fact.organization,
                fact.recorded_at.replace(second=0, microsecond=0),
                fact.type,
                fact.position,
            )
            for fact in batch
            if fact.type in self.interests
        ]
        if counted:
            await connection.execute(_WRITE["count"], *zip(*counted, strict=True))
