"""Changing and reading job definitions.

Which jobs follow which is known from two things: a definition's `after`, and keys of the form
`after/<organization>/<upstream>/<job>`, which the following job owns, so that whoever reacts to an
upstream's end finds it. A definition is refused if jobs would wait for each other in a circle; the
streams of all jobs that were looked at for that are conditions of the append, so that two
definitions made at the same time cannot close a circle together.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from ledger.clock import Clock
from ledger.errors import Unavailable, WrongExpectedVersion
from ledger.events.codec import SCHEMA_VERSION, type_of
from ledger.events.definition import Definition
from ledger.events.envelope import Fact, Recorded
from ledger.handle.streams import Done, Loaded, Plan, Planned, StaleVersion, Streams
from ledger.ids import job_stream
from ledger.jobs import commands as c
from ledger.jobs.decide import decide
from ledger.jobs.schedule import look_again_at
from ledger.jobs.state import JobState, evolve
from ledger.rejection import JobInvalid, Rejection
from ledger.store.port import Claim, Context, Release, Store, StreamWrite

CACHE_SIZE = 2000
MAX_TRIES: Final = 8
MAX_UPSTREAMS: Final = 2000

_NOT_YET: Final = UUID(int=0)


def after_prefix(organization: str, upstream: str) -> str:
    """Give what the keys of those jobs begin with that name a job in `after`."""
    return f"after/{organization}/{upstream}/"


class Jobs:
    """Job definitions of all organizations."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.streams = Streams[JobState](store, evolve, cache_size=CACHE_SIZE)

    async def change(
        self, context: Context, job_id: str, command: c.Command, *, if_version: int | None = None
    ) -> Done[JobState] | Rejection | StaleVersion:
        """Put a command to the job of the context's organization."""
        organization = context.organization
        for _ in range(MAX_TRIES):
            reads: tuple[StreamWrite, ...] = ()
            if isinstance(command, c.Define | c.Change) and command.definition.after:
                looked = await self._upstreams(organization, job_id, command.definition)
                if isinstance(looked, JobInvalid):
                    return looked
                reads = looked
            try:
                return await self.streams.change(
                    job_stream(organization, job_id),
                    lambda state: decide(state, command, self._clock(), job_id=job_id),
                    context,
                    plan=_planning(organization, job_id, reads),
                    if_version=if_version,
                )
            except WrongExpectedVersion:
                continue  # an upstream's definition changed meanwhile
        message = f"jobs before {job_id} are being changed by too many at once"
        raise Unavailable(message, retry_after_s=0.5)

    async def _upstreams(
        self, organization: str, job_id: str, definition: Definition
    ) -> tuple[StreamWrite, ...] | JobInvalid:
        """Look at every job before this one, directly or through others."""
        trails: list[tuple[str, tuple[str, ...]]] = [
            (upstream, (job_id, upstream)) for upstream in definition.after
        ]
        seen: dict[str, StreamWrite] = {}
        while trails:
            upstream, trail = trails.pop()
            if upstream == job_id:
                circle = " → ".join(trail)
                reason = f"jobs wait for each other in a circle: {circle}"
                return JobInvalid(job_id=job_id, path="after", reason=reason)
            if upstream in seen:
                continue
            if len(seen) >= MAX_UPSTREAMS:
                reason = f"more than {MAX_UPSTREAMS} jobs come before it"
                return JobInvalid(job_id=job_id, path="after", reason=reason)
            loaded = await self.read(organization, upstream, fresh=True)
            stream = job_stream(organization, upstream)
            seen[upstream] = StreamWrite(stream=stream, expected_version=loaded.version)
            trails.extend((after, (*trail, after)) for after in _follows(loaded.state))
        return tuple(seen.values())

    async def followers(self, organization: str, upstream: str) -> list[str]:
        """Name the jobs that follow a job directly, by id."""
        claims = await self._store.claims_under(after_prefix(organization, upstream))
        return [claim.key.rpartition("/")[2] for claim in claims]

    async def read(self, organization: str, job_id: str, *, fresh: bool) -> Loaded[JobState]:
        """Give a job's state; without *fresh* possibly from the cache."""
        stream = job_stream(organization, job_id)
        return await (self.streams.refresh(stream) if fresh else self.streams.load(stream))


def planned(
    organization: str,
    job_id: str,
    state: JobState | None,
    facts: Sequence[Fact[Any]],
    reads: tuple[StreamWrite, ...] = (),
) -> Planned:
    """Derive an append's timer and keys from the state it leads to."""
    after = _ahead(organization, state, facts)
    before = set(_follows(state))
    now = set(_follows(after))
    stream = job_stream(organization, job_id)

    def key(upstream: str) -> str:
        return f"{after_prefix(organization, upstream)}{job_id}"

    return Planned(
        due_at=look_again_at(after),
        claims=tuple(Claim(key=key(up), stream=stream) for up in sorted(now - before)),
        releases=tuple(Release(key=key(up), stream=stream) for up in sorted(before - now)),
        reads=reads,
    )


def _planning(organization: str, job_id: str, reads: tuple[StreamWrite, ...]) -> Plan[JobState]:
    return lambda state, facts: planned(organization, job_id, state, facts, reads)


def _ahead(organization: str, state: JobState | None, facts: Sequence[Fact[Any]]) -> JobState:
    for fact in facts:
        state = evolve(
            state,
            Recorded(
                position=0,
                stream="",
                version=0,
                event_id=_NOT_YET,
                type=type_of(fact.event),
                schema_version=SCHEMA_VERSION,
                organization=organization,
                actor="",
                occurred_at=fact.occurred_at,
                recorded_at=fact.occurred_at,
                correlation_id=None,
                causation_id=None,
                number=None,
                data_digest=b"",
                event=fact.event,
            ),
        )
    if state is None:
        raise ValueError("nothing was decided")
    return state


def _follows(state: JobState | None) -> tuple[str, ...]:
    return () if state is None or state.retired else state.definition.after


def definition_of(loaded: Loaded[JobState]) -> Definition | None:
    """Give the definition of a job that exists and was not retired."""
    state = loaded.state
    return None if state is None or state.retired else state.definition
