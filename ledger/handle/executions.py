"""Creating executions and putting commands to them.

Creation depends on other streams: the job's, and those of the jobs it includes. Their versions are
conditions of the append, so an execution is never created from a definition that had changed.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import takewhile, zip_longest
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ledger.clock import Clock
from ledger.errors import ClaimTaken, Unavailable, WrongExpectedVersion
from ledger.events import executions as x
from ledger.events.definition import Definition
from ledger.events.envelope import Fact
from ledger.executions import commands as c
from ledger.executions.claims import changes, running_key, waiting_key
from ledger.executions.deadlines import look_again_at
from ledger.executions.decide import decide
from ledger.executions.facts import ahead, arrived
from ledger.executions.husk import follow
from ledger.executions.parameters import arguments
from ledger.executions.plan import expand, included_jobs
from ledger.executions.state import ExecutionState, StepState
from ledger.handle.jobs import Jobs, definition_of
from ledger.handle.streams import Done, Loaded, Planned, StaleVersion, Streams
from ledger.ids import execution_of, execution_stream, job_stream, new_uuid
from ledger.jobs.state import JobState
from ledger.rejection import (
    AlreadyRunning,
    ContentErased,
    ExecutionGone,
    JobUnknown,
    NotFinished,
    NotRestartable,
    ParameterInvalid,
    Rejection,
    ReportFenced,
    RestartImpossible,
    WrongState,
)
from ledger.store.port import AnyRecorded, Append, Claim, Context, Release, Store, StreamWrite

CACHE_SIZE: Final = 5000
PLAN_CACHE_SIZE: Final = 500
IDEMPOTENCY_HORIZON: Final = timedelta(days=7)
MAX_TRIES: Final = 8


class NewExecution(Struct, frozen=True, kw_only=True, gc=False):
    """What a caller wants run. None for `tags` and `labels` takes the job's."""

    job_id: str
    parameters: tuple[x.Argument, ...] = ()
    input: Any = None
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] | None = None
    labels: dict[str, str] | None = None
    attributes: dict[str, Any] = {}
    run_at: datetime | None = None
    trigger: str = "rest"
    client_id: str = ""
    user: str = ""
    dispatch_at_once: bool = False
    uuid: UUID | None = None
    """Named beforehand, so that others of the same plan can wait for it."""
    plan: UUID | None = None
    waits_for: tuple[UUID, ...] = ()
    """Executions that must end well before this one may start."""
    when_running: Literal["queue"] | None = None
    """Wait for the job's running execution, whatever the job says about a second one."""
    idempotency_key: str | None = None
    """Repeating a request under the same key gives the execution it made the first time."""
    occurred_at: datetime | None = None


class Created(Struct, frozen=True, gc=False):
    """The execution, and whether this call brought it into being."""

    state: ExecutionState
    records: tuple[AnyRecorded, ...]
    is_new: bool = True


class KeyReused(Struct, frozen=True, gc=False):
    """The idempotency key was used for another request before."""

    key: str


class LastRun(Struct, frozen=True, gc=False):
    """How the job's last execution ended, as the views know it."""

    uuid: UUID
    failed: bool


LookUpLastRun: TypeAlias = Callable[[], Awaitable[LastRun | None]]
"""Called only where a job's policy says something about failures."""


class Also(Struct, frozen=True, kw_only=True, gc=False):
    """What goes into the append that creates an execution."""

    keys: tuple[str, ...] = ()
    """For the execution to own."""
    keys_expire_at: datetime | None = None
    releases: tuple[Release, ...] = ()


class PlanCreated(Struct, frozen=True, gc=False):
    """The executions of a plan, in the order they were asked for."""

    states: tuple[ExecutionState, ...]
    records: tuple[AnyRecorded, ...]


class Ready(Struct, frozen=True, kw_only=True, gc=False):
    """An execution that only has to be appended."""

    uuid: UUID
    stream: str
    append: Append
    foreseen: ExecutionState
    """What the append makes of it, but for positions, numbers and when it was recorded."""


class _Planned(Struct, frozen=True, gc=False):
    reads: tuple[StreamWrite, ...]
    """The streams it was made from, the job's own first."""
    definition: Definition
    steps: tuple[x.PlannedStep, ...]


Creation: TypeAlias = Created | KeyReused | Rejection


