"""What was used lately: a bounded cache that a burst of new things does not sweep out.

What was only made is new, and among the new ones for a while. What is asked for is worked with, and goes
among the known ones, which only their like can push out. So ten thousand executions that are created at
once leave those that run where they are. (In the literature: 2Q, segmented LRU.)
"""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

V = TypeVar("V")

NEW: Final = 128
"""How many new values are kept. Few, since most are not asked for soon, and memory that is written once
and left is in the way of what the processor's caches hold: with 2,500 a creation took the server a
twentieth more."""


class Recent(Generic[V]):
    """Values by name."""

    def __init__(self, size: int, *, new: int = NEW) -> None:
        """Keep at most *size* values that were asked for, and so many *new* ones besides."""
        self._known: OrderedDict[str, V] = OrderedDict()
        self._new: OrderedDict[str, V] = OrderedDict()
        self._known_size = size
        self._new_size = new

    def __len__(self) -> int:
        return len(self._known) + len(self._new)

    def peek(self, name: str) -> V | None:
        """Give a value, which makes no difference to how long it is kept."""
        known = self._known.get(name)
        return known if known is not None else self._new.get(name)

    def get(self, name: str) -> V | None:
        """Give a value that is asked for."""
        known = self._known.get(name)
        if known is not None:
            self._known.move_to_end(name)
            return known
        new = self._new.pop(name, None)
        if new is not None:
            _put(self._known, name, new, self._known_size)
        return new

    def put(self, name: str, value: V) -> None:
        """Keep a value that was asked for, in place of one that is there."""
        self._new.pop(name, None)
        _put(self._known, name, value, self._known_size)

    def put_new(self, name: str, value: V) -> None:
        """Keep a value that was made and not asked for, in place of one that is there."""
        if name in self._known:
            _put(self._known, name, value, self._known_size)
        else:
            _put(self._new, name, value, self._new_size)

    def drop(self, name: str) -> None:
        """Keep a value no longer. Idempotent."""
        self._known.pop(name, None)
        self._new.pop(name, None)


def _put(part: OrderedDict[str, V], name: str, value: V, size: int) -> None:
    part[name] = value
    part.move_to_end(name)
    while len(part) > size:
        part.popitem(last=False)
