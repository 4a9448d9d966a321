"""Execution states without their content: what a view needs, and what an erasure leaves.

An *outline* is what `evolve` makes of a creation whose definition, steps and documents were left
out. It goes through the same statuses and deadlines, and is small.

What an erasure leaves is a husk (see `ledger.executions.husk`), in the log and so in a rebuild; a
live view must forget down to the same, or a rebuild would differ from it.
"""

from ledger.events import executions as x
from ledger.events.definition import Definition
from ledger.executions.husk import follow
from ledger.executions.state import ExecutionState, begin
from ledger.store.port import AnyRecorded


def take(state: ExecutionState | None, fact: AnyRecorded, *, outlined: bool) -> ExecutionState:
    """Take one more event into account, whatever is left of it.

    Order: facts of one stream, by version.

    Raises:
        Corrupt: the event cannot be read, or is out of place.
    """
    if outlined and state is None and isinstance(fact.event, x.ExecutionCreated):
        return begin(_outlined(fact.event), fact)
    return follow(state, fact)


def _outlined(created: x.ExecutionCreated) -> x.ExecutionCreated:
    return x.ExecutionCreated(
        uuid=created.uuid,
        job_id=created.job_id,
        job_uuid=created.job_uuid,
        job_number=created.job_number,
        definition=Definition(policies=created.definition.policies),
        steps=(),
        waits_for=created.waits_for,
    )
