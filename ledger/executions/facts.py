"""What a decision is made of, and how to look ahead at its effect before it is in the log."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from msgspec.structs import replace

from ledger.events.codec import SCHEMA_VERSION, type_of
from ledger.events.envelope import Fact, Recorded
from ledger.events.executions import ExecutionEvent
from ledger.executions.husk import follow
from ledger.executions.state import ExecutionState
from ledger.rejection import Rejection

Facts: TypeAlias = tuple[Fact[ExecutionEvent], ...]
Decision: TypeAlias = Facts | Rejection

_NOT_YET = UUID(int=0)


def facts(occurred_at: datetime, *events: ExecutionEvent) -> Facts:
    """Put one instant on one or more events."""
    return tuple(Fact(event, occurred_at) for event in events)


def arrived(
    foreseen: ExecutionState, records: Sequence[Recorded[ExecutionEvent]]
) -> ExecutionState:
    """Give what `ahead` foresaw of a new execution, now that its first events are in the log.

    It equals the fold of *records*, without folding again.
    """
    first, last = records[0], records[-1]
    return replace(
        foreseen,
        number=first.number or 0,
        modified_at=last.recorded_at,
        created_position=first.position,
        position=last.position,
        known_at=first.recorded_at,
    )


def ahead(
    state: ExecutionState | None,
    decided: Sequence[Fact[ExecutionEvent]],
    *,
    now: datetime | None = None,
    organization: str = "",
) -> ExecutionState:
    """Fold facts that are not in the log yet, as if recorded at *now* (or when they happened).

    Positions and numbers are unknown and stay so.
    """
    for fact in decided:
        known = state
        state = follow(
            known,
            Recorded(
                position=known.position if known is not None else 0,
                stream="",
                version=known.version + 1 if known is not None else 1,
                event_id=_NOT_YET,
                type=type_of(fact.event),
                schema_version=SCHEMA_VERSION,
                organization=known.organization if known is not None else organization,
                actor="",
                occurred_at=fact.occurred_at,
                recorded_at=now or fact.occurred_at,
                correlation_id=None,
                causation_id=None,
                number=None,
                data_digest=b"",
                event=fact.event,
            ),
        )
    if state is None:
        raise ValueError("nothing was decided")
    return state