class Executions:
    """Executions of all organizations."""

    def __init__(self, store: Store, jobs: Jobs, clock: Clock) -> None:
        self._store = store
        self._jobs = jobs
        self._clock = clock
        self.streams = Streams[ExecutionState](store, follow, cache_size=CACHE_SIZE)
        self._plans: OrderedDict[str, _Planned] = OrderedDict()

    async def create(
        self,
        context: Context,
        wanted: NewExecution,
        *,
        last_run: LookUpLastRun | None = None,
        also: Also = Also(),  # noqa: B008 - frozen
    ) -> Creation:
        """Create an execution of a job.

        Idempotent: under an idempotency key.

        Raises:
            Unavailable: nothing is known of the outcome; repeat under the same idempotency key.
        """
        fresh = False
        for _ in range(MAX_TRIES):
            prepared = await self.prepare(
                context, wanted, last_run=last_run, also=also, fresh=fresh
            )
            if not isinstance(prepared, Ready):
                if not fresh:
                    fresh = True
                    continue
                return prepared
            try:
                records = await self._store.append(prepared.append)
            except WrongExpectedVersion:
                fresh = True
                continue
            except ClaimTaken as taken:
                if wanted.dispatch_at_once and await self._queues(context, wanted, taken.key):
                    wanted = replace(wanted, dispatch_at_once=False)
                    continue
                outcome = await self.on_claim_taken(taken, context, wanted, also)
                if outcome is None:
                    continue
                return outcome
            return Created(self.created(prepared, records), records)
        message = f"job {wanted.job_id} is being changed by too many at once"
        raise Unavailable(message, retry_after_s=0.5)

    def created(self, ready: Ready, records: Sequence[AnyRecorded]) -> ExecutionState:
        """Give the state of an execution that was appended, and remember it."""
        own = [record for record in records if record.stream == ready.stream]
        if own[0].event is ready.foreseen.created:
            loaded = Loaded(arrived(ready.foreseen, own), own[-1].version)
            self.streams.keep_new(ready.stream, loaded)
        else:
            loaded = self.streams.fold(ready.stream, Loaded(None, 0), own)
        if loaded.state is None:
            raise AssertionError(ready.stream)
        return loaded.state

    async def create_plan(
        self, context: Context, wanted: Sequence[NewExecution]
    ) -> PlanCreated | Rejection:
        """Create the executions of a plan in one append: all of them, or none.

        Each has its uuid already; they may wait for each other.

        Raises:
            Unavailable: nothing is known of the outcome.
        """
        siblings = frozenset(one.uuid for one in wanted if one.uuid is not None)
        fresh = False
        for _ in range(MAX_TRIES):
            readies: list[Ready] = []
            for one in wanted:
                ready = await self.prepare(context, one, fresh=fresh, siblings=siblings)
                if not isinstance(ready, Ready):
                    break
                readies.append(ready)
            else:
                try:
                    append = combined([ready.append for ready in readies])
                    records = await self._store.append(append)
                except WrongExpectedVersion:
                    fresh = True
                    continue
                except ClaimTaken as taken:
                    return _slot_taken(taken)
                return PlanCreated(
                    tuple(self.created(ready, records) for ready in readies), records
                )
            if fresh:
                return ready
            fresh = True
        raise Unavailable("the plan's jobs are being changed by too many", retry_after_s=0.5)

    async def restart(
        self, context: Context, old: ExecutionState, wanted: NewExecution
    ) -> Creation:
        """Run a failed or aborted execution's work again, from the step where it ended."""
        if old.erased:
            return ContentErased(execution=old.uuid)
        if old.is_open:
            return NotFinished(execution=old.uuid, status=old.status)
        if old.status == "finished" and old.outcome != "error":
            return NotRestartable(job_id=old.job_id, reason="the execution did not fail")

        async def last_run() -> LastRun:
            return LastRun(uuid=old.uuid, failed=True)

        return await self.create(context, replace(wanted, trigger="restart"), last_run=last_run)

    async def prepare(
        self,
        context: Context,
        wanted: NewExecution,
        *,
        last_run: LookUpLastRun | None = None,
        also: Also = Also(),  # noqa: B008 - frozen
        siblings: frozenset[UUID] = frozenset(),
        fresh: bool,
    ) -> Ready | Rejection:
        """Make everything ready for an execution but the append itself.

        *siblings* are created in the same append; without *fresh* it may be decided on definitions
        that are behind, which the append finds out.
        """
        job = await self._jobs.read(context.organization, wanted.job_id, fresh=fresh)
        definition = definition_of(job)
        if job.state is None or definition is None:
            return JobUnknown(job_id=wanted.job_id)
        plan = await self._plan(context.organization, job.state, fresh=fresh)
        if not isinstance(plan, _Planned):
            return plan
        given = arguments(definition, wanted.parameters)
        if isinstance(given, ParameterInvalid):
            return given
        begin = await self._begin(wanted, plan, last_run)
        if not isinstance(begin, _Begin):
            return begin
        upstreams = await self._upstreams(context, wanted, siblings)
        if not isinstance(upstreams, _Upstreams):
            return upstreams
        planned_for = plan.definition
        if wanted.when_running is not None:
            policies = replace(planned_for.policies, when_running=wanted.when_running)
            planned_for = replace(planned_for, policies=policies)
        now = self._clock()
        uuid = wanted.uuid or new_uuid()
        stream = execution_stream(uuid)
        dispatches = wanted.dispatch_at_once and not wanted.waits_for
        slot = await self._free_slot(planned_for, context, wanted.job_id) if dispatches else 0
        created = x.ExecutionCreated(
            uuid=uuid,
            job_id=wanted.job_id,
            job_uuid=job.state.uuid,
            job_number=job.state.number,
            definition=planned_for,
            steps=plan.steps,
            name=wanted.name,
            description=wanted.description,
            tags=definition.tags if wanted.tags is None else wanted.tags,
            labels=definition.labels if wanted.labels is None else wanted.labels,
            parameters=given,
            input=wanted.input,
            attributes=wanted.attributes,
            trigger=wanted.trigger,
            client_id=wanted.client_id,
            user=wanted.user,
            restart_of=begin.restart_of,
            first_step=begin.step,
            plan=wanted.plan,
            waits_for=wanted.waits_for,
        )
        command = c.Create(
            created=created,
            run_at=wanted.run_at,
            upstreams_done=upstreams.done,
            dispatch_at_once=dispatches and slot is not None,
            slot=slot or 0,
            occurred_at=wanted.occurred_at,
        )
        facts = decide(None, command, now, uuid=uuid)
        if not isinstance(facts, tuple):
            return facts
        foreseen = ahead(None, facts, now=now, organization=context.organization)
        planned = _timer_and_keys(stream, foreseen, facts, now)
        owned = (Claim(key=key, stream=stream, expires_at=also.keys_expire_at) for key in also.keys)
        return Ready(
            uuid=uuid,
            stream=stream,
            foreseen=foreseen,
            append=Append(
                context=context,
                writes=(
                    StreamWrite(
                        stream=stream, expected_version=0, facts=facts, due_at=planned.due_at
                    ),
                    *plan.reads,
                    *upstreams.reads,
                ),
                # In this order they are refused: a repeated request learns what it made first.
                claims=(*_idempotency(context, wanted, stream, now), *owned, *planned.claims),
                releases=(*planned.releases, *also.releases),
            ),
        )

    async def _begin(
        self, wanted: NewExecution, plan: _Planned, last_run: LookUpLastRun | None
    ) -> "_Begin | Rejection":
        """Find the step to begin at: the first, unless the job or the caller wants to go on."""
        when_failed = plan.definition.policies.when_failed
        resumes = wanted.trigger == "restart" or when_failed == "resume"
        if last_run is None or not (resumes or when_failed == "refuse"):
            return _AT_FIRST
        last = await last_run()
        if last is None or not last.failed:
            return _AT_FIRST
        if not resumes:
            return NotRestartable(job_id=wanted.job_id, reason="its last execution failed")
        step = await self._resume_point(last.uuid, plan.steps)
        return _Begin(step, restart_of=last.uuid) if isinstance(step, int) else step

    async def _upstreams(
        self, context: Context, wanted: NewExecution, siblings: frozenset[UUID]
    ) -> "_Upstreams | Rejection":
        """Look at what an execution is to wait for; what is open must stay so until the append."""
        reads: list[StreamWrite] = []
        for uuid in dict.fromkeys(wanted.waits_for):
            if uuid in siblings:
                continue
            stream = execution_stream(uuid)
            loaded = await self.streams.refresh(stream)
            state = loaded.state
            if state is None or state.organization != context.organization or state.deleted:
                return ExecutionGone(execution=uuid)
            if state.is_open:
                reads.append(StreamWrite(stream=stream, expected_version=loaded.version))
            elif not ended_well(state):
                reason = "it did not end well"
                return WrongState(command="wait for", status=state.status, reason=reason)
        waits_still = bool(reads) or not siblings.isdisjoint(wanted.waits_for)
        return _Upstreams(reads=tuple(reads), done=not waits_still)

    async def _free_slot(self, definition: Definition, context: Context, job_id: str) -> int | None:
        """Find a place for one more running execution; 0 when there is no limit, None when full."""
        limit = definition.policies.max_running
        if limit is None:
            return 0
        prefix = f"{running_key(context.organization, job_id)}/"
        taken = {claim.key for claim in await self._store.claims_under(prefix)}
        places = range(1, limit + 1)
        return next((at for at in places if f"{prefix}{at}" not in taken), None)

    async def start(
        self, context: Context, uuid: UUID, command: c.Start
    ) -> Done[ExecutionState] | Rejection | StaleVersion:
        """Give an execution to a worker, in one of its job's places if they are limited.

        Raises:
            ClaimTaken: its job runs as often as it may.
        """
        state = (await self.streams.load(execution_stream(uuid))).state
        if state is None or state.policies.max_running is None or state.slot:
            return await self.act(context, uuid, command)
        for _ in range(MAX_TRIES):
            slot = await self._free_slot(state.created.definition, context, state.job_id)
            if slot is None:
                break
            with suppress(ClaimTaken):  # another start was faster; look for the next place
                return await self.act(context, uuid, replace(command, slot=slot))
        raise ClaimTaken(running_key(context.organization, state.job_id), "", None)

    async def _resume_point(
        self, uuid: UUID, steps: Sequence[x.PlannedStep]
    ) -> int | RestartImpossible:
        """Find the step at which a failed execution's work goes on, if the plan still fits."""
        old = (await self.streams.refresh(execution_stream(uuid))).state
        if old is None:
            return 1
        done = list(takewhile(_is_done, old.steps))
        for step, now in zip_longest(done, steps[: len(done)]):
            if now is None or (step.plan.step_id, step.plan.scope) != (now.step_id, now.scope):
                found = "gone" if now is None else f"{now.step_id!r} now"
                reason = f"step {step.plan.index} was {step.plan.step_id!r} and is {found}"
                return RestartImpossible(job_id=old.job_id, reason=reason)
        first = len(done) + 1
        if first > len(steps):
            reason = "every step was done already"
            return RestartImpossible(job_id=old.job_id, reason=reason)
        return first

    async def _plan(self, organization: str, job: JobState, *, fresh: bool) -> _Planned | Rejection:
        """Expand a job, remembering the expansion for as long as nothing it read has changed."""
        stream = job_stream(organization, job.job_id)
        known = self._plans.get(stream)
        if known is not None and not fresh and known.reads[0].expected_version == job.version:
            self._plans.move_to_end(stream)
            return known
        versions = {stream: job.version}
        definitions: dict[str, Definition] = {}
        wanted = list(included_jobs(job.definition))
        while wanted:
            job_id = wanted.pop()
            if job_id in definitions or len(versions) > 100:
                continue
            included = await self._jobs.read(organization, job_id, fresh=fresh)
            versions[job_stream(organization, job_id)] = included.version
            definition = definition_of(included)
            if definition is not None:
                definitions[job_id] = definition
                wanted.extend(included_jobs(definition))
        steps = expand(job.job_id, job.definition, definitions)
        if not isinstance(steps, tuple):
            return steps
        reads = tuple(
            StreamWrite(stream=read, expected_version=version) for read, version in versions.items()
        )
        planned = _Planned(reads, replace(job.definition, steps=()), steps)
        self._plans[stream] = planned
        while len(self._plans) > PLAN_CACHE_SIZE:
            self._plans.popitem(last=False)
        return planned

    async def _queues(self, context: Context, wanted: NewExecution, key: str) -> bool:
        """Whether what was taken is the slot of a job whose executions wait for it."""
        state = (await self._jobs.read(context.organization, wanted.job_id, fresh=False)).state
        running = running_key(context.organization, wanted.job_id)
        if key.startswith(f"{running}/"):
            return True
        queues = state is not None and state.definition.policies.when_running == "queue"
        return queues and key == running

    async def on_claim_taken(
        self, taken: ClaimTaken, context: Context, wanted: NewExecution, also: Also
    ) -> Creation | None:
        """Answer for a key that is owned; None when its owner let go meanwhile."""
        owner = execution_of(taken.owner)
        if taken.key in also.keys and owner is not None:
            state = (await self.streams.refresh(taken.owner)).state
            return Created(state, (), is_new=False) if state is not None else None
        if owner is None:
            return None
        if taken.key.startswith("idempotency/"):
            if taken.value != _request_digest(wanted):
                return KeyReused(key=wanted.idempotency_key or "")
            state = (await self.streams.refresh(taken.owner)).state
            return Created(state, (), is_new=False) if state is not None else None
        if taken.key == running_key(context.organization, wanted.job_id):
            return AlreadyRunning(job_id=wanted.job_id, execution=owner)
        if taken.key == waiting_key(context.organization, wanted.job_id):
            state = (await self.streams.refresh(taken.owner)).state
            return Created(state, (), is_new=False) if state is not None else None
        return None

    async def act(
        self,
        context: Context,
        uuid: UUID,
        command: c.Command,
        *,
        if_version: int | None = None,
    ) -> Done[ExecutionState] | Rejection | StaleVersion:
        """Put a command to an execution that exists.

        A refused late report is put on record here, once.

        Raises:
            ClaimTaken: a start that needs its job's running slot, which another execution owns.
        """
        stream = execution_stream(uuid)
        outcome = await self.streams.change(
            stream,
            lambda state: decide(state, command, self._clock(), uuid=uuid),
            context,
            plan=lambda state, facts: self.planned(stream, context.organization, state, facts),
            if_version=if_version,
        )
        if isinstance(outcome, ReportFenced) and outcome.record is not None:
            record = outcome.record
            await self.streams.change(
                stream,
                lambda state: (
                    ()
                    if state is None or record.fence in state.refused_fences
                    else (Fact(record, self._clock()),)
                ),
                context,
                plan=lambda state, facts: self.planned(stream, context.organization, state, facts),
            )
        return outcome

    def planned(
        self,
        stream: str,
        organization: str,
        state: ExecutionState | None,
        facts: tuple[Fact[Any], ...],
    ) -> Planned:
        """Derive an append's timer and keys from the state it leads to."""
        now = self._clock()
        after = ahead(state, facts, now=now, organization=organization)
        return _timer_and_keys(stream, after, facts, now)


