"""Reads several executions of the view at once; see `query` for what all queries have in common."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from ledger.executions.state import ExecutionState
from ledger.store.queries import load
from projections.executions.projector import ExecutionsProjector
from projections.fold import DECODE
from projections.port import Reader
from projections.reading import reading

_SQL: Final = load(Path(__file__).parent / "sql" / "several.sql")


async def by_uuids(
    reader: Reader, uuids: Sequence[UUID], *, organizations: Sequence[str] | None
) -> tuple[ExecutionState, ...]:
    """Find executions by their primary ids; those that are not there are left out.

    Order: that of *uuids*.
    """
    async with reading(reader, ExecutionsProjector.name, ExecutionsProjector.version):
        rows = await reader.fetch(_SQL["by_uuids"], list(uuids), organizations)
        found = {row["uuid"]: DECODE(row["state"]) for row in rows if row["uuid"] is not None}
    return tuple(found[uuid] for uuid in uuids if uuid in found)
