"""From a row of `ledger.events` to a decoded event."""

from collections.abc import Mapping
from typing import Any

from ledger.errors import Corrupt
from ledger.events.codec import decode
from ledger.events.envelope import Erased, Recorded, Unreadable
from ledger.store.port import AnyRecorded

_ERASED = Erased()


def recorded(row: Mapping[str, Any]) -> AnyRecorded:
    """Decode one row.

    What is erased or cannot be decoded has a stand-in for its `event`, so that one such row keeps
    nobody from reading the others; whoever needs the fact itself has to look.
    """
    return Recorded(
        position=row["position"],
        stream=row["stream"],
        version=row["version"],
        event_id=row["event_id"],
        type=row["type"],
        schema_version=row["schema_version"],
        organization=row["organization"],
        actor=row["actor"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        number=row["number"],
        data_digest=row["data_digest"],
        event=_event(row),
    )


def _event(row: Mapping[str, Any]) -> Any:
    data = row["data"]
    if data is None:
        return _ERASED
    try:
        return decode(row["type"], row["schema_version"], data, position=row["position"])
    except Corrupt as error:
        return Unreadable(error)
