"""Tells whether executions mention something in their inputs or outputs."""

from collections.abc import Collection
from pathlib import Path
from typing import Final
from uuid import UUID

from ledger.store.queries import load
from projections.executions.projector import ExecutionsProjector
from projections.port import Reader
from projections.reading import reading

_SQL: Final = load(Path(__file__).parent / "sql" / "mentions.sql")


async def mentioned(
    reader: Reader, names: Collection[str], *, organization: str, besides: UUID
) -> frozenset[str]:
    """Give those of *names* that an execution of the organization mentions, other than *besides*.

    Looks through all of them: for what is seldom done.
    """
    if not names:
        return frozenset()
    async with reading(reader, ExecutionsProjector.name, ExecutionsProjector.version):
        rows = await reader.fetch(_SQL["mentions"], organization, besides, list(names))
    return frozenset(row["name"] for row in rows)
