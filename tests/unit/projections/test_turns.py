"""Turns: who waits longest in the log goes first, nobody is forgotten, and none is lost."""

import asyncio

from projections.turns import Turns


async def test_the_furthest_behind_goes_first_and_the_wanted_before_it() -> None:
    """The order of turns is that of need, not of asking."""
    turns = Turns()
    order: list[str] = []
    asked = asyncio.Event()

    async def write(name: str, position: int, *, wanted: bool = False) -> None:
        async with turns.turn(position, wanted=wanted):
            await asked.wait()
            order.append(name)

    views = (("first", 9), ("ahead", 8), ("behind", 2), ("wanted", 7))
    async with asyncio.TaskGroup() as group:
        for name, position in views:
            task = group.create_task(write(name, position, wanted=name == "wanted"))
            await asyncio.wait((task,), timeout=0)
        asked.set()
    assert order == ["first", "wanted", "behind", "ahead"]


async def test_a_turn_that_nobody_takes_is_passed_on() -> None:
    """Whoever is canceled, before or just after its turn came, keeps it from nobody."""
    turns = Turns()

    async def write() -> None:
        async with turns.turn(0):
            pass

    async with turns.turn(0):
        writing = [asyncio.create_task(write()) for _ in range(3)]
        await asyncio.wait(writing, timeout=0)
        writing[0].cancel()
        await asyncio.wait(writing[:1])
    writing[1].cancel()  # it was given the turn this very moment
    await asyncio.wait(writing)
    assert [task.cancelled() for task in writing] == [True, True, False]
    async with asyncio.timeout(5), turns.turn(0):
        pass


async def test_more_are_written_while_they_are_far_behind() -> None:
    """Views that catch up share the time that the database takes; one that follows goes alone."""
    turns = Turns()
    done = asyncio.Event()
    at_once: list[int] = []
    going = 0

    async def write(*, is_behind: bool) -> None:
        nonlocal going
        async with turns.turn(0, is_behind=is_behind):
            going += 1
            at_once.append(going)
            await done.wait()
            going -= 1

    for is_behind, most in ((True, 2), (False, 1)):
        done.clear()
        at_once.clear()
        async with asyncio.TaskGroup() as group:
            writing = [group.create_task(write(is_behind=is_behind)) for _ in range(5)]
            await asyncio.wait(writing, timeout=0)
            assert going == most
            done.set()
        assert max(at_once) == most
        assert len(at_once) == 5
