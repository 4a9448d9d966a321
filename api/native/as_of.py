"""`?as_of=`: what was known at a position of the log, or at a time.

A position that is not there yet is refused, because nobody knows what will be known then. A time stands
for the last position recorded at or before it.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from api.native.call import Call, instant, integer
from api.native.problems import malformed
from ledger.errors import Corrupt
from ledger.executions.husk import follow
from ledger.executions.state import ExecutionState
from ledger.ids import execution_stream

_TOGETHER: Final = 25
"""Streams read by one statement: some are long."""


class Past(Struct, frozen=True):
    """An execution as it stood, or as far as its events can be read."""

    state: ExecutionState
    is_whole: bool


async def position_of(call: Call, as_of: str) -> int:
    """Read `?as_of=`.

    Raises:
        ProblemError: it is neither, or lies behind the end of the log.
    """
    if not (as_of.isascii() and as_of.isdigit()):
        return await call.node.store.position_at(instant(as_of, "?as_of"))
    position = integer(as_of, "?as_of", 0)
    if position > call.node.store.tail.head:
        head = await call.node.store.head()
        if position > head:
            raise malformed(f"the log ends at position {head}", "?as_of")
    return position


async def pasts(call: Call, uuids: Sequence[UUID], position: int) -> list[Past]:
    """Fold executions up to a position, in the order given; those without any event are left out."""
    states: dict[str, ExecutionState] = {}
    damaged: set[str] = set()
    streams = [execution_stream(uuid) for uuid in uuids]
    for first in range(0, len(streams), _TOGETHER):
        some = streams[first : first + _TOGETHER]
        for record in await call.node.store.read_streams(some, until=position):
            if record.stream not in damaged:
                try:
                    states[record.stream] = follow(states.get(record.stream), record)
                except Corrupt:
                    damaged.add(record.stream)
    return [Past(states[stream], stream not in damaged) for stream in streams if stream in states]
