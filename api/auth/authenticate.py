"""From a request's credentials to its principal, by way of a small cache.

The cache is emptied of everything when a key event appears in the log, whatever process wrote it,
so that a revoked key stops to work within a tail's delay. Unknown secrets are remembered too, for a
short while and in a bounded number, so that guessing costs the database little.
"""

import asyncio
import binascii
from base64 import b64decode
from collections import OrderedDict
from contextlib import suppress
from typing import Final

import structlog
from aiohttp import web

from api.auth.principal import Principal
from ledger.errors import LedgerError
from ledger.handle.keys import Keys, secret_digest
from ledger.store.tail import Tail

CACHE_SIZE: Final = 4096
_PAGE: Final = 1000

_log = structlog.get_logger(__name__)


class Authenticator:
    """Checks secrets against the keys in the log."""

    def __init__(self, keys: Keys, tail: Tail) -> None:
        self._keys = keys
        self._tail = tail
        self._known: OrderedDict[str, Principal | None] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow key events. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow(self._tail.head), name="key-follower")

    async def stop(self) -> None:
        """End following. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def principal(self, request: web.Request) -> Principal | None:
        """Authenticate a request; None when it shows no valid secret."""
        secret = presented_secret(request)
        return await self.by_secret(secret) if secret else None

    async def by_secret(self, secret: str) -> Principal | None:
        """Find whose secret it is."""
        digest = secret_digest(secret)
        if digest in self._known:
            self._known.move_to_end(digest)
            return self._known[digest]
        state = await self._keys.find(digest)
        principal = None
        if state is not None:
            created = state.created
            principal = Principal(
                key=created.uuid,
                name=created.name,
                public_id=created.public_id,
                roles=frozenset(created.roles),
                organizations=created.organizations,
            )
        self._known[digest] = principal
        while len(self._known) > CACHE_SIZE:
            self._known.popitem(last=False)
        return principal

    async def _follow(self, after: int) -> None:
        while True:
            try:
                await self._tail.wait_past(after, timeout_s=60)
                records = await self._tail.read(after, _PAGE)
            except LedgerError as error:
                # What was revoked meanwhile is unknown: trust nothing remembered.
                self._known.clear()
                _log.warning("key follower interrupted", error=type(error).__name__)
                await asyncio.sleep(1)
                continue
            if any(record.type.startswith("key.") for record in records):
                self._known.clear()
            if records:
                after = records[-1].position


def presented_secret(request: web.Request) -> str | None:
    """Read the secret a request shows: X-Api-Key, Bearer, or the password of Basic."""
    key = request.headers.get("X-Api-Key")
    if key:
        return key.strip()
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip() or None
        case "basic":
            return basic_credentials(rest)[1]
        case _:
            return None


def basic_credentials(encoded: str) -> tuple[str, str | None]:
    """Split HTTP Basic credentials (RFC 7617) into user and password."""
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", None
    user, colon, password = text.partition(":")
    return user, password if colon else None
