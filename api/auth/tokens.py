"""Access tokens: signed JWTs that stand for a key for half an hour.

Each node signs with an Ed25519 key of its own, kept in its data directory (`token-key.pem`, mode
0600) and made when the first token is asked for. The public half is published in the database, so
that every node takes every node's tokens. A token names its key and carries no rights: what the key
may do is looked up at each request, and a revoked key's tokens stop to work at once.

    sub        the key that acts: the user's if one logged in, else the client's
    azp        the client's key; it must be good too
    client_id  the client's name
"""

import asyncio
import hashlib
import os
import re
import secrets
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import jwt
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct
from msgspec.structs import replace

from api.auth.authenticate import Authenticator
from api.auth.principal import Principal
from ledger.clock import Clock
from ledger.store.pool import store_errors
from ledger.store.queries import load

FILE: Final = "token-key.pem"
ISSUER: Final = "jobledger"
ALGORITHM: Final = "EdDSA"
LIFETIME_S: Final = 1800
EXPIRES_IN_S: Final = LIFETIME_S - 1
"""What clients are told: it has a second less when it arrives."""
MAX_TOKEN: Final = 8192
CACHE_SIZE: Final = 4096
_FORM: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_KID: Final = re.compile(r"[0-9a-f]{32}")
_SQL: Final = load(Path(__file__).parents[1] / "sql" / "ways_in.sql")

_log = structlog.get_logger(__name__)


class Grant(Struct, frozen=True, kw_only=True):
    """Whom a token stands for."""

    key: UUID
    client: UUID
    client_id: str
    expires_at: float
    """Seconds since 1970, UTC."""


class _Signer(Struct, frozen=True):
    kid: str
    key: Ed25519PrivateKey


class Tokens:
    """Makes and checks tokens; one a process."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        authenticator: Authenticator,
        clock: Clock,
        directory: Path,
    ) -> None:
        self._pool = pool
        self._authenticator = authenticator
        self._clock = clock
        self._directory = directory
        self._signer: _Signer | None = None
        self._public: dict[str, Ed25519PublicKey] = {}
        self._checked: OrderedDict[str, Grant] = OrderedDict()
        self._making = asyncio.Lock()

    async def issue(self, client: Principal, user: Principal | None = None) -> str:
        """Make a token for a client, or for a user who logged in through one.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        signer = await self._own()
        now = int(self._clock().timestamp())
        claims = {
            "iss": ISSUER,
            "sub": str((user or client).key),
            "azp": str(client.key),
            "client_id": client.public_id,
            "scope": "mail",
            "iat": now,
            "exp": now + LIFETIME_S,
            "jti": secrets.token_urlsafe(12),
        }
        return jwt.encode(claims, signer.key, algorithm=ALGORITHM, headers={"kid": signer.kid})

    async def principal(self, token: str) -> Principal | None:
        """Give the principal that a token stands for; None when it is not good (any more).

        A user who logged in through a client acts with the user's rights under the client's id.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        grant = await self._grant(token)
        if grant is None:
            return None
        client = await self._authenticator.by_key(grant.client)
        if client is None:
            return None
        if grant.key == grant.client:
            return replace(client, expires_at=grant.expires_at)
        user = await self._authenticator.by_key(grant.key)
        if user is None:
            return None
        return Principal(
            key=user.key,
            name=user.name,
            public_id=client.public_id,
            roles=user.roles,
            organizations=user.organizations,
            expires_at=grant.expires_at,
        )

    async def _grant(self, token: str) -> Grant | None:
        known = self._checked.get(token)
        if known is None:
            known = await self._check(token)
            if known is None:
                return None
            self._checked[token] = known
            while len(self._checked) > CACHE_SIZE:
                self._checked.popitem(last=False)
        if known.expires_at <= self._clock().timestamp():
            self._checked.pop(token, None)
            return None
        return known

    async def _check(self, token: str) -> Grant | None:
        if not is_token(token):
            return None
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            public = await self._published(kid) if isinstance(kid, str) else None
            if public is None:
                return None
            claims = jwt.decode(
                token,
                public,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                options={
                    "require": ["exp", "iat", "sub", "azp", "client_id"],
                    # Both are compared with the ledger's clock instead.
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            return Grant(
                key=UUID(claims["sub"]),
                client=UUID(claims["azp"]),
                client_id=str(claims["client_id"]),
                expires_at=float(claims["exp"]),
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None

    async def _published(self, kid: str) -> Ed25519PublicKey | None:
        if kid in self._public:
            return self._public[kid]
        if not _KID.fullmatch(kid):
            return None
        with store_errors():
            raw = await self._pool.fetchval(_SQL["public_key"], kid)
        if raw is None:
            return None
        self._public[kid] = Ed25519PublicKey.from_public_bytes(raw)
        return self._public[kid]

    async def _own(self) -> _Signer:
        async with self._making:
            if self._signer is None:
                key = await asyncio.to_thread(_key_of, self._directory)
                public = key.public_key()
                raw = public.public_bytes_raw()
                kid = hashlib.sha256(raw).hexdigest()[:32]
                with store_errors():
                    await self._pool.execute(_SQL["publish_key"], kid, raw)
                self._public[kid] = public
                self._signer = _Signer(kid, key)
            return self._signer


def is_token(text: str) -> bool:
    """Whether a secret has the form of a token; keys have not."""
    return len(text) <= MAX_TOKEN and _FORM.fullmatch(text) is not None


def _key_of(directory: Path) -> Ed25519PrivateKey:
    """Read a data directory's key, or make it; of several processes the first one's stays."""
    file = directory / FILE
    found = _read(file)
    if found is not None:
        return found
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / f".{FILE}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(pem)
            opened.flush()
            os.fsync(opened.fileno())
        if file.exists():  # it could not be read: tokens signed with it are given up
            draft.replace(file)
            return key
        os.link(draft, file)
    except FileExistsError:
        return _read(file) or key
    finally:
        draft.unlink(missing_ok=True)
    return key


def _read(file: Path) -> Ed25519PrivateKey | None:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        _log.warning("the token key could not be read and is made anew", file=FILE)
        return None
    return key if isinstance(key, Ed25519PrivateKey) else None
