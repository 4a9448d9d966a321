"""Facts about access keys: `key/<uuid>`. Stored for ever; add, never change.

Only digests of secrets are recorded, never the secrets.
"""

from typing import Literal
from uuid import UUID

from msgspec import Struct

Role = Literal["viewer", "operator", "worker", "recorder", "consumer", "auditor", "admin"]


class KeyCreated(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An access key came to be."""

    uuid: UUID
    name: str
    public_id: str
    """What the caller shows besides the secret: client id, user name, or the key's own prefix."""
    secret_sha256: str
    """Hex SHA-256 of the secret; secrets are 256 random bits, so a plain hash is enough."""
    roles: tuple[Role, ...]
    organizations: tuple[str, ...]
    """Organizations the key may act in; `*` stands for all. The first named one is its default."""


class KeyRevoked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The key opens nothing any more."""

    reason: str = ""


class KeyLookedAcross(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The key was used to look beyond its organizations, as its role allows."""

    at: str
    """What was looked at."""


KeyEvent = KeyCreated | KeyRevoked | KeyLookedAcross
