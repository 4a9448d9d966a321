"""Ending tasks."""

import asyncio

from ledger.tasks import end


async def test_a_lost_cancellation_is_repeated() -> None:
    """A loop whose cancellation was replaced by another error, and outlived, ends all the same."""
    rounds = 0

    async def stubborn() -> None:
        nonlocal rounds
        while True:
            try:
                try:
                    await asyncio.Event().wait()
                finally:
                    rounds += 1
                    if rounds < 3:
                        raise ConnectionResetError
            except OSError:
                continue

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin
    await end(task)
    assert task.cancelled()
    assert rounds == 3


async def test_what_it_had_failed_with_is_not_raised() -> None:
    """A task that ended by itself, or with an error, is no trouble to who ends it."""

    async def fail() -> None:
        raise ValueError

    for work in (fail(), asyncio.sleep(0)):  # noqa: TID251 - it ends at once
        task = asyncio.create_task(work)
        await asyncio.wait((task,))
        await end(task)
        assert task.done()