def _timer_and_keys(
    stream: str, after: ExecutionState, facts: tuple[Fact[Any], ...], now: datetime
) -> Planned:
    claims, releases = changes(after, [fact.event for fact in facts])
    return Planned(
        due_at=look_again_at(after, now),
        claims=tuple([Claim(key=key, stream=stream) for key in claims]),
        releases=tuple([Release(key=key, stream=stream) for key in releases]),
    )


class _Begin(Struct, frozen=True, gc=False):
    step: int
    restart_of: UUID | None = None


_AT_FIRST: Final = _Begin(1)


class _Upstreams(Struct, frozen=True, gc=False):
    reads: tuple[StreamWrite, ...]
    done: bool
    """Whether nothing of it is open."""


def ended_well(state: ExecutionState) -> bool:
    """Whether what waits for an execution may go on after it."""
    return state.status == "finished" and state.outcome in ("ok", "warning")


def combined(appends: Sequence[Append]) -> Append:
    """Put several appends into one; all of them are of one context.

    Raises:
        WrongExpectedVersion: they found a stream at different versions; read it again.
    """
    writes: dict[str, StreamWrite] = {}
    for write in (write for append in appends for write in append.writes):
        known = writes.get(write.stream)
        if known is not None and known.expected_version != write.expected_version:
            raise WrongExpectedVersion(write.stream, known.expected_version, write.expected_version)
        if known is None or write.facts:
            writes[write.stream] = write
    return Append(
        context=appends[0].context,
        writes=tuple(writes.values()),
        claims=tuple(claim for append in appends for claim in append.claims),
        releases=tuple(release for append in appends for release in append.releases),
    )


def _slot_taken(taken: ClaimTaken) -> Rejection:
    """Say whose running or waiting execution a plan's job has; the key tells the job."""
    owner = execution_of(taken.owner)
    return AlreadyRunning(job_id=taken.key.split("/")[2], execution=owner or UUID(int=0))


def _is_done(step: StepState) -> bool:
    succeeded = step.status == "finished" and step.outcome in ("ok", "warning")
    return step.status == "skipped" or succeeded


def _idempotency(
    context: Context, wanted: NewExecution, stream: str, now: datetime
) -> tuple[Claim, ...]:
    if wanted.idempotency_key is None:
        return ()
    key = f"idempotency/{context.organization}/{context.actor}/{wanted.idempotency_key}"
    return (
        Claim(
            key=key,
            stream=stream,
            value=_request_digest(wanted),
            expires_at=now + IDEMPOTENCY_HORIZON,
        ),
    )


def _request_digest(wanted: NewExecution) -> bytes:
    told: Mapping[str, Any] = msgspec.to_builtins(
        replace(wanted, occurred_at=None, dispatch_at_once=False)
    )
    return hashlib.sha256(msgspec.json.encode(told, order="deterministic")).digest()
