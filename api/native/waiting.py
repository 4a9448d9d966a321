"""Requests that wait for something to happen, and how many may at once.

There are `settings.max_long_polls` places. The last quarter of them is for keys that hold few, so that
one key with very many requests does not keep all others from waiting.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from aiohttp import web

from api.native.call import Call
from api.native.problems import ProblemError

FEW: Final = 16
"""Parts of all places: who holds less than one part holds few."""


class Waiting:
    """How many requests wait at this moment, in all and of each key."""

    def __init__(self) -> None:
        self.count = 0
        self.of_key: Counter[UUID] = Counter()

    def has_room(self, key: UUID, places: int) -> bool:
        """Whether one more request of a key may wait."""
        if self.count >= places:
            return False
        return self.count < places - places // 4 or self.of_key[key] < max(places // FEW, 1)

    def enter(self, key: UUID) -> None:
        """Take a place."""
        self.count += 1
        self.of_key[key] += 1

    def leave(self, key: UUID) -> None:
        """Give it back."""
        self.count -= 1
        self.of_key[key] -= 1
        if not self.of_key[key]:
            del self.of_key[key]


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
    waiting, key = call.request.app[WAITING], call.principal.key
    if not waiting.has_room(key, call.node.settings.max_long_polls):
        raise ProblemError(
            503, "too-many-waiting", "Too many requests are waiting already.", retry_after_s=1
        )
    waiting.enter(key)
    try:
        yield
    finally:
        waiting.leave(key)
