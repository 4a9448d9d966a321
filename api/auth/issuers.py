"""Access tokens that others issue: signed JWTs, checked with the keys at the issuer's JWKS URL.

Which issuers are trusted, under which audience, and what their words mean here is the operator's
setting (`issuers`); nothing in a token adds to it. A token names a key of the set, and no address:
`jku`, `x5u`, `jwk` and the like are not looked at, so no token makes this process fetch anything but
the one URL that was configured. Keys are asked for at most once in `ASK_AGAIN_S`, whoever shows what.

    fresh ──FRESH_S──▶ asked for again ──KEPT_S without an answer──▶ forgotten: 503 until there is one

Who calls is `sub`; it may do what its claims say in the operator's mapping, and is nobody without a
role and an organization. Signatures are asymmetric only. A token is looked at anew every
`REMEMBERED_S`, so a key that an issuer takes back, or a right, is felt by then.
"""

import asyncio
import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import aiohttp
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import Struct

from api.auth.principal import ORGANIZATION_NAME, Principal
from api.settings import Issuer
from ledger.clock import Clock
from ledger.errors import Unavailable
from ledger.events.keys import Role

FRESH_S: Final = 600.0
KEPT_S: Final = 3600.0
ASK_AGAIN_S: Final = 30.0
REMEMBERED_S: Final = 60.0
LEEWAY_S: Final = 30.0
"""By how much an issuer's clock may be off."""
FETCH_TIMEOUT_S: Final = 5.0
MAX_SET_BYTES: Final = 256 * 1024
MAX_KEYS: Final = 100
MIN_RSA_BITS: Final = 2048
MAX_NAME: Final = 150
CACHE_SIZE: Final = 4096
ALGORITHMS: Final = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)

_log = structlog.get_logger(__name__)


class _Set(Struct, frozen=True):
    keys: list[dict[str, Any]]


_SETS: Final = msgspec.json.Decoder(_Set)


