"""Jobs that run by themselves: each due time has exactly one execution, or a reason why not.

A job's stream is its schedule's memory. `job.schedule_fired` goes into the append that creates the
execution, `job.schedule_skipped` says why there is none, and both move on what is due next; the
stream's expected version lets one process of many do either, and the key
`schedule/<organization>/<job>/<due>` would refuse a second execution even then. The timer wakes a job
by its stream's `due_at`, which every append sets to the next due time in the same transaction, so a
crash at any line leaves a due time either handled or due.

Policies, in this order: a paused schedule skips; a due time that is later than its catch-up window
(and than `GRACE_S`, since no clockwork is punctual) skips; while the schedule's last execution is
open, `skip` skips, `queue` makes one that waits for its job's slot, and `cancel_old` asks the old one
to stop in the same append. What the ledger refuses (a job that is running already, a required
parameter, an include that is gone) is skipped with the refusal's words.

Limit: a job that resumes or refuses after a failure looks at its schedule's own last execution; ones
that were started otherwise are not known here.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from msgspec import Struct

from ledger.clock import Clock
from ledger.errors import ClaimTaken, WrongExpectedVersion
from ledger.events.definition import Schedule
from ledger.executions import commands as x
from ledger.executions.decide import decide
from ledger.executions.state import ExecutionState
from ledger.handle.executions import Also, Executions, LastRun, NewExecution, Ready, combined
from ledger.handle.jobs import Jobs, planned
from ledger.handle.streams import Loaded
from ledger.ids import execution_stream, job_stream
from ledger.jobs import commands as c
from ledger.jobs.decide import decide as decide_job
from ledger.jobs.schedule import due_until, look_again_at
from ledger.jobs.state import JobState
from ledger.rejection import REJECTIONS, Rejection
from ledger.store.port import Append, Context, StreamWrite
from ledger.store.postgres import PostgresStore

ACTOR: Final = "ledger"
GRACE_S: Final = 30.0
"""How late a due time may be without counting as missed."""
KEY_HORIZON: Final = timedelta(days=7)
AT_ONCE: Final = 500
"""Due times looked at together; as many skips go into one append."""
MAX_ROUNDS: Final = 200
MAX_TRIES: Final = 12

_log = structlog.get_logger(__name__)


class _Fired(Struct, frozen=True):
    ready: Ready
    append: Append


class Scheduler:
    """Handles what is due of one job at a time; the timer says of which."""

    def __init__(
        self, store: PostgresStore, jobs: Jobs, executions: Executions, clock: Clock
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._executions = executions
        self._clock = clock

    async def run_due(self, stream: str) -> None:
        """Fire or skip every due time of a job that has come.

        Idempotent: what another process did meanwhile is left as it is.

        Raises:
            Unavailable: the store did not answer; what is left is still due.
        """
        tries = 0
        for again in range(MAX_ROUNDS):
            # What this process did to the job in the round before is known already.
            streams = self._jobs.streams
            known = again and not tries
            loaded = await (streams.load(stream) if known else streams.refresh(stream))
            state = loaded.state
            dues = () if state is None else due_until(state, self._clock(), AT_ONCE)
            if state is None or state.schedule is None or not dues:
                at = None if state is None else look_again_at(state)
                await self._store.set_due(stream, loaded.version, at)
                return
            try:
                await self._handle(loaded, state, state.schedule, dues, fresh=tries > 0)
            except WrongExpectedVersion:
                tries += 1  # somebody else was faster; look what is left
                if tries >= MAX_TRIES:
                    return  # the timer comes back
            else:
                tries = 0

    async def _handle(
        self,
        loaded: Loaded[JobState],
        state: JobState,
        schedule: Schedule,
        dues: tuple[datetime, ...],
        *,
        fresh: bool,
    ) -> None:
        """Handle the first due time, and with it those that are skipped for the same reason."""
        if schedule.paused:
            await self._skip(loaded, state, dues, "the schedule is paused")
            return
        window_s = max(schedule.catch_up_s, GRACE_S)
        late_before = self._clock() - timedelta(seconds=window_s)
        missed = tuple(due for due in dues if due < late_before)
        if missed:
            await self._skip(loaded, state, missed, f"missed by more than {window_s:g} s")
            return
        due = dues[0]
        last = await self._last(state)
        if last is not None and last.is_open and schedule.overlap == "skip":
            reason = f"overlap: execution {last.number} of the schedule is {last.status}"
            await self._skip(loaded, state, dues, reason)
            return
        fired = await self._fire(state, schedule, due, last, loaded=loaded, fresh=fresh)
        if isinstance(fired, str):
            await self._skip(loaded, state, (due,), fired)
            return
        try:
            records = await self._store.append(fired.append)
        except ClaimTaken as taken:
            await self._skip(loaded, state, (due,), _words_for_key(taken))
            return
        self._executions.created(fired.ready, records)
        stream = job_stream(state.organization, state.job_id)
        own = [record for record in records if record.stream == stream]
        self._jobs.streams.fold(stream, loaded, own)

    async def _fire(
        self,
        state: JobState,
        schedule: Schedule,
        due: datetime,
        last: ExecutionState | None,
        *,
        loaded: Loaded[JobState],
        fresh: bool,
    ) -> _Fired | str:
        """Make the append that fires a due time ready; or say why it is skipped."""
        context = Context(organization=state.organization, actor=ACTOR)
        writes: list[Append] = []
        if last is not None and last.is_open and schedule.overlap == "cancel_old":
            canceling = self._cancel(context, last)
            if isinstance(canceling, str):
                return canceling
            writes.extend(canceling)
        failed = last is not None and last.status == "finished" and last.outcome == "error"
        wanted = NewExecution(
            job_id=state.job_id,
            trigger="schedule",
            when_running=None if schedule.overlap == "skip" else "queue",
        )

        async def last_run() -> LastRun | None:
            return LastRun(last.uuid, failed) if last is not None and not last.is_open else None

        also = Also(keys=(_key(state, due),), keys_expire_at=self._clock() + KEY_HORIZON)
        ready = await self._executions.prepare(
            context, wanted, last_run=last_run, also=also, fresh=fresh
        )
        if not isinstance(ready, Ready):
            # Not for what a cache remembers: a refusal is put on record.
            ready = await self._executions.prepare(
                context, wanted, last_run=last_run, also=also, fresh=True
            )
        if not isinstance(ready, Ready):
            return words(ready)
        command = c.Fire(due_at=due, execution=ready.uuid)
        job = self._job_append(context, loaded, state, command)
        return _Fired(ready, combined([ready.append, job, *writes]))

    async def _last(self, state: JobState) -> ExecutionState | None:
        if state.scheduled is None:
            return None
        streams, stream = self._executions.streams, execution_stream(state.scheduled)
        known = (await streams.load(stream)).state
        if known is not None and not known.is_open:
            return known
        return (await streams.refresh(stream)).state

    def _cancel(self, context: Context, old: ExecutionState) -> list[Append] | str:
        command = x.Cancel(reason="the schedule's next run is due")
        facts = decide(old, command, self._clock())
        if not isinstance(facts, tuple):
            return f"overlap: execution {old.number} of the schedule cannot be canceled"
        if not facts:
            return []
        stream = execution_stream(old.uuid)
        plan = self._executions.planned(stream, context.organization, old, facts)
        write = StreamWrite(
            stream=stream, expected_version=old.version, facts=facts, due_at=plan.due_at
        )
        return [
            Append(context=context, writes=(write,), claims=plan.claims, releases=plan.releases)
        ]

    def _job_append(
        self, context: Context, loaded: Loaded[JobState], state: JobState, command: c.Fire | c.Skip
    ) -> Append:
        facts = decide_job(state, command, self._clock(), job_id=state.job_id)
        if not isinstance(facts, tuple) or not facts:
            raise AssertionError(command)
        plan = planned(state.organization, state.job_id, state, facts)
        stream = job_stream(state.organization, state.job_id)
        write = StreamWrite(
            stream=stream, expected_version=loaded.version, facts=facts, due_at=plan.due_at
        )
        return Append(context=context, writes=(write,))

    async def _skip(
        self, loaded: Loaded[JobState], state: JobState, dues: tuple[datetime, ...], reason: str
    ) -> None:
        context = Context(organization=state.organization, actor=ACTOR)
        command = c.Skip(due_at=dues, reason=reason)
        records = await self._store.append(self._job_append(context, loaded, state, command))
        stream = job_stream(state.organization, state.job_id)
        self._jobs.streams.fold(stream, loaded, records)
        _log.info(
            "due times skipped",
            job=state.job_id,
            due_times=len(dues),
            reason=reason.split(":", maxsplit=1)[0],
        )


def _key(state: JobState, due: datetime) -> str:
    at = due.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return f"schedule/{state.organization}/{state.job_id}/{at}"


def _words_for_key(taken: ClaimTaken) -> str:
    kind = taken.key.partition("/")[0]
    match kind:
        case "schedule":
            return "it has its execution already"
        case "waiting":
            return "an execution of the job is waiting already, and does for this one too"
        case _:
            return "the job is running already and allows one execution at a time"


def words(refusal: Rejection) -> str:
    """Say briefly why nothing was created; never what a caller gave."""
    if not isinstance(refusal, REJECTIONS):
        raise TypeError(refusal)
    told: dict[str, Any] = {
        name: getattr(refusal, name)
        for name in ("job_id", "path", "name", "reason")
        if getattr(refusal, name, "")
    }
    kind = "".join(f" {a.lower()}" if a.isupper() else a for a in type(refusal).__name__).strip()
    return ": ".join((kind, ", ".join(str(value) for value in told.values())))
