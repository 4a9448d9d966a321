"""The caller of one request."""

import re
from collections.abc import Collection
from typing import Final, get_args
from uuid import UUID

from msgspec import Struct

from ledger.events.keys import Role

ALL: Final = "*"
DEFAULT_ORGANIZATION: Final = "default"
ORGANIZATION_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,99}")
"""No slash: names of streams are made of an organization's and a job's."""

READERS: Final[frozenset[Role]] = frozenset(("viewer", "operator", "auditor", "admin"))
OPERATORS: Final[frozenset[Role]] = frozenset(("operator", "admin"))
WORKERS: Final[frozenset[Role]] = frozenset(("worker", "admin"))
REPORTERS: Final[frozenset[Role]] = frozenset(("worker", "recorder", "admin"))
AUDITORS: Final[frozenset[Role]] = frozenset(("auditor", "admin"))
CONSUMERS: Final[frozenset[Role]] = frozenset(("consumer", "operator", "admin"))
ADMINS: Final[frozenset[Role]] = frozenset(("admin",))
EVERYBODY: Final[frozenset[Role]] = frozenset(get_args(Role))


class Principal(Struct, frozen=True, kw_only=True):
    """Who calls, with the rights of the key that was shown."""

    key: UUID
    name: str
    public_id: str
    roles: frozenset[Role]
    organizations: tuple[str, ...]
    expires_at: float | None = None
    """When what was shown is good no longer, in seconds since 1970; None: while the key is."""

    def may(self, roles: Collection[Role]) -> bool:
        """Whether the caller has one of *roles*."""
        return not self.roles.isdisjoint(roles)

    def acts_in(self, organization: str) -> bool:
        """Whether the caller may see and touch what belongs to an organization."""
        return ALL in self.organizations or organization in self.organizations

    @property
    def readable(self) -> list[str] | None:
        """The organizations to filter queries by; None for all."""
        return None if ALL in self.organizations else list(self.organizations)

    @property
    def default_organization(self) -> str:
        """Where the caller acts when it does not say."""
        named = [name for name in self.organizations if name != ALL]
        return named[0] if named else DEFAULT_ORGANIZATION
