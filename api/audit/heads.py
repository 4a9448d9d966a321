"""The heads and keys that were published, as rows."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from ledger.audit.keys import Trust
from ledger.merkle.note import MalformedNote, Verifier
from ledger.store.pool import store_errors
from ledger.store.queries import load
from projections.port import Reader

SQL: Final = load(Path(__file__).parents[1] / "sql" / "tree_heads.sql")


class Published(Struct, frozen=True, kw_only=True):
    """A head that was signed and shown."""

    size: int
    root: bytes
    streams_root: bytes
    key: int
    note: str
    signed_at: datetime


class PublishedKey(Struct, frozen=True, kw_only=True):
    """A key that signs heads, or did."""

    number: int
    public_key: str
    change: str | None
    """How the key before vouched for it."""
    added_at: datetime


async def newest(reader: Reader) -> Published | None:
    """Read the newest head; None while nothing was signed.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    with store_errors():
        return _published(await reader.fetchrow(SQL["newest"]))


async def of_size(reader: Reader, size: int) -> Published | None:
    """Read the head of a size, if that was signed.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    with store_errors():
        return _published(await reader.fetchrow(SQL["of_size"], size))


async def page(reader: Reader, after: int, limit: int) -> list[Published]:
    """Read heads of a size above *after*, by size.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    with store_errors():
        rows = await reader.fetch(SQL["page"], after, limit)
    return [Published(**dict(row)) for row in rows]


async def keys(reader: Reader) -> list[PublishedKey]:
    """Read the keys in their order.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    with store_errors():
        rows = await reader.fetch(SQL["keys"])
    return [PublishedKey(**dict(row)) for row in rows]


def trust(found: list[PublishedKey]) -> Trust:
    """Follow the ledger's keys from the first on.

    Raises:
        MalformedNote: there is none, or one is not what it should be.
        BadSignature: one was not vouched for by the key before.
    """
    if not found:
        raise MalformedNote("the ledger has no key")
    changes = [(key.change or "").encode() for key in found[1:]]
    return Trust(Verifier.parse(found[0].public_key), changes)


def _published(row: Mapping[str, Any] | None) -> Published | None:
    return None if row is None else Published(**dict(row))
