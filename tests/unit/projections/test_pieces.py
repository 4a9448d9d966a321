"""Small parts of the projections: column values, faults, estimates, and who waits."""

import asyncio

import asyncpg
import pytest

from ledger.errors import Corrupt, StoreUnavailable
from ledger.executions.state import evolve
from projections.advance import Advances
from projections.encoded import array, document, encode, text
from projections.faults import is_poison
from projections.fold import DECODE, EXECUTION_TYPES, LIFE_TYPES
from projections.outlook import time_left
from projections.registry import PROJECTORS, projector
from tests.unit.projections.lives import World, recorded


def test_texts_can_be_stored() -> None:
    """PostgreSQL has no U+0000 in texts, arrays and documents."""
    assert text("a\x00b") == "a\ufffdb"
    assert array(['"', "\\", "\x00"]) == '{"\\"","\\\\","\ufffd"}'
    assert document({"a\x00": "\x00"}) == '{"a\ufffd":"\ufffd"}'


def test_a_state_with_a_huge_integer_can_be_kept() -> None:
    """MessagePack ends at 64 bits, a caller's document does not."""
    world = World()
    created = world.created()
    big = type(created)(
        uuid=created.uuid,
        job_id="j",
        job_uuid=created.job_uuid,
        job_number=1,
        definition=created.definition,
        steps=created.steps,
        input={"n": 2**90},
    )
    state = evolve(None, recorded([world.append("execution/x", big)])[0])
    assert DECODE(encode(state)) == state


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Corrupt("hole"), True),
        (KeyError("x"), True),
        (asyncpg.UniqueViolationError("twice"), True),
        (asyncpg.CharacterNotInRepertoireError("nul"), True),
        (asyncpg.exceptions._base.InterfaceError("closed"), False),
        (asyncpg.SerializationError("again"), False),
        (asyncpg.DiskFullError("full"), False),
        (asyncpg.UndefinedColumnError("no such column"), False),
        (asyncpg.ConnectionDoesNotExistError("gone"), False),
        (StoreUnavailable("away"), False),
        (ConnectionResetError(), False),
        (TimeoutError(), False),
    ],
)
def test_only_the_events_own_faults_count(error: Exception, *, expected: bool) -> None:
    """A lost connection, a full disk or a missing column would strike any event."""
    assert is_poison(error) is expected


def test_time_left_never_is_negative_and_needs_a_reason() -> None:
    """History and pace are mixed; without either nothing is said."""
    assert time_left(None, 10.0, None) is None
    assert time_left(None, 10.0, 0.5) is None
    assert time_left(5.0, 10.0, None) == 0.0
    assert time_left(100.0, 0.0, 50.0) == 100.0
    assert time_left(100.0, 50.0, 100.0) == 0.0


def test_interests_name_known_types() -> None:
    """What an outline needs is part of what an execution has; names are unique."""
    assert LIFE_TYPES < EXECUTION_TYPES
    assert len({found.name for found in PROJECTORS}) == len(PROJECTORS)
    assert projector("executions") is PROJECTORS[0]
    assert projector("nothing") is None


async def test_waiters_wake_at_their_position() -> None:
    """Each waiter wakes when its own position is told; others go on waiting."""
    advances = Advances()
    low = asyncio.create_task(advances.wait("view", 3, 5.0))
    high = asyncio.create_task(advances.wait("view", 9, 5.0))
    while advances.waited_for() != {"view"}:
        await asyncio.wait((low, high), timeout=0)
    advances.tell("view", 3)
    assert await low is True
    assert not high.done()
    high.cancel()
    await asyncio.wait((high,))
    assert advances.waited_for() == set()
    assert await advances.wait("view", 9, 0.001) is False
    assert await advances.wait("view", 2, 0.0) is True
