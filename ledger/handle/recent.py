"""What was used lately: a bounded cache that a burst of new things does not sweep out.

What comes in is new, and among the new ones for a while. What is asked for again while it is there has
shown that it is worked with, and goes among the known ones, which only their like can push out. So ten
thousand executions that are created at once leave those that run where they are. (In the literature: 2Q,
segmented LRU.)
"""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

V = TypeVar("V")

NEW_SHARE: Final = 2
"""For so many known values there is room for a new one. Not for fewer, because who makes many at once
often asks for each of them soon: a bulk import makes thousands, and then reports on all of them."""
MIN_NEW: Final = 16


class Recent(Generic[V]):
    """Values by name."""

    def __init__(self, size: int) -> None:
        """Keep at most *size* known values, and a few new ones besides."""
        self._known: OrderedDict[str, V] = OrderedDict()
        self._new: OrderedDict[str, V] = OrderedDict()
        self._known_size = size
        self._new_size = max(MIN_NEW, size // NEW_SHARE)

    def __len__(self) -> int:
        return len(self._known) + len(self._new)

    def peek(self, name: str) -> V | None:
        """Give a value, which makes no difference to how long it is kept."""
        known = self._known.get(name)
        return known if known is not None else self._new.get(name)

    def get(self, name: str) -> V | None:
        """Give a value that is worked with."""
        known = self._known.get(name)
        if known is not None:
            self._known.move_to_end(name)
            return known
        new = self._new.pop(name, None)
        if new is not None:
            _put(self._known, name, new, self._known_size)
        return new

    def put(self, name: str, value: V) -> None:
        """Keep a value, in place of one that is there."""
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
