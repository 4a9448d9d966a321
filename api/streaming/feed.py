"""Where frames come from: the ring of what is new, and pages of the log for who is behind it."""

import asyncio
from typing import Final

from msgspec import Struct

from api.streaming.frames import NDJSON, StreamForm
from api.streaming.jobs_of import JobsOf
from api.streaming.reading import EventFilter, LogReader
from api.streaming.ring import Chunk, Ring, chosen

MAX_READS: Final = 4
"""Pages that streams read at the same time, each on up to two connections of the pool."""
EVENT_BYTES: Final = 200
"""What an event's data takes at least, usually; a page that is limited by bytes has so many events."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What one kind of stream gives: which events, in which form."""

    events: EventFilter
    form: StreamForm


class Feed:
    """Gives frames behind a cursor."""

    def __init__(self, reader: LogReader, ring: Ring, jobs: JobsOf) -> None:
        self.ring = ring
        self._reader = reader
        self._jobs = jobs
        self._reads = asyncio.Semaphore(MAX_READS)

    async def recent(
        self, wanted: Wanted, after: int, through: int, limit: int | None = None
    ) -> Chunk:
        """Choose from the ring, which must hold what is behind *after*.

        Raises:
            ProjectionLagging: which executions are the job's is not known yet.
        """
        batches = self.ring.behind(after, through)
        if wanted.events.job_id is not None:
            streams = {line.stream for batch in batches for line in batch.lines}
            await self._jobs.learn(streams, through)
        return chosen(
            batches,
            wanted.events,
            wanted.form,
            self._jobs,
            after=after,
            through=through,
            limit=limit,
        )

    async def older(
        self, wanted: Wanted, after: int, through: int, limit: int | None, max_bytes: int
    ) -> Chunk:
        """Read one page of the log, which may look through a part without a match.

        Raises:
            StoreUnavailable: the database cannot be reached.
            ProjectionLagging: which executions are the job's is not known yet.
        """
        # No more rows than will fit: what is left out was looked at for nothing.
        count = max(max_bytes // EVENT_BYTES, 1)
        count = count if limit is None else min(limit, count)
        # Waited for here, where nobody else's page waits with it.
        await self._reader.known(wanted.events, through)
        if wanted.form is NDJSON and wanted.events.stream is None:
            async with self._reads:
                text = await self._reader.text(wanted.events, after, through, count, max_bytes)
            return Chunk(text.lines, text.count, text.last, text.scanned_through)
        async with self._reads:
            rows, scanned = await self._reader.rows(wanted.events, after, through, count, max_bytes)
        last: int = rows[-1]["position"] if rows else 0
        return Chunk(wanted.form.frames(rows) if rows else b"", len(rows), last, scanned)
