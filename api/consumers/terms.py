"""What a consumer is: its filter, fixed when it was made, and its terms, which may change."""

from datetime import datetime

from msgspec import Struct


class Filter(Struct, frozen=True, kw_only=True):
    """Which events a consumer gets. It never changes: positions mean something only under it."""

    types: tuple[str, ...] = ()
    """None of them: all."""
    job_id: str | None = None
    with_keys: bool = False
    """Whether events of access keys are among them; who reads must then be an auditor."""


class Terms(Struct, frozen=True, kw_only=True):
    """How a consumer hands out. Changes hold from the next hand-out on."""

    description: str = ""
    lease_s: float = 30.0
    """How long a member may keep what it was handed, from then or from its last sign of life."""
    max_attempts: int = 5
    """Attempts after which an execution is parked."""
    backoff_s: float = 1.0
    """Wait after the first failed attempt; twice as long after each further one."""
    backoff_max_s: float = 300.0


class Consumer(Struct, frozen=True, kw_only=True):
    """A consumer as it is."""

    id: int
    organization: str
    """Whose events it gets, and who may know of it; `*` for all."""
    kind: str
    name: str
    filter: Filter
    terms: Terms
    scanned: int
    """The log was looked through up to here."""
    created_at: datetime
    created_by: str
