"""Where events stand in the tree, and which of two that differ is the one that was signed.

Beside the events stand leaf hashes from the tree's own tiles. The tree is hashed by those, so that an
event that was changed, or is missing, is told from all others and does not hide what comes behind it.
From where an event and its leaf hash differ the tree is hashed a second time by the events alone. The
next signed head decides: it agrees with the tiles, and then the event was changed; or with the events,
and then a tile was; or with neither, and then somewhere between this head and the one before.
"""

from collections.abc import Callable
from typing import Final

from ledger.merkle.frontier import Frontier

CHANGED: Final = "it is not the event that was signed: the signed tree holds another one here"
TILE: Final = (
    "the event is the one that was signed, but the tree that is kept has another hash for it"
)
DIFFERENT: Final = (
    "the event and the tree that is kept differ here, and no head tells which is right"
)
MAX_DOUBTS: Final = 20

Note = Callable[[int, str, int], None]
"""Takes a position, what is wrong with it, and the line that it stands on."""


class Place:
    """Hashes the tree from left to right and holds it against signed heads."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._tree = Frontier()
        self._by_events: Frontier | None = None
        self._doubts: list[tuple[int, int]] = []
        self._hints: dict[int, bytes] = {}
        self._hinted = 0
        self._is_lost = False
        self.position = 0
        """The last one that was passed."""
        self.vouched = 0
        """The size of the last head that agreed."""

    @property
    def is_lost(self) -> bool:
        """Whether too little is known for any further head to be compared."""
        return self._is_lost

    def hint(self, first: int, hashes: list[bytes]) -> None:
        """Learn what the kept tree holds from a position on.

        Raises:
            ValueError: it does not follow what was passed, or was learned before.
        """
        if first != max(self.position, self._hinted) + 1:
            raise ValueError("leaf hashes stand elsewhere than before their events")
        ahead = {at: hint for at, hint in self._hints.items() if at > self.position}
        self._hints = ahead | dict(enumerate(hashes, start=first))
        self._hinted = first + len(hashes) - 1

    def add(self, leaf: bytes, line: int) -> None:
        """Take in the next event, which stands on a line."""
        self.position += 1
        hint = self._hints.get(self.position, leaf)
        if hint != leaf:
            if self._by_events is None and not self._doubts:
                self._by_events = self._tree.copy()
            if len(self._doubts) < MAX_DOUBTS:
                self._doubts.append((self.position, line))
        self._tree.add(hint)
        if self._by_events is not None:
            self._by_events.add(leaf)

    def miss(self, until: int) -> None:
        """Pass events that are not there; only the kept tree may still know them."""
        while self.position < until:
            self.position += 1
            hint = self._hints.get(self.position)
            if hint is None:
                self._is_lost = True
                self.position = until
                return
            self._tree.add(hint)
            self._by_events = None

    def skip(self, last: int, hashes: list[bytes]) -> None:
        """Pass events that are left out.

        Raises:
            ValueError: these are not the hashes that cover them.
        """
        if not self._is_lost:
            self._tree.skip(last, hashes)
            if self._by_events is not None:
                self._by_events.skip(last, hashes)
        self.position = last

    def agrees(self, root: bytes) -> bool:
        """Hold everything up to here against a root that was signed, and tell what differs."""
        if self._is_lost:
            return False
        if self._tree.root() == root:
            self._settle(CHANGED)
        elif self._by_events is not None and self._by_events.root() == root:
            self._tree = self._by_events
            self._settle(TILE)
        else:
            self._is_lost = True
            return False
        self.vouched = self.position
        return True

    def left_in_doubt(self) -> list[tuple[int, int]]:
        """Give positions and lines where event and kept tree differ and no head has decided."""
        return self._doubts

    def _settle(self, problem: str) -> None:
        for position, line in self._doubts:
            self._note(position, problem, line)
        self._doubts = []
        self._by_events = None
