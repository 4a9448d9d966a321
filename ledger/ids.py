"""Identifiers: where they come from and how one is derived from another.

An execution has three names. Its `uuid` (version 7) is primary. Its `oid` (24 hex digits, the
first 8 the second of creation) is computed from the uuid and never stored as a fact. Its `number`
is assigned by the store under the head lock, so that numbers are gapless like positions.

UUIDs are made as the database driver makes those it reads: a `uuid.UUID` written in C, which costs a
fraction to make, to write out and to hash.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NewType
from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto

StreamId = NewType("StreamId", str)
"""`<kind>/<name>`, for example `execution/0198…`. Stored for ever."""

OID_LENGTH: Final = 24
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def new_uuid() -> UUID:
    """Make a time-ordered UUID (RFC 9562, version 7)."""
    return pgproto.UUID(uuid_utils.uuid7().bytes)


def uuid_time(value: UUID) -> datetime:
    """Read the creation instant out of a version 7 UUID.

    Units: UTC, millisecond resolution.
    """
    return _EPOCH + timedelta(milliseconds=value.int >> 80)


def oid_of(value: UUID) -> str:
    """Derive the 24-digit object id: creation second, then the last 8 bytes of the UUID."""
    return f"{(value.int >> 80) // 1000:08x}{value.hex[16:]}"


def execution_stream(uuid: UUID) -> StreamId:
    """Name the stream that holds one execution's events."""
    return StreamId(f"execution/{uuid}")


def job_stream(organization: str, job_id: str) -> StreamId:
    """Name the stream that holds one job's definition; job ids are unique in an organization."""
    return StreamId(f"job/{organization}/{job_id}")


def key_stream(uuid: UUID) -> StreamId:
    """Name the stream that holds one access key's life."""
    return StreamId(f"key/{uuid}")


@lru_cache(maxsize=8192)
def execution_of(stream: str) -> UUID | None:
    """Give the execution's uuid if *stream* is an execution's, else None."""
    kind, _, name = stream.partition("/")
    return pgproto.UUID(name) if kind == "execution" else None
