"""Changing and reading job definitions."""

from ledger.clock import Clock
from ledger.events.definition import Definition
from ledger.handle.streams import Done, Loaded, StaleVersion, Streams
from ledger.ids import job_stream
from ledger.jobs import commands as c
from ledger.jobs.decide import decide
from ledger.jobs.state import JobState, evolve
from ledger.rejection import Rejection
from ledger.store.port import Context, Store

CACHE_SIZE = 2000


class Jobs:
    """Job definitions of all organizations."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self.streams = Streams[JobState](store, evolve, cache_size=CACHE_SIZE)

    async def change(
        self, context: Context, job_id: str, command: c.Command, *, if_version: int | None = None
    ) -> Done[JobState] | Rejection | StaleVersion:
        """Put a command to the job of the context's organization."""
        return await self.streams.change(
            job_stream(context.organization, job_id),
            lambda state: decide(state, command, self._clock(), job_id=job_id),
            context,
            if_version=if_version,
        )

    async def read(self, organization: str, job_id: str, *, fresh: bool) -> Loaded[JobState]:
        """Give a job's state; without *fresh* possibly from the cache."""
        stream = job_stream(organization, job_id)
        return await (self.streams.refresh(stream) if fresh else self.streams.load(stream))


def definition_of(loaded: Loaded[JobState]) -> Definition | None:
    """Give the definition of a job that exists and was not retired."""
    state = loaded.state
    return None if state is None or state.retired else state.definition
