"""How tests wait: for a condition, with a deadline, never for a length of time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1


@overload
async def eventually(condition: Callable[[], Awaitable[T]], *, deadline_s: float = ...) -> T: ...


@overload
async def eventually(condition: Callable[[], T], *, deadline_s: float = ...) -> T: ...


async def eventually(condition: Callable[[], object], *, deadline_s: float = 10) -> object:
    """Ask *condition* until its answer is true, and give that answer.

    An AssertionError inside *condition* counts as "not yet"; other exceptions leave at once.

    Units: *deadline_s* in seconds, from the call.
    Raises: AssertionError with the last answer when the deadline passes.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_s
    pause_s = _FIRST_PAUSE_S
    while True:
        refusal: AssertionError | None = None
        answer: object = None
        try:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
        except AssertionError as error:
            refusal = error
        else:
            if answer:
                return answer
        if loop.time() >= deadline:
            message = f"not true within {deadline_s} s; last answer: {answer!r}"
            raise AssertionError(message) from refusal
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
