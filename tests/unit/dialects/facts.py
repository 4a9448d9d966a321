"""Executions as facts make them, for the samples of documents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.events import executions as x
from ledger.events.codec import type_of
from ledger.events.definition import Definition
from ledger.events.envelope import Recorded
from ledger.executions.state import ExecutionState, evolve

_NOBODY = UUID(int=0)


def at(text: str) -> datetime:
    """Read an instant."""
    return datetime.fromisoformat(text)


def uuid_of(oid: str, milliseconds: int = 0) -> UUID:
    """Make a UUID whose object id is the given one."""
    instant = int(oid[:8], 16) * 1000 + milliseconds
    return UUID(hex=f"{instant:012x}7000{oid[8:]}")


def fold(
    facts: Sequence[tuple[str, x.ExecutionEvent]],
    *,
    organization: str = "default",
    number: int = 7,
) -> ExecutionState:
    """Fold facts, each with the instant at which it happened and was recorded."""
    state: ExecutionState | None = None
    for version, (instant, event) in enumerate(facts, start=1):
        state = evolve(
            state,
            Recorded(
                position=version,
                stream="execution/x",
                version=version,
                event_id=_NOBODY,
                type=type_of(event),
                schema_version=1,
                organization=organization,
                actor="test",
                occurred_at=at(instant),
                recorded_at=at(instant),
                correlation_id=None,
                causation_id=None,
                number=number if version == 1 else None,
                data_digest=b"",
                event=event,
            ),
        )
    assert state is not None
    return state


def created(uuid: UUID, job_id: str, **fields: Any) -> x.ExecutionCreated:
    """Make a creation."""
    told: dict[str, Any] = {"definition": Definition(), "steps": (), "job_number": 1}
    return x.ExecutionCreated(uuid=uuid, job_id=job_id, **{**told, **fields})
