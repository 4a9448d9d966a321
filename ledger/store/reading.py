"""Reading streams: who asks at the same moment is answered by one query.

A command to an execution that is not in memory reads its stream. A bulk import, or a fleet of workers,
has hundreds of those at once, and a query for each costs several times what it finds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from msgspec import Struct

from ledger.errors import StoreUnavailable
from ledger.store.port import AnyRecorded
from ledger.store.rows import recorded
from ledger.tasks import end

MAX_AT_ONCE: Final = 64
"""Streams in one query. By then what a query costs is shared well, and nobody waits long for what
others have to be read."""

Fetch: TypeAlias = Callable[[list[str], list[int]], Awaitable[Sequence[Iterable[Any]]]]
"""Reads the streams after the versions; each row is the place of its stream among them, from 1, and then
an event's columns, see `rows`.

Order: by place and version.
"""


class _Asked(Struct, eq=False):
    stream: str
    after: int
    found: "asyncio.Future[list[AnyRecorded]]"


class StreamReads:
    """Collects what is asked for until the event loop has gone round, and asks once."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._asked: list[_Asked] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, stream: str, after: int) -> list[AnyRecorded]:
        """Read a stream's events with `after < version`, as they are in the log from now on.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        if not self._asked or len(self._asked) == MAX_AT_ONCE:
            self._asked = []
            task = asyncio.create_task(self._answer(self._asked), name="stream-reads")
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, self._asked))
        asked = _Asked(stream, after, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        return await asked.found

    async def stop(self) -> None:
        """Give up what is under way. Idempotent."""
        self._asked = []
        for task in tuple(self._tasks):
            await end(task)

    async def _answer(self, asked: list[_Asked]) -> None:
        if asked is self._asked:
            self._asked = []
        wanted = [one for one in asked if not one.found.done()]
        rows = await self._fetch([one.stream for one in wanted], [one.after for one in wanted])
        records: list[list[AnyRecorded]] = [[] for _ in wanted]
        for place, *row in rows:
            records[place - 1].append(recorded(row))
        for one, found in zip(wanted, records, strict=True):
            if not one.found.done():
                one.found.set_result(found)

    def _ended(self, asked: list[_Asked], task: "asyncio.Task[None]") -> None:
        """Tell whoever still waits why; a task that was stopped may not even have begun."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        for one in asked:
            if not one.found.done():
                one.found.set_exception(error or StoreUnavailable("the server is shutting down"))
