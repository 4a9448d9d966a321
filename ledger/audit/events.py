"""One event after the other: is each what it says, and do they follow each other as they must."""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from ledger.events.entry import Entry, Line, decode_entry, split_line
from ledger.merkle.tree import leaf_hash

ERASURE: Final = "execution.erased"
SALT_BYTES: Final = 16
MAX_IDS: Final = 5_000_000
"""Event ids that are held against each other; about 500 MB."""

Note = Callable[[int | None, str], None]
"""Takes a position and what is wrong with it."""


class Parsed(Struct, frozen=True):
    """An event that could be read."""

    entry: Entry
    line: Line


def parse(raw: bytes) -> Parsed:
    """Read a line.

    Raises:
        NotAnEntry: it is no event as the ledger writes it.
    """
    line = split_line(raw)
    return Parsed(decode_entry(line.entry), line)


class Events:
    """What must be true of events, whatever tree they are in. Tells of what is not by *note*."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._versions: dict[str, int] = {}
        self._recorded_at = ""
        self._ids: set[str] = set()
        self._emptied: defaultdict[str, list[int]] = defaultdict(list)
        self.begins_streams = True
        """Whether a stream's first event here must be its first of all."""
        self.missing = 0
        """Events that are known to be missing: versions may jump over as many."""
        self.count = 0
        self.erased: list[int] = []
        """Positions whose content was erased, on record."""

    def take(self, parsed: Parsed) -> bytes:
        """Take in the next event, and give its leaf hash."""
        self.count += 1
        self._check_content(parsed.entry, parsed.line)
        self._check_order(parsed.entry)
        return leaf_hash(parsed.line.entry)

    def without_erasure(self) -> dict[str, list[int]]:
        """Give the positions whose content is gone with no erasure read since, by stream."""
        return {stream: positions for stream, positions in self._emptied.items() if positions}

    def _check_content(self, entry: Entry, line: Line) -> None:
        if line.salt is None or line.data is None:
            self._emptied[entry.stream].append(entry.position)
        elif len(line.salt) != SALT_BYTES:
            self._note(entry.position, f"its salt has {len(line.salt)} bytes, not {SALT_BYTES}")
        elif hashlib.sha256(line.salt + line.data).hexdigest() != entry.data_digest:
            self._note(
                entry.position, "its data is not what was recorded: the digest of it is another"
            )
        if entry.type == ERASURE and entry.stream in self._emptied:
            self.erased.extend(self._emptied.pop(entry.stream))

    def _check_order(self, entry: Entry) -> None:
        position, stream = entry.position, entry.stream
        expected = self._versions.get(stream, 0) + 1
        is_begun = stream in self._versions
        is_told = is_begun or self.begins_streams or entry.version < 1
        if is_told and not expected <= entry.version <= expected + self.missing:
            self._note(
                position, f"it is version {entry.version} of {stream}, where {expected} must follow"
            )
        self._versions[stream] = entry.version
        if entry.recorded_at < self._recorded_at:
            self._note(
                position,
                f"it was recorded at {entry.recorded_at}, before the event in front of it"
                f" ({self._recorded_at})",
            )
        self._recorded_at = entry.recorded_at
        if entry.event_id in self._ids:
            self._note(position, f"its event id {entry.event_id} is an earlier event's")
        elif len(self._ids) < MAX_IDS:
            self._ids.add(entry.event_id)
