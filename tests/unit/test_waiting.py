"""How tests wait."""

from collections.abc import Callable

import pytest

from tests.waiting import eventually


def counted(true_at: int) -> Callable[[], int]:
    """Make a condition that is true when it is asked for the nth time."""
    asked = 0

    def condition() -> int:
        nonlocal asked
        asked += 1
        return asked if asked >= true_at else 0

    return condition


async def test_it_gives_the_first_true_answer() -> None:
    """A condition is asked again until it is true, and its answer is given."""
    assert await eventually(counted(3)) == 3


async def test_it_awaits_what_the_condition_gives() -> None:
    """A condition may be a coroutine function."""

    async def condition() -> str:
        return "ready"

    assert await eventually(condition) == "ready"


async def test_an_assertion_inside_means_not_yet() -> None:
    """A failing assertion is asked again, and is the reason when the deadline passes."""
    condition = counted(2)

    def asserting() -> bool:
        assert condition()
        return True

    assert await eventually(asserting)
    with pytest.raises(AssertionError, match="not true within") as caught:
        await eventually(lambda: False, deadline_s=0)
    assert caught.value.__cause__ is None


async def test_other_exceptions_leave_at_once() -> None:
    """Only an assertion is a reason to wait longer."""

    def condition() -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        await eventually(condition)
