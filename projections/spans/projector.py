"""Writes the spans view."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from ledger.events import executions as x
from ledger.events.codec import CLOSING_TYPES
from ledger.ids import execution_of
from ledger.store.port import AnyRecorded
from ledger.store.queries import load
from projections.encoded import text
from projections.port import Connection

_SQL_FOLDER: Final = Path(__file__).parent / "sql"
_WRITE: Final = load(_SQL_FOLDER / "write.sql")


class SpansProjector:
    """Keeps one row an execution: between which positions it was open."""

    name: Final = "spans"
    version: Final = 1
    interests: Final = CLOSING_TYPES | {
        "execution.created",
        "execution.deleted",
        "execution.erased",
    }
    schema_sql: Final = (_SQL_FOLDER / "schema.sql").read_text(encoding="utf-8")

    async def apply(self, connection: Connection, batch: Sequence[AnyRecorded]) -> None:
        """See `projections.port.Projector`."""
        facts = [(uuid, fact) for fact in batch if (uuid := execution_of(fact.stream)) is not None]
        opened = [
            (uuid, fact.organization, _job_id(fact), fact.position)
            for uuid, fact in facts
            if fact.type == "execution.created"
        ]
        if opened:
            await connection.execute(_WRITE["open"], *zip(*opened, strict=True))
        closed: dict[UUID, int] = {}
        deleted: set[UUID] = set()
        erased: set[UUID] = set()
        for uuid, fact in facts:
            if fact.type in CLOSING_TYPES:
                closed.setdefault(uuid, fact.position)
            elif fact.type == "execution.deleted":
                deleted.add(uuid)
            elif fact.type == "execution.erased":
                erased.add(uuid)
        rows = [
            (uuid, closed.get(uuid), uuid in deleted, uuid in erased)
            for uuid in sorted(closed.keys() | deleted | erased)
        ]
        if rows:
            await connection.execute(_WRITE["close"], *zip(*rows, strict=True))


def _job_id(fact: AnyRecorded) -> str:
    return text(fact.event.job_id) if isinstance(fact.event, x.ExecutionCreated) else ""
