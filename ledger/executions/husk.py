"""What is left of an execution whose content was erased, and the fold that copes with it.

A *husk* is what envelopes alone tell: ids, number, organization, when it was created, started and
ended, whether it was deleted, and, from the erasure itself, how it had ended. The log holds no more
after an erasure, so whoever had folded the content forgets down to the same.
"""

from typing import Any, Final, get_args
from uuid import UUID

from msgspec.structs import replace

from ledger.events import executions as x
from ledger.events.definition import Definition
from ledger.events.envelope import Recorded, Unreadable
from ledger.executions.state import ExecutionState, Misordered, Status, evolve
from ledger.ids import execution_of

_NOBODY: Final = UUID(int=0)
_FACTS: Final = frozenset(get_args(x.ExecutionEvent))


def follow(state: ExecutionState | None, fact: Recorded[Any]) -> ExecutionState:
    """Take one more event into account, whatever is left of it.

    Order: facts of one stream, by version.

    Raises:
        Corrupt: the event cannot be read, or is out of place.
    """
    event = fact.event
    if isinstance(event, Unreadable):
        raise event.error
    if type(event) not in _FACTS or (state is not None and state.erased):
        return _take_husk(state, fact)
    evolved = evolve(state, fact)
    if isinstance(event, x.ExecutionErased):
        return replace(_husk_of(evolved), outcome=event.outcome)
    return evolved


def _blank(uuid: UUID) -> x.ExecutionCreated:
    return x.ExecutionCreated(
        uuid=uuid,
        job_id="",
        job_uuid=_NOBODY,
        job_number=0,
        definition=Definition(),
        steps=(),
        trigger="",
    )


def _husk_of(state: ExecutionState) -> ExecutionState:
    closed = not state.is_open
    was_open: Status = "running" if state.started_at else "pending"
    return ExecutionState(
        created=_blank(state.uuid),
        number=state.number,
        organization=state.organization,
        created_at=state.created_at,
        modified_at=state.modified_at,
        created_position=state.created_position,
        position=state.position,
        version=state.version,
        status=state.status if closed else was_open,
        waiting_for=None,
        started_at=state.started_at,
        ended_at=state.ended_at if closed else None,
        deleted=state.deleted,
        erased=True,
    )


def _take_husk(state: ExecutionState | None, fact: Recorded[Any]) -> ExecutionState:
    if state is None:
        uuid = execution_of(fact.stream)
        if fact.type != "execution.created" or uuid is None:
            raise Misordered(fact.stream, fact.type)
        return ExecutionState(
            created=_blank(uuid),
            number=fact.number or 0,
            organization=fact.organization,
            created_at=fact.occurred_at,
            modified_at=fact.recorded_at,
            created_position=fact.position,
            position=fact.position,
            version=fact.version,
            waiting_for=None,
            erased=True,
        )
    if not state.erased:
        state = _husk_of(state)
    state = replace(
        state, position=fact.position, version=fact.version, modified_at=fact.recorded_at
    )
    match fact.type:
        case "execution.started":
            started_at = state.started_at or fact.occurred_at
            return replace(state, status="running", started_at=started_at)
        case "execution.finished":
            return replace(state, status="finished", ended_at=fact.occurred_at)
        case "execution.canceled":
            return replace(state, status="aborted", ended_at=fact.occurred_at)
        case "execution.deleted":
            return replace(state, deleted=True)
        case "execution.erased":
            told = fact.event.outcome if isinstance(fact.event, x.ExecutionErased) else None
            return replace(state, outcome=told)
        case _:
            return state
