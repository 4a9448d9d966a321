"""What follows an execution's end: those that wait for it are released or closed, its followers run.

The log is followed from a place that is kept in the database and held by one process at a time; when
that one dies another takes over within `HOLD_S`. Every end is reacted to at least once: the place
moves on only after that. That it has its effect once is kept by the log itself. A release or a cancel
is a command to the waiting execution, which has no further effect when repeated, and gives up its
`waits/…` keys in the same append; a follower's creation owns
`follow/<organization>/<job>/<upstream execution>`, which a second one is refused.

Who waits is known from keys that are owned since the waiting execution was created, in an append that
saw its upstream open; so whoever reads them after the upstream's end finds all of them.

An execution is released when everything it waits for has ended well, whichever end is reacted to
last. One that failed or was canceled closes what waits for it, whose end closes what waits for that.

A job with `after` and `data_driven` follows once every job in `after` has ended well since it last
followed. Ends of a plan's executions (a sequence) start no followers, because the plan has them. A job
that allows one execution at a time (`reject`) waits for its running one instead, so that no
upstream's result is passed over; what cannot follow leaves `job.follow_skipped`.

An end whose reaction fails is put off and tried again, ever later; the others go on.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from ledger.clock import Clock
from ledger.errors import Corrupt, LedgerError, Unavailable
from ledger.events.codec import CLOSING_TYPES
from ledger.executions import commands as c
from ledger.executions.claims import waits_prefix
from ledger.executions.state import ExecutionState
from ledger.handle.executions import Also, Created, Executions, KeyReused, NewExecution, ended_well
from ledger.handle.jobs import Jobs, after_prefix, definition_of
from ledger.ids import execution_of, execution_stream, job_stream, new_uuid
from ledger.jobs.commands import NotFollow
from ledger.jobs.state import JobState
from ledger.scheduler import words
from ledger.store.port import AnyRecorded, Append, Claim, Context, Release, StreamWrite
from ledger.store.postgres import PostgresStore
from ledger.store.reactions import UPSTREAMS, Reactions
from ledger.tasks import end

ACTOR: Final = "ledger"
HOLD_S: Final = 5.0
LOOK_S: Final = 1.0
BATCH: Final = 1000
PARALLEL: Final = 16
RETRY_S: Final = 2.0
KEY_HORIZON: Final = timedelta(days=30)

_log = structlog.get_logger(__name__)


class Reactor:
    """One a process; one of them works at a time."""

    def __init__(
        self, store: PostgresStore, jobs: Jobs, executions: Executions, clock: Clock
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._executions = executions
        self._clock = clock
        self._reactions = Reactions(store.pool, UPSTREAMS, new_uuid())
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow the log. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="reactor")

    async def stop(self) -> None:
        """End following, and leave the place to another process. Idempotent."""
        if self._task is not None:
            await end(self._task)
            self._task = None
            # A database that does not answer finds out by the hold's end.
            with suppress(LedgerError, TimeoutError):
                async with asyncio.timeout(HOLD_S):
                    await self._reactions.let_go()

    async def _run(self) -> None:
        while True:
            try:
                place = await self._reactions.hold(HOLD_S)
                if place is not None:
                    await self._follow_log(place)
            except LedgerError as error:
                _log.warning("reactor interrupted", error=type(error).__name__)
            except Exception:  # noqa: BLE001 - a bug; the clockwork goes on
                _log.exception("reactor failed")
            await asyncio.sleep(LOOK_S)

    async def _follow_log(self, place: int) -> None:
        """React to what ends after *place*, for as long as it is ours.

        Raises:
            Unavailable: the ends after the place that was kept last are reacted to again.
        """
        loop = asyncio.get_running_loop()
        kept_at = loop.time()
        while True:
            records = await self._store.tail.read(place, BATCH)
            ends = [record for record in records if record.type in CLOSING_TYPES]
            if ends:
                await self._react_to(ends)
            if records:
                place = records[-1].position
            if ends or loop.time() - kept_at >= LOOK_S:
                if not await self._reactions.advance(place, HOLD_S):
                    return
                if loop.time() - kept_at >= LOOK_S:
                    await self._retry()
                    kept_at = loop.time()
            if not records:
                place = await self._store.tail.wait_for(CLOSING_TYPES, place, LOOK_S)

    async def _react_to(self, ends: Sequence[AnyRecorded]) -> None:
        holding = asyncio.create_task(self._keep_holding())
        places = asyncio.Semaphore(PARALLEL)
        try:
            concern = await self._concerning(ends)
            doing = (
                self._guarded(end.stream, end.position, places)
                for end in ends
                if end.stream in concern
            )
            for done in await asyncio.gather(*doing, return_exceptions=True):
                if isinstance(done, BaseException):
                    raise done
        finally:
            await end(holding)

    async def _concerning(self, ends: Sequence[AnyRecorded]) -> set[str]:
        """Give the streams whose end somebody waits for, or may follow; most concern nobody.

        One look for all of them. Nobody can begin to wait for what has ended.
        """
        concern: set[str] = set()
        looked: dict[str, list[str]] = {}
        for record in ends:
            uuid = execution_of(record.stream)
            if uuid is None:
                continue
            try:
                ended = await self._closed(uuid)
            except Corrupt:
                concern.add(record.stream)  # fails again, by itself
                continue
            if ended is not None:
                looked.setdefault(waits_prefix(uuid), []).append(record.stream)
                followed = after_prefix(ended.organization, ended.job_id)
                looked.setdefault(followed, []).append(record.stream)
        for prefix in await self._store.prefixes_in_use(looked) if looked else ():
            concern.update(looked[prefix])
        return concern

    async def _keep_holding(self) -> None:
        """Keep the place while a batch takes long."""
        while True:
            await asyncio.sleep(HOLD_S / 3)
            with suppress(LedgerError):
                await self._reactions.hold(HOLD_S)

    async def _retry(self) -> None:
        """React again to what failed before."""
        places = asyncio.Semaphore(PARALLEL)
        for stream, position in await self._reactions.due(BATCH):
            if await self._guarded(stream, position, places):
                await self._reactions.done(stream)

    async def _guarded(self, stream: str, position: int, places: asyncio.Semaphore) -> bool:
        """React to one end; put it off when that fails, so that the others go on."""
        uuid = execution_of(stream)
        if uuid is None:
            return True
        async with places:
            try:
                await self.react(uuid)
            except Exception as error:  # noqa: BLE001 - noted, and tried again
                if not isinstance(error, Unavailable):
                    _log.exception("reaction failed", stream=stream)
                # When this fails too the batch is read again.
                await self._reactions.put_off(
                    stream, position, delay_s=RETRY_S, error=type(error).__name__
                )
                return False
        return True

    async def react(self, uuid: UUID) -> None:
        """Do what follows the end of an execution.

        Idempotent.
        """
        ended = await self._closed(uuid)
        if ended is None:
            return
        for waiter in await self._store.claims_under(waits_prefix(uuid)):
            waiting = execution_of(waiter.stream)
            if waiting is not None:
                await self._settle(waiting, ended)
        if ended.created.plan is None and ended_well(ended):
            await self._let_follow(ended)

    async def _settle(self, uuid: UUID, ended: ExecutionState) -> None:
        """Close what waited for an execution that failed; release it if nothing else is open."""
        state = (await self._executions.streams.load(execution_stream(uuid))).state
        if state is None:
            return
        context = Context(organization=state.organization, actor=ACTOR)
        if not ended_well(ended):
            how = "was canceled" if ended.status == "aborted" else "failed"
            reason = f"its upstream {ended.job_id}, execution {ended.number}, {how}"
            command = c.Cancel(reason=reason, cause="upstream_failed")
            await self._executions.act(context, uuid, command)
            return
        for upstream in state.created.waits_for:
            other = await self._closed(upstream)
            if other is None or not ended_well(other):
                return  # its own end is reacted to
        await self._executions.act(context, uuid, c.Release())

    async def _closed(self, uuid: UUID) -> ExecutionState | None:
        """Give an execution that has ended; None while it is open."""
        streams, stream = self._executions.streams, execution_stream(uuid)
        state = (await streams.load(stream)).state
        if state is None or state.is_open:
            state = (await streams.refresh(stream)).state
        return None if state is None or state.is_open else state

    async def _let_follow(self, up: ExecutionState) -> None:
        for job_id in await self._jobs.followers(up.organization, up.job_id):
            job = await self._jobs.read(up.organization, job_id, fresh=True)
            definition = definition_of(job)
            if job.state is not None and definition is not None and definition.data_driven:
                await self._follow(up, job.state)

    async def _follow(self, up: ExecutionState, job: JobState) -> None:
        """Create the follower's execution, unless another upstream has still to end."""
        if await self._store.claim_owner(_follow_key(job, up.uuid)) is not None:
            return
        arrived = {up.job_id: up.uuid}
        releases: tuple[Release, ...] = ()
        if len(set(job.definition.after)) > 1:
            await self._arrive(up, job)
            stream = job_stream(job.organization, job.job_id)
            claims = await self._store.claims_under(_arrived_prefix(job))
            arrived = {
                claim.key.rpartition("/")[2]: UUID(bytes=claim.value)
                for claim in claims
                if claim.value is not None
            }
            releases = tuple(Release(key=claim.key, stream=stream) for claim in claims)
            if not arrived.keys() >= set(job.definition.after):
                return
        rejects = job.definition.policies.when_running == "reject"
        wanted = NewExecution(
            job_id=job.job_id, trigger="sequence", when_running="queue" if rejects else None
        )
        context = Context(organization=job.organization, actor=ACTOR)
        also = Also(
            keys=tuple(_follow_key(job, arrived[name]) for name in sorted(arrived)),
            keys_expire_at=self._clock() + KEY_HORIZON,
            releases=releases,
        )
        creation = await self._executions.create(context, wanted, also=also)
        if isinstance(creation, KeyReused):
            raise TypeError(creation)  # no idempotency key was given
        if not isinstance(creation, Created):
            skip = NotFollow(upstream=up.uuid, reason=words(creation))
            await self._jobs.change(context, job.job_id, skip)
        elif not creation.is_new and releases:
            # One that was waiting already does for these ends too.
            write = StreamWrite(
                stream=execution_stream(creation.state.uuid),
                expected_version=creation.state.version,
            )
            await self._store.append(Append(context=context, writes=(write,), releases=releases))

    async def _arrive(self, up: ExecutionState, job: JobState) -> None:
        """Note that one of several upstreams has ended well since the job last followed."""
        stream = job_stream(job.organization, job.job_id)
        seen = f"arrival/{job.organization}/{job.job_id}/{up.uuid}"
        if await self._store.claim_owner(seen) is not None:
            return  # reacted to before; a later end of the same upstream may have replaced it
        claims = (
            Claim(key=seen, stream=stream, expires_at=self._clock() + KEY_HORIZON),
            Claim(key=f"{_arrived_prefix(job)}{up.job_id}", stream=stream, value=up.uuid.bytes),
        )
        write = StreamWrite(stream=stream, expected_version=job.version)
        context = Context(organization=job.organization, actor=ACTOR)
        await self._store.append(Append(context=context, writes=(write,), claims=claims))


def _arrived_prefix(job: JobState) -> str:
    return f"arrived/{job.organization}/{job.job_id}/"


def _follow_key(job: JobState, upstream: UUID) -> str:
    return f"follow/{job.organization}/{job.job_id}/{upstream}"
