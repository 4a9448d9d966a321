"""Execution states without their content: what a view needs, and what an erasure leaves.

An *outline* is what `evolve` makes of a creation whose definition, steps and documents were left
out. It goes through the same statuses and deadlines, and is small.

A *husk* is what remains after erasure. The log then holds envelopes without data, so a rebuild can
find no more than they tell: ids, number, organization, when it was created, started and ended, and
whether it was deleted. A live view must forget down to the same, or a rebuild would differ from it.
An event whose data is gone is known by its `event` being none of the known facts.
"""

from typing import Final, get_args
from uuid import UUID

from msgspec.structs import replace

from ledger.errors import Corrupt
from ledger.events import executions as x
from ledger.events.definition import Definition
from ledger.executions.state import ExecutionState, Status, evolve
from ledger.ids import execution_of
from ledger.store.port import AnyRecorded

_NOBODY: Final = UUID(int=0)
_FACTS: Final = frozenset(get_args(x.ExecutionEvent))


def take(state: ExecutionState | None, fact: AnyRecorded, *, outlined: bool) -> ExecutionState:
    """Take one more event into account, whatever is left of it.

    Order: facts of one stream, by version.

    Raises:
        Corrupt: the stream does not begin with its creation.
    """
    if type(fact.event) not in _FACTS or (state is not None and state.erased):
        return _take_husk(state, fact)
    if outlined and state is None and isinstance(fact.event, x.ExecutionCreated):
        fact = replace(fact, event=_outlined(fact.event))
    evolved = evolve(state, fact)
    return _husk_of(evolved) if evolved.erased else evolved


def _outlined(created: x.ExecutionCreated) -> x.ExecutionCreated:
    return x.ExecutionCreated(
        uuid=created.uuid,
        job_id=created.job_id,
        job_uuid=created.job_uuid,
        job_number=created.job_number,
        definition=Definition(policies=created.definition.policies),
        steps=(),
        trigger=created.trigger,
        user=created.user,
        restart_of=created.restart_of,
        waits_for=created.waits_for,
    )


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


def _take_husk(state: ExecutionState | None, fact: AnyRecorded) -> ExecutionState:
    if state is None:
        uuid = execution_of(fact.stream)
        if fact.type != "execution.created" or uuid is None:
            message = f"{fact.type} is out of place in stream {fact.stream}"
            raise Corrupt(message)
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
        case _:
            return state
