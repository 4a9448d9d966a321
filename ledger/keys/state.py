"""A key as its events say it is."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from ledger.errors import Corrupt
from ledger.events.envelope import Recorded
from ledger.events.keys import KeyCreated, KeyEvent, KeyLookedAcross


class KeyState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One access key, folded up to `version`."""

    created: KeyCreated
    created_at: datetime
    version: int
    revoked_at: datetime | None = None


def evolve(state: KeyState | None, fact: Recorded[KeyEvent]) -> KeyState:
    """Take one more event into account."""
    if isinstance(fact.event, KeyCreated):
        return KeyState(created=fact.event, created_at=fact.occurred_at, version=fact.version)
    if state is None:
        message = f"{fact.type} is out of place in stream {fact.stream}"
        raise Corrupt(message)
    if isinstance(fact.event, KeyLookedAcross):
        return replace(state, version=fact.version)
    return replace(state, version=fact.version, revoked_at=fact.occurred_at)
