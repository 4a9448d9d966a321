"""Where the bytes of files live: a small port, and a folder that is one.

A blob is complete or not there: bytes are written aside, flushed to disk and then named. Beside them
stands what is known of them, in a small JSON file, written last. Several processes may share a folder.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from ledger.ids import new_uuid, oid_of

_NOTES: Final = "json"


class BlobTooLarge(Exception):
    """There are more bytes than a blob may have; nothing was kept."""


class Blob(Struct, frozen=True, kw_only=True):
    """What is known of stored bytes."""

    id: str
    organization: str
    sha256: str
    size: int
    created_at: datetime
    filename: str = ""
    media_type: str = ""


class Blobs(Protocol):
    """Keeps bytes under ids that it makes up."""

    async def put(
        self,
        chunks: AsyncIterator[bytes],
        *,
        organization: str,
        filename: str,
        media_type: str,
        now: datetime,
        max_bytes: int,
    ) -> Blob:
        """Store bytes.

        Raises:
            BlobTooLarge: there are more than *max_bytes*.
        """
        ...

    async def get(self, blob_id: str) -> Blob | None:
        """Tell what is known of a blob."""
        ...

    def path(self, blob: Blob) -> Path:
        """Say where its bytes can be read."""
        ...

    async def remove(self, blob_id: str) -> None:
        """Forget a blob. Idempotent."""
        ...


class BlobFolder:
    """Blobs as files below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(
        self,
        chunks: AsyncIterator[bytes],
        *,
        organization: str,
        filename: str,
        media_type: str,
        now: datetime,
        max_bytes: int,
    ) -> Blob:
        """See `Blobs`."""
        blob_id = oid_of(new_uuid())
        draft = self._file(blob_id).with_suffix(".draft")
        await asyncio.to_thread(draft.parent.mkdir, parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        file = await asyncio.to_thread(draft.open, "xb")
        try:
            async for chunk in chunks:
                size += len(chunk)
                if size > max_bytes:
                    raise BlobTooLarge
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(_flush, file.fileno(), file.flush)
            file.close()
            blob = Blob(
                id=blob_id,
                organization=organization,
                sha256=digest.hexdigest(),
                size=size,
                created_at=now,
                filename=filename,
                media_type=media_type,
            )
            await asyncio.to_thread(self._keep, draft, blob)
        finally:
            file.close()
            draft.unlink(missing_ok=True)
        return blob

    def _keep(self, draft: Path, blob: Blob) -> None:
        final = self._file(blob.id)
        draft.replace(final)
        notes = draft.with_suffix(".notes")
        notes.write_bytes(msgspec.json.encode(blob))
        notes.replace(final.with_suffix(f".{_NOTES}"))

    async def get(self, blob_id: str) -> Blob | None:
        """See `Blobs`."""
        notes = self._file(blob_id).with_suffix(f".{_NOTES}")
        try:
            raw = await asyncio.to_thread(notes.read_bytes)
        except FileNotFoundError:
            return None
        return msgspec.json.decode(raw, type=Blob)

    def path(self, blob: Blob) -> Path:
        """See `Blobs`."""
        return self._file(blob.id)

    async def remove(self, blob_id: str) -> None:
        """See `Blobs`."""
        # The bytes go first: without its notes nobody would know whose they are.
        for file in (self._file(blob_id), self._file(blob_id).with_suffix(f".{_NOTES}")):
            await asyncio.to_thread(file.unlink, missing_ok=True)

    def _file(self, blob_id: str) -> Path:
        # The last digits are random, so that folders fill evenly.
        return self._root / blob_id[-2:] / blob_id


def _flush(descriptor: int, flush: object) -> None:
    if callable(flush):
        flush()
    os.fsync(descriptor)
