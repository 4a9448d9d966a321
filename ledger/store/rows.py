"""From a row of `ledger.events` to a decoded event."""

from collections.abc import Iterable
from typing import Any

from ledger.errors import Corrupt
from ledger.events.codec import decode
from ledger.events.envelope import Erased, Recorded, Unreadable
from ledger.store.port import AnyRecorded

_ERASED = Erased()


def recorded(row: Iterable[Any]) -> AnyRecorded:
    """Decode one row.

    What is erased or cannot be decoded has a stand-in for its `event`, so that one such row keeps
    nobody from reading the others; whoever needs the fact itself has to look.

    Order: the table's columns, as all statements in `sql/log.sql` name them that read events; taking them
    by place costs less than looking sixteen names up.
    """
    (
        position,
        stream,
        version,
        event_id,
        type_,
        schema_version,
        organization,
        actor,
        occurred_at,
        recorded_at,
        correlation_id,
        causation_id,
        number,
        data_digest,
        _salt,
        data,
    ) = row
    return Recorded(
        position=position,
        stream=stream,
        version=version,
        event_id=event_id,
        type=type_,
        schema_version=schema_version,
        organization=organization,
        actor=actor,
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        correlation_id=correlation_id,
        causation_id=causation_id,
        number=number,
        data_digest=data_digest,
        event=_event(type_, schema_version, data, position),
    )


def _event(type_: str, schema_version: int, data: bytes | None, position: int) -> Any:
    if data is None:
        return _ERASED
    try:
        return decode(type_, schema_version, data, position=position)
    except Corrupt as error:
        return Unreadable(error)
