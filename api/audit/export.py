"""Makes the lines of exports; see `ledger.audit.export` for what they are.

Events are read as they are stored. Where the tree cannot give a hash it should have, the line that
would hold it is left out: whoever checks the export finds out, and is not kept from the rest.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Final, TypeAlias, TypeVar

import asyncpg
import structlog

from api.audit import heads
from api.audit.heads import Published, PublishedKey
from ledger.audit import export
from ledger.audit.export import End, Export, Gap, Head, Leaves, Stream, pack
from ledger.errors import LedgerError, StoreUnavailable
from ledger.merkle.note import MalformedNote, Verifier
from ledger.merkle.streams import StreamProof
from ledger.store.raw import RawEvent, read_raw, read_raw_stream
from projections.port import Pool
from projections.tree import query as tree

T = TypeVar("T")

HEADS_PAGE: Final = 1000
LEAVES_A_LINE: Final = 4096
MAX_HOLE: Final = 65_536
"""Missing events whose leaf hashes are still given."""

_log = structlog.get_logger(__name__)

Lines: TypeAlias = AsyncIterator[bytes]
"""Without newlines."""


class Counted:
    """Counts lines and events on their way, for the last line."""

    def __init__(self) -> None:
        self.lines = 0
        self.events = 0

    def other(self, line: export.Line) -> bytes:
        """Pass a line that is no event."""
        self.lines += 1
        return export.render(line)

    def event(self, event: RawEvent) -> bytes:
        """Pass an event."""
        self.lines += 1
        self.events += 1
        return event.line

    def end(self) -> bytes:
        """Give the last line."""
        return export.render(End(events=self.events, lines=self.lines))


async def log_lines(pool: Pool, after: int, until: int, last: Published) -> Lines:
    """Export the log between two positions, proved in the head *last*.

    Raises:
        StoreUnavailable: the database cannot be reached.
        ProjectionLagging: the tree is being rebuilt.
    """
    counted = Counted()
    keys = await heads.keys(pool)
    begin = Export(of="log", origin=_origin(keys), size=last.size, after=after, until=until)
    for line in _begin(counted, begin, keys):
        yield line
    async for line in _gap(pool, counted, 1, after):
        yield line
    async for line in _events(pool, counted, after, until):
        yield line
    async for line in _gap(pool, counted, until + 1, last.size):
        yield line
    if until < last.size:
        yield counted.other(Head(note=last.note))
    yield counted.end()


async def _events(pool: Pool, counted: Counted, after: int, until: int) -> Lines:
    """Give events and, among them, the heads that were signed there."""
    signed = _Heads(pool, after, until)
    await signed.begin()
    async for page in read_raw(pool, after=after, until=until):
        final = page[-1].position
        async for line in _leaves(pool, counted, after + 1, final):
            yield line
        for event in page:
            while signed.size < event.position:
                yield counted.other(Head(note=await signed.take()))
            yield counted.event(event)
        after = final
    async for line in _leaves(pool, counted, after + 1, until):
        yield line
    while signed.size <= until:
        yield counted.other(Head(note=await signed.take()))


async def stream_lines(pool: Pool, stream: str, proof: StreamProof, last: Published) -> Lines:
    """Export all events of one stream, with the proof that they are all, in the head *last*.

    Raises:
        StoreUnavailable: the database cannot be reached.
        ProjectionLagging: the tree is being rebuilt.
    """
    counted = Counted()
    keys = await heads.keys(pool)
    size = last.size
    begin = Export(of="stream", origin=_origin(keys), size=size, after=0, until=size, stream=stream)
    for line in _begin(counted, begin, keys):
        yield line
    async with pool.acquire() as connection:
        events = await read_raw_stream(connection, stream, last.size)
    passed = 0
    for run in _runs(events):
        first, final = run[0].position, run[-1].position
        async for line in _gap(pool, counted, passed + 1, first - 1):
            yield line
        async for line in _leaves(pool, counted, first, final):
            yield line
        for event in run:
            yield counted.event(event)
        passed = final
    async for line in _gap(pool, counted, passed + 1, last.size):
        yield line
    yield counted.other(Head(note=last.note))
    yield counted.other(Stream.of(proof))
    yield counted.end()


def _origin(keys: Sequence[PublishedKey]) -> str:
    try:
        return Verifier.parse(keys[0].public_key).name if keys else ""
    except MalformedNote:
        return ""


def _begin(counted: Counted, begin: Export, keys: Sequence[PublishedKey]) -> list[bytes]:
    told = [export.Key(public_key=key.public_key, change=key.change) for key in keys]
    return [counted.other(begin), *(counted.other(key) for key in told)]


async def _leaves(pool: Pool, counted: Counted, first: int, last: int) -> Lines:
    """Tell what the tree holds for positions, as far as it can be told."""
    if last - first >= MAX_HOLE:
        return
    for start in range(first, last + 1, LEAVES_A_LINE):
        end = min(start + LEAVES_A_LINE - 1, last)
        hashes = await _kept(tree.leaves(pool, start, end))
        if hashes:
            yield counted.other(Leaves(first=start, hashes=pack(hashes)))


async def _gap(pool: Pool, counted: Counted, first: int, last: int) -> Lines:
    """Pass positions that are left out, if there are any."""
    if first > last:
        return
    found = await _kept(tree.covers(pool, [(first, last)]))
    if found is not None:
        yield counted.other(Gap(first=first, last=last, hashes=pack(found[0])))


async def _kept(reading: Awaitable[T]) -> T | None:
    """Read from the tree view; None when it is damaged, gone or not the one it should be.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    try:
        return await reading
    except StoreUnavailable:
        raise
    except (LedgerError, asyncpg.PostgresError) as error:
        _log.warning("export without the tree", error=type(error).__name__)
        return None


class _Heads:
    """The signed heads within positions, one after the other."""

    def __init__(self, pool: Pool, after: int, until: int) -> None:
        self._pool = pool
        self._after = after
        self._until = until
        self._page: list[Published] = []
        self.size = until + 1
        """Of the next head; beyond the last position when there is none."""

    async def begin(self) -> None:
        """Find the first."""
        found = await heads.page(self._pool, self._after, HEADS_PAGE)
        self._page = [head for head in reversed(found) if head.size <= self._until]
        self._look()

    async def take(self) -> str:
        """Give the next one's note, and find the one behind it."""
        head = self._page.pop()
        if not self._page:
            self._after = head.size
            await self.begin()
        self._look()
        return head.note

    def _look(self) -> None:
        self.size = self._page[-1].size if self._page else self._until + 1


def _runs(events: Sequence[RawEvent]) -> list[list[RawEvent]]:
    """Part events where others stand between them."""
    runs: list[list[RawEvent]] = []
    for event in events:
        if runs and runs[-1][-1].position + 1 == event.position:
            runs[-1].append(event)
        else:
            runs.append([event])
    return runs
