"""From a request's credentials to its principal, by way of a small cache.

Everything remembered, known secrets and unknown ones, is forgotten when a key event appears in the
log, whatever process wrote it: a revoked key stops to work, and a new one begins to, within a tail's
delay on every node, and at once on the node that was asked. Unknown secrets are remembered apart, in
a bounded number, so that guessing costs the database little and known callers nothing.
"""

import asyncio
import binascii
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar
from uuid import UUID

import structlog
from aiohttp import web
from msgspec import Struct

from api.auth.principal import Principal
from ledger.errors import LedgerError
from ledger.events.codec import TYPES
from ledger.handle.keys import Keys, secret_digest
from ledger.keys.state import KeyState
from ledger.store.tail import Tail
from ledger.tasks import end

V = TypeVar("V")

CACHE_SIZE: Final = 4096
_PAGE: Final = 1000
_KEY_PREFIX: Final = "key."
_KEY_TYPES: Final = frozenset(name for name in TYPES if name.startswith(_KEY_PREFIX))

_log = structlog.get_logger(__name__)


class Shown(Struct, frozen=True):
    """What a request shows of itself."""

    secret: str
    public_id: str | None = None
    """The user name of HTTP Basic: it must be the key's."""


class Authenticator:
    """Checks secrets against the keys in the log."""

    def __init__(self, keys: Keys, tail: Tail) -> None:
        self._keys = keys
        self._tail = tail
        self._known: OrderedDict[str, Principal] = OrderedDict()
        self._unknown: OrderedDict[str, None] = OrderedDict()
        self._by_key: OrderedDict[str, Principal] = OrderedDict()
        self._forgotten = 0
        """How often everything was forgotten: what was looked up before may be outdated."""
        self._task: asyncio.Task[None] | None = None
        self._on_forget: list[Callable[[], None]] = []

    def on_forget(self, told: Callable[[], None]) -> None:
        """Have *told* called whenever what a key may do must be looked up anew."""
        self._on_forget.append(told)

    def start(self) -> None:
        """Begin to follow key events. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow(self._tail.head), name="key-follower")

    async def stop(self) -> None:
        """End following. Idempotent."""
        if self._task is not None:
            await end(self._task)
            self._task = None

    async def principal(self, request: web.Request) -> Principal | None:
        """Authenticate a request; None when it shows no valid secret."""
        shown = presented(request)
        if shown is None:
            return None
        principal = await self.by_secret(shown.secret)
        if principal is None or shown.public_id in (None, principal.public_id):
            return principal
        return None

    async def by_secret(self, secret: str) -> Principal | None:
        """Find whose secret it is."""
        digest = secret_digest(secret)
        if digest in self._known:
            self._known.move_to_end(digest)
            return self._known[digest]
        if digest in self._unknown:
            return None
        forgotten = self._forgotten
        state = await self._keys.find(digest)
        if state is None:
            if forgotten == self._forgotten:
                _remember(self._unknown, digest, None)
            return None
        principal = _principal(state)
        if forgotten == self._forgotten:
            _remember(self._known, digest, principal)
        return principal

    async def by_key(self, key: UUID) -> Principal | None:
        """Find a key by its id, which a token names; None when there is none, or it was revoked."""
        name = str(key)
        if name in self._by_key:
            self._by_key.move_to_end(name)
            return self._by_key[name]
        forgotten = self._forgotten
        state = await self._keys.by_id(key)
        if state is None:
            return None
        principal = _principal(state)
        if forgotten == self._forgotten:
            _remember(self._by_key, name, principal)
        return principal

    def forget(self) -> None:
        """Look every secret up anew: a key was made or revoked, or may have been."""
        self._forgotten += 1
        self._known.clear()
        self._unknown.clear()
        self._by_key.clear()
        for told in self._on_forget:
            told()

    async def _follow(self, after: int) -> None:
        while True:
            try:
                after = await self._tail.wait_for(_KEY_TYPES, after, timeout_s=60)
                records = await self._tail.read(after, _PAGE)
            except Exception as error:  # noqa: BLE001 - it must not end while keys are remembered
                # What was revoked meanwhile is unknown: trust nothing remembered.
                self.forget()
                if isinstance(error, LedgerError):
                    _log.warning("key follower interrupted", error=type(error).__name__)
                else:
                    _log.exception("key follower failed")
                await asyncio.sleep(1)
                continue
            if any(record.type.startswith(_KEY_PREFIX) for record in records):
                self.forget()
            if records:
                after = records[-1].position


def _principal(state: KeyState) -> Principal:
    created = state.created
    return Principal(
        key=created.uuid,
        name=created.name,
        public_id=created.public_id,
        roles=frozenset(created.roles),
        organizations=created.organizations,
    )


def _remember(cache: OrderedDict[str, V], digest: str, value: V) -> None:
    cache[digest] = value
    while len(cache) > CACHE_SIZE:
        cache.popitem(last=False)


def presented(request: web.Request) -> Shown | None:
    """Read the secret a request shows: X-Api-Key, Bearer, or the password of Basic."""
    key = request.headers.get("X-Api-Key")
    if key:
        return _shown(key.strip())
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return _shown(rest.strip())
        case "basic":
            user, password = basic_credentials(rest)
            return _shown(password, user) if password else None
        case _:
            return None


def _shown(secret: str, public_id: str | None = None) -> Shown | None:
    """Take a secret that can be one: header bytes that are not UTF-8 arrive as lone surrogates."""
    try:
        secret.encode()
    except UnicodeEncodeError:
        return None
    return Shown(secret, public_id) if secret else None


def basic_credentials(encoded: str) -> tuple[str, str | None]:
    """Split HTTP Basic credentials (RFC 7617) into user and password."""
    try:
        text = b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return "", None
    user, colon, password = text.partition(":")
    return user, password if colon else None
