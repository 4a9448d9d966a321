"""The lines just below the head, and their frames, made once for all clients of a process.

A ring has no hole: it holds every event of the log in `(floor, top]`, whoever may see it. What is
given to a client is chosen by its filter, each time.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from api.streaming.frames import StreamForm
from api.streaming.lines import StreamLine
from api.streaming.reading import EventFilter

JobOf = Callable[[str], str | None]
"""Gives the job that a stream's execution is of, where that is known."""


class Chunk(Struct, frozen=True, gc=False):
    """Frames to send, and where to go on."""

    payload: bytes
    count: int
    last: int
    """Position of the last event in it; 0 without one."""
    scanned_through: int


class Batch:
    """Lines that became visible together, in `(after, through]`."""

    __slots__ = ("_frames", "after", "lines", "size", "through")

    def __init__(self, after: int, through: int, lines: Sequence[StreamLine]) -> None:
        self.after = after
        self.through = through
        self.lines = lines
        self.size = sum(len(line.line) for line in lines)
        self._frames: dict[str, list[bytes]] = {}

    def frames(self, form: StreamForm) -> list[bytes]:
        """Give every line's frame; made at the first call."""
        made = self._frames.get(form.name)
        if made is None:
            made = self._frames[form.name] = [form.frame(line) for line in self.lines]
        return made


class Ring:
    """Batches up to the newest that was read; the oldest are dropped beyond a size."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._batches: deque[Batch] = deque()
        self._events = 0
        self._bytes = 0
        self._moved: asyncio.Future[None] | None = None
        self.floor = 0
        self.top = 0

    def restart(self, top: int) -> None:
        """Be empty, at a position."""
        self._batches.clear()
        self._events = self._bytes = 0
        self.floor = self.top = top
        self._tell()

    def append(self, through: int, lines: Sequence[StreamLine]) -> None:
        """Take in every line of `(top, through]`."""
        batch = Batch(self.top, through, lines)
        self._batches.append(batch)
        self._events += len(lines)
        self._bytes += batch.size
        while len(self._batches) > 1 and (
            self._events > self._max_events or self._bytes > self._max_bytes
        ):
            oldest = self._batches.popleft()
            self._events -= len(oldest.lines)
            self._bytes -= oldest.size
        self.floor = self._batches[0].after
        self.top = through
        self._tell()

    def holds(self, after: int) -> bool:
        """Whether everything behind a position is here."""
        return after >= self.floor

    def behind(self, after: int, through: int | None = None) -> list[Batch]:
        """Give the batches with positions in `(after, through]`, oldest first."""
        found: list[Batch] = []
        for batch in reversed(self._batches):
            if batch.through <= after:
                break
            if through is None or batch.after < through:
                found.append(batch)
        found.reverse()
        return found

    def reach(self, after: int, max_bytes: int) -> int:
        """Give the position up to which the batches behind *after* fit; at least one is taken."""
        through, size = after, 0
        for batch in self.behind(after):
            size += batch.size
            if through > after and size > max_bytes:
                break
            through = batch.through
        return max(through, after)

    async def past(self, position: int) -> None:
        """Wait until the ring holds something behind a position."""
        while self.top <= position:
            if self._moved is None:
                self._moved = asyncio.get_running_loop().create_future()
            # Waited for, not awaited: one waiter that is canceled must not cancel it for the others.
            await asyncio.wait((self._moved,))

    def _tell(self) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)
        self._moved = None


def chosen(
    batches: Iterable[Batch],
    wanted: EventFilter,
    form: StreamForm,
    job_of: JobOf,
    *,
    after: int,
    through: int,
    limit: int | None = None,
) -> Chunk:
    """Choose the frames of `(after, through]` that a reader wants and may see, up to a limit."""
    frames: list[bytes] = []
    last = 0
    for batch in batches:
        is_whole = after <= batch.after and batch.through <= through and limit is None
        if is_whole and wanted.is_everything:
            frames += batch.frames(form)
            last = batch.through
            continue
        if wanted.stream is not None and all(line.stream != wanted.stream for line in batch.lines):
            continue
        for line, frame in zip(batch.lines, batch.frames(form), strict=True):
            if after < line.position <= through and wanted.admits(line, job_of):
                frames.append(frame)
                last = line.position
                if len(frames) == limit:
                    return Chunk(b"".join(frames), len(frames), last, last)
    return Chunk(b"".join(frames), len(frames), last, through)
