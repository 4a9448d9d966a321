"""Who appends much waits for the views, and for none that stands still."""

import asyncio

import pytest

from ledger.ids import execution_stream
from ledger.store.postgres import PostgresStore
from projections import checkpoint as checkpoints
from projections import pace as pace_module
from projections.pace import Pace
from projections.registry import PROJECTORS
from projections.supervisor import Supervisor
from projections.wait import Waits
from tests.unit.projections.ground import ledger, write
from tests.unit.projections.lives import World

NAMES = [projector.name for projector in PROJECTORS]
REACH = 50
EVENTS = 400


async def _append(store: PostgresStore, world: World) -> int:
    created = [world.created() for _ in range(EVENTS)]
    return await write(store, [world.append(execution_stream(one.uuid), one) for one in created])


async def _slowest(store: PostgresStore) -> int:
    return min(found.position for found in await checkpoints.read_all(store.pool))


async def test_views_are_within_reach_when_the_wait_ends(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much was appended, no view is further behind than the reach when it is over."""
    monkeypatch.setattr(pace_module, "STANDSTILL_S", 60.0)  # however slow the machine is
    monkeypatch.setattr(pace_module, "LONGEST_S", 60.0)
    world = World(5)
    async with ledger(database_url) as store:
        supervisor = Supervisor(store.pool, store.tail, PROJECTORS)
        waits = Waits(store.pool, supervisor.advances)
        pace = Pace(store.tail, waits, NAMES, reach=REACH)
        await supervisor.prepare()
        head = await _append(store, world)
        waiting = asyncio.create_task(pace.keep())
        await asyncio.wait((waiting,), timeout=0.1)
        assert not waiting.done(), "nobody writes the views yet"
        await supervisor.start()
        await waiting
        assert await _slowest(store) >= head - REACH
        head = await _append(store, world)
        await pace.keep()
        assert await _slowest(store) >= head - REACH
        await waits.close()
        await supervisor.stop()


async def test_views_that_stand_still_hold_up_nobody(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are waited for once, and then not for a while."""
    monkeypatch.setattr(pace_module, "STANDSTILL_S", 0.05)
    async with ledger(database_url) as store:
        supervisor = Supervisor(store.pool, store.tail, PROJECTORS)
        waits = Waits(store.pool, supervisor.advances)
        pace = Pace(store.tail, waits, NAMES, reach=REACH)
        await supervisor.prepare()
        await _append(store, World(6))
        await pace.keep()
        assert await _slowest(store) == 0
        await waits.close()
        # Would it wait again, this would raise.
        monkeypatch.setattr(waits, "wait_for", None)
        await pace.keep()


async def test_without_a_reach_nobody_waits(database_url: str) -> None:
    """It can be switched off."""
    async with ledger(database_url) as store:
        supervisor = Supervisor(store.pool, store.tail, PROJECTORS)
        waits = Waits(store.pool, supervisor.advances)
        await supervisor.prepare()
        await _append(store, World(7))
        await Pace(store.tail, waits, NAMES, reach=0).keep()
        assert await _slowest(store) == 0
        await waits.close()