class KeySet:
    """The keys at one JWKS URL, asked for when they are needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._read_at = -math.inf
        self._asked_at = -math.inf
        self._asking = asyncio.Lock()

    async def key(self, kid: str | None) -> jwt.PyJWK | None:
        """Give the key of that name, or the only one there is to a token that names none.

        Raises:
            Unavailable: the keys cannot be read now, and none that were read are good any more.
        """
        found = self._found(kid)
        if found is None or self._age_s > FRESH_S:
            await self._ask()
            found = self._found(kid)
        if self._age_s > KEPT_S:
            raise Unavailable("the issuer's keys cannot be read", retry_after_s=ASK_AGAIN_S)
        return found

    @property
    def _age_s(self) -> float:
        return asyncio.get_running_loop().time() - self._read_at

    def _found(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is not None:
            return self._keys.get(kid)
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    async def _ask(self) -> None:
        """Read the keys anew, unless somebody has just tried."""
        loop = asyncio.get_running_loop()
        async with self._asking:
            if loop.time() - self._asked_at < ASK_AGAIN_S:
                return
            self._asked_at = loop.time()
            try:
                keys = usable(await fetch(self._url))
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                _log.warning("an issuer's keys cannot be read", error=type(error).__name__)
                return
            self._keys = {key.key_id: key for key in keys}
            self._read_at = loop.time()


async def fetch(url: str) -> bytes:
    """Read a key set: from that address and no other, in bounded time and size.

    Raises:
        ValueError: it is larger than a key set is, or there is none.
        aiohttp.ClientError: the issuer does not answer.
    """
    timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(
            url, allow_redirects=False, headers={"Accept": "application/jwk-set+json, */*"}
        ) as response,
    ):
        if response.status != 200:
            raise ValueError(f"the issuer answered {response.status}")
        raw = bytearray()
        async for chunk in response.content.iter_any():
            raw += chunk
            if len(raw) > MAX_SET_BYTES:
                raise ValueError("the key set is too large")
        return bytes(raw)


def usable(raw: bytes) -> list[jwt.PyJWK]:
    """Give the keys of a set that tokens may be checked with.

    Raises:
        ValueError: it is no key set.
    """
    try:
        told = _SETS.decode(raw).keys[:MAX_KEYS]
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError("it is no key set") from error
    keys: list[jwt.PyJWK] = []
    for one in told:
        if one.get("kty") == "oct" or one.get("use", "sig") != "sig":
            continue  # a shared secret is nobody's signature
        try:
            key = jwt.PyJWK.from_dict(one)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue  # of a kind that we do not know
        weak = isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS
        if key.algorithm_name in ALGORITHMS and not weak:
            keys.append(key)
    return keys


class Issuers:
    """Checks tokens of the trusted issuers; one a process."""

    def __init__(self, trusted: Sequence[Issuer], clock: Clock) -> None:
        self._trusted = {issuer.issuer: issuer for issuer in trusted}
        self._sets = {issuer.issuer: KeySet(issuer.jwks_url) for issuer in trusted}
        self._clock = clock
        self._checked: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    async def principal(self, token: str) -> Principal | None:
        """Give the principal that a token stands for; None when it is not good.

        Raises:
            Unavailable: the issuer's keys cannot be read.
        """
        if not self._trusted:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock().timestamp()
        known = self._checked.get(digest)
        if known is not None and now < known[1]:
            return known[0]
        found = await self._check(token, now)
        if found is None:
            self._checked.pop(digest, None)
            return None
        until = min(found.expires_at or now, now + REMEMBERED_S)
        self._checked[digest] = (found, until)
        while len(self._checked) > CACHE_SIZE:
            self._checked.popitem(last=False)
        return found

    async def _check(self, token: str, now: float) -> Principal | None:
        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
            name = unverified["payload"].get("iss")
            issuer = self._trusted.get(name) if isinstance(name, str) else None
            kid = unverified["header"].get("kid")
            if issuer is None or not isinstance(kid, str | None):
                return None
            key = await self._sets[issuer.issuer].key(kid)
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm_name],
                issuer=issuer.issuer,
                audience=issuer.audience,
                options={
                    "require": ["exp", "sub", "aud", "iss"],
                    # Compared with the ledger's clock instead.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None
        return principal_of(issuer, claims, now)


def principal_of(issuer: Issuer, claims: dict[str, Any], now: float) -> Principal | None:
    """Say who a token's claims are here; None when they are nobody, or not now."""
    expires_at, begins = claims["exp"], (claims.get("nbf", 0), claims.get("iat", 0))
    if not all(map(_is_instant, (expires_at, *begins))):
        return None
    if now >= expires_at + LEEWAY_S or now < max(begins) - LEEWAY_S:
        return None
    subject = claims["sub"]
    if not 0 < len(subject) <= MAX_NAME or not subject.isprintable():
        return None
    roles: frozenset[Role] = frozenset(
        issuer.roles[word] for word in words(claims, issuer.roles_claim) if word in issuer.roles
    )
    organizations = _organizations(issuer, claims)
    if not roles or not organizations:
        return None
    return Principal(
        key=uuid5(NAMESPACE_URL, f"{issuer.issuer}\n{subject}"),
        name=f"{subject}@{urlsplit(issuer.issuer).hostname or issuer.issuer}"[: MAX_NAME + 50],
        public_id=subject,
        roles=roles,
        organizations=organizations,
        expires_at=float(expires_at),
    )


def _organizations(issuer: Issuer, claims: dict[str, Any]) -> tuple[str, ...]:
    if issuer.organizations_claim is None:
        return issuer.in_organizations
    told = words(claims, issuer.organizations_claim)
    if issuer.organizations:
        named = (issuer.organizations[word] for word in told if word in issuer.organizations)
    else:
        named = (word for word in told if ORGANIZATION_NAME.fullmatch(word))
    return tuple(dict.fromkeys(named))


def words(claims: dict[str, Any], claim: str) -> Iterable[str]:
    """Read a claim's words: a list, or one text with blanks; a dot in its name leads inside.

    >>> list(words({"realm": {"roles": ["a", "b"]}, "scope": "c d"}, "realm.roles"))
    ['a', 'b']
    """
    value: Any = claims.get(claim)
    if value is None:
        value = claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    match value:
        case str():
            return value.split()
        case list():
            return [word for word in value if isinstance(word, str)]
        case _:
            return []


def _is_instant(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
    )  # which no NaN is
