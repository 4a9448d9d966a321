"""Fold a batch's execution events over the states that a view has stored."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from ledger.errors import Corrupt
from ledger.events.envelope import Erased
from ledger.executions.state import ExecutionState
from ledger.ids import execution_of
from ledger.store.port import AnyRecorded
from projections.encoded import Decoder
from projections.outline import take
from projections.port import Connection

DECODE: Final = Decoder(ExecutionState)

EXECUTION_TYPES: Final = frozenset(
    (
        "execution.created",
        "execution.scheduled",
        "execution.released",
        "execution.started",
        "execution.progressed",
        "execution.pause_requested",
        "execution.paused",
        "execution.resumed",
        "execution.cancel_requested",
        "execution.canceled",
        "execution.lease_lost",
        "execution.retry_scheduled",
        "execution.finished",
        "execution.described",
        "execution.output_set",
        "execution.deleted",
        "execution.erased",
        "step.started",
        "step.progressed",
        "step.finished",
        "report.refused",
    )
)
LIFE_TYPES: Final = EXECUTION_TYPES - {
    "execution.progressed",
    "execution.described",
    "execution.output_set",
    "step.started",
    "step.progressed",
    "step.finished",
    "report.refused",
}
"""What moves an execution through its statuses; enough to fold an outline."""


class Change(Struct, frozen=True, gc=False):
    """What a batch did to one execution."""

    uuid: UUID
    old: ExecutionState | None
    """As it was stored; None when it was not."""
    new: ExecutionState
    facts: Sequence[AnyRecorded]
    """The events that were taken in, in order."""


async def fold_executions(
    connection: Connection,
    batch: Sequence[AnyRecorded],
    load_sql: str,
    *,
    outlined: bool = False,
    drops_closed: bool = False,
) -> list[Change]:
    """Fold a batch's execution events; events of other streams are left out.

    *load_sql* selects `uuid, state` by an array of uuids. *outlined*: states without content, from a
    part of the events, so holes between versions are no error. *drops_closed*: the view keeps no row
    of a closed execution, so an event without a stored state is late and left out.

    Order: of each execution's first event in the batch.
    Idempotent: events that the stored state has taken in are left out.

    Raises:
        Corrupt: a stream begins in its middle, or has a hole.
    """
    streams: defaultdict[str, list[AnyRecorded]] = defaultdict(list)
    uuids: dict[str, UUID] = {}
    for event in batch:
        uuid = execution_of(event.stream)
        if uuid is not None:
            uuids[event.stream] = uuid
            streams[event.stream].append(event)
    rows = await connection.fetch(load_sql, list(uuids.values())) if uuids else ()
    stored = {row["uuid"]: DECODE(row["state"]) for row in rows}
    changes: list[Change] = []
    for stream, facts in streams.items():
        old = stored.get(uuids[stream])
        if old is None and drops_closed and facts[0].type != "execution.created":
            continue
        new, taken = old, []
        for fact in facts:
            if new is not None and fact.version <= new.version:
                continue
            hole = new is not None and fact.version != new.version + 1
            if hole and not outlined and not _is_erasure(fact):
                message = f"stream {stream} has a hole before version {fact.version}"
                raise Corrupt(message)
            new = take(new, fact, outlined=outlined)
            taken.append(fact)
        if new is not None and taken:
            changes.append(Change(uuids[stream], old, new, taken))
    return changes


def _is_erasure(fact: AnyRecorded) -> bool:
    """Whether a fact makes a state forget, which it must, whatever was missed before."""
    return fact.type == "execution.erased" or isinstance(fact.event, Erased)
