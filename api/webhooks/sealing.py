"""Secrets at rest: sealed with AES-256-GCM under a key that the database does not have.

The key is in the data directory (`webhook-key`, mode 0600, made at first use), or given by
JOBLEDGER_WEBHOOK_KEY (32 bytes, base64) so that servers on several machines have the same. A copy
of the database alone thus opens no secret. A process without a hook's key leaves that hook to the
others; a key that is lost for good is mended by giving the hook a new secret.
"""

import asyncio
import binascii
import hashlib
import os
import secrets
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FILE: Final = "webhook-key"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class KeyUnknown(Exception):
    """A secret was sealed under a key that this process does not have."""


class Sealing:
    """Seals and opens under one key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(b"webhook-key" + key).hexdigest()[:16]

    def seal(self, text: str, about: str) -> bytes:
        """Seal a text; it opens only with the same *about*."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), about.encode())

    def open(self, key_id: str, sealed: bytes, about: str) -> str:
        """Open what was sealed.

        Raises:
            KeyUnknown: it was under another key, or about something else.
        """
        if key_id != self.key_id:
            raise KeyUnknown
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, rest, about.encode()).decode()
        except InvalidTag:
            raise KeyUnknown from None


def sealing_of(given: str | None, directory: Path) -> Sealing:
    """Take the key that was given, or the data directory's, which is made if there is none.

    Raises:
        ValueError: there is something else in its place.
    """
    file = directory / FILE
    text = given or _read(file) or _first(file)
    try:
        key = b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        place = "JOBLEDGER_WEBHOOK_KEY" if given else str(file)
        raise ValueError(f"{place} does not hold {KEY_BYTES} bytes in base64")
    return Sealing(key)


async def sealing_of_node(given: str | None, directory: Path) -> Sealing:
    """As `sealing_of`, without keeping the event loop waiting for the disk."""
    return await asyncio.to_thread(sealing_of, given, directory)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return "?"


def _first(file: Path) -> str:
    """Make the key; of several processes that start at once one is the first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
    return file.read_text(encoding="ascii")
