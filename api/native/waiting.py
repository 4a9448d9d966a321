"""Requests that wait for something to happen, and how many may at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from api.native.call import Call
from api.native.problems import ProblemError


class Waiting:
    """How many requests wait at this moment."""

    def __init__(self) -> None:
        self.count = 0


WAITING: Final = web.AppKey("waiting", Waiting)


@contextmanager
def place(call: Call, wait_s: float) -> Iterator[None]:
    """Take a place among those who wait; a request that does not mean to wait needs none.

    Raises:
        ProblemError: all places are taken.
    """
    if wait_s <= 0:
        yield
        return
    waiting = call.request.app[WAITING]
    if waiting.count >= call.node.settings.max_long_polls:
        raise ProblemError(
            503, "too-many-waiting", "Too many requests are waiting already.", retry_after_s=1
        )
    waiting.count += 1
    try:
        yield
    finally:
        waiting.count -= 1
