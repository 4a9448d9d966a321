"""From a row of `ledger.events` to a decoded event."""

from collections.abc import Mapping
from typing import Any

from ledger.events.codec import decode
from ledger.events.envelope import Recorded
from ledger.store.port import AnyRecorded


def recorded(row: Mapping[str, Any]) -> AnyRecorded:
    """Decode one row.

    Raises:
        UnknownEventType: a newer version wrote it; upgrade this process.
        UndecodableEvent: the bytes do not fit the type; an operator must look.
    """
    position, schema_version, event_type = row["position"], row["schema_version"], row["type"]
    return Recorded(
        position=position,
        stream=row["stream"],
        version=row["version"],
        event_id=row["event_id"],
        type=event_type,
        schema_version=schema_version,
        organization=row["organization"],
        actor=row["actor"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        number=row["number"],
        data_digest=row["data_digest"],
        event=decode(event_type, schema_version, row["data"], position=position),
    )
