"""Reads the keys view; see `projections.executions.query` for what all queries have in common."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from ledger.store.queries import load
from projections.encoded import text
from projections.keys.projector import KeysProjector
from projections.port import Pool, Reader
from projections.reading import listing, reading

_SQL: Final = load(Path(__file__).parent / "sql" / "read.sql")
_NAME: Final = KeysProjector.name
_VERSION: Final = KeysProjector.version


class AccessKey(Struct, frozen=True, kw_only=True):
    """An access key; its secret is known by digest only."""

    uuid: UUID
    public_id: str
    name: str
    secret_sha256: str
    roles: tuple[str, ...]
    organizations: tuple[str, ...]
    """Where it may act, the default first; `*` stands for all."""
    created_at: datetime
    created_by: str
    created_position: int
    revoked_at: datetime | None
    """When it stopped opening anything; None: it is good."""
    revoked_by: str | None


class FoundKey(Struct, frozen=True, kw_only=True):
    """A key, or none, as of a position."""

    position: int
    key: AccessKey | None


class KeyPage(Struct, frozen=True, kw_only=True):
    """A page of keys, newest first."""

    position: int
    items: tuple[AccessKey, ...]
    next_before: int | None


async def by_public_id(
    reader: Reader, public_id: str, *, organizations: Sequence[str] | None
) -> FoundKey:
    """Find a key by what its bearer shows beside the secret; a revoked one only if no other is."""
    async with reading(reader, _NAME, _VERSION):
        row = await reader.fetchrow(_SQL["by_public_id"], text(public_id), organizations)
    if row is None:
        return FoundKey(position=0, key=None)
    return FoundKey(position=row["reflects"], key=_key(row) if row["uuid"] is not None else None)


async def page(
    pool: Pool,
    *,
    organizations: Sequence[str] | None,
    before: int | None = None,
    limit: int = 50,
) -> KeyPage:
    """List keys, newest first, revoked ones included; only those that reach no further."""
    async with listing(pool, _NAME, _VERSION) as connection:
        rows = await connection.fetch(_SQL["page"], organizations, before, limit + 1)
    found = sorted(
        (row for row in rows if row["uuid"] is not None), key=lambda row: -row["created_position"]
    )
    items = tuple(_key(row) for row in found[:limit])
    return KeyPage(
        position=rows[0]["reflects"] if rows else 0,
        items=items,
        next_before=items[-1].created_position if len(found) > limit and items else None,
    )


def _key(row: Any) -> AccessKey:
    values = {name: row[name] for name in AccessKey.__struct_fields__}
    return AccessKey(
        **{
            **values,
            "roles": tuple(values["roles"]),
            "organizations": tuple(values["organizations"]),
        }
    )
