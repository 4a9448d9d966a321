"""An execution as its events say it is: the fold that decisions, views and replays share."""

from datetime import datetime
from typing import Any, Literal, assert_never
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from ledger.errors import Corrupt
from ledger.events import executions as x
from ledger.events.definition import Policies
from ledger.events.envelope import Recorded
from ledger.events.executions import ExecutionEvent

Status = Literal["pending", "running", "pausing", "paused", "aborting", "finished", "aborted"]
WaitingFor = Literal["time", "dependency", "capacity", "worker"]
StepStatus = Literal["pending", "running", "finished", "skipped", "aborted"]

OPEN_STATUSES: frozenset[Status] = frozenset(
    ("pending", "running", "pausing", "paused", "aborting")
)


class Misordered(Corrupt):
    """An execution's stream does not begin with its creation, or has two."""

    def __init__(self, stream: str, event_type: str) -> None:
        self.stream = stream
        super().__init__(f"{event_type} is out of place in stream {stream}")


class StepState(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The run of one planned step."""

    plan: x.PlannedStep
    status: StepStatus = "pending"
    number: int | None = None
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    modified_at: datetime | None = None
    outcome: x.Outcome | None = None
    exit_code: str = ""
    message: str = ""
    progress: x.Progress = x.Progress()
    log: str = ""


class Held(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a pause interrupts, and a resume goes back to."""

    status: Literal["pending", "running"]
    waiting_for: WaitingFor | None = "worker"
    ready_at: datetime | None = None


class ExecutionState(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One execution, folded up to `version`.

    `previous_status` is the one before the current; `modified_at` is when the ledger recorded the
    last change. Instants told by reporters (`started_at`, `ended_at`) may lie before it.
    """

    created: x.ExecutionCreated
    number: int
    organization: str
    created_at: datetime
    modified_at: datetime
    created_position: int
    position: int
    version: int
    known_at: datetime | None = None
    """When the ledger recorded the creation; no deadline counts from before it."""
    status: Status = "pending"
    previous_status: Status | None = None
    waiting_for: WaitingFor | None = "worker"
    ready_at: datetime | None = None
    """Since when (or from when on) a worker may take it; None while it waits for upstreams."""
    attempt: int = 1
    fence: int = 0
    slot: int = 0
    """Its place among its job's running ones, from start to end; 0 without a limit."""
    worker: str = ""
    lease: UUID | None = None
    lease_losses: int = 0
    let_go: Literal["expired", "handed_back"] | None = None
    """Why the last worker's hold ended before its work did, if it did."""
    held: Held | None = None
    resumed_at: datetime | None = None
    refused_fences: tuple[int, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    deadline_at: datetime | None = None
    """End of the grace that pausing, paused or aborting has."""
    outcome: x.Outcome | None = None
    exit_code: str = ""
    message: str = ""
    cause: x.Cause | None = None
    progress: x.Progress = x.Progress()
    steps: tuple[StepState, ...] = ()
    output: Any = None
    attachments: tuple[x.Attachment, ...] = ()
    metrics: dict[str, float] = {}
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    deleted: bool = False
    erased: bool = False

    @property
    def uuid(self) -> UUID:
        """The execution's primary id."""
        return self.created.uuid

    @property
    def job_id(self) -> str:
        """The job it runs."""
        return self.created.job_id

    @property
    def policies(self) -> Policies:
        """What the job said, when this was created, the ledger does by itself."""
        return self.created.definition.policies

    @property
    def is_open(self) -> bool:
        """Whether anything is still to happen to it."""
        return self.status in OPEN_STATUSES

    @property
    def is_owned(self) -> bool:
        """Whether a worker holds it now."""
        return self.lease is not None

    def step(self, index: int) -> StepState | None:
        """Give the step at a 1-based place in the plan."""
        return self.steps[index - 1] if 1 <= index <= len(self.steps) else None


def evolve(state: ExecutionState | None, fact: Recorded[ExecutionEvent]) -> ExecutionState:
    """Take one more event into account.

    Order: facts of one stream, by version, without a gap; the first is `execution.created`.
    """
    event = fact.event
    if state is None:
        if not isinstance(event, x.ExecutionCreated):
            raise Misordered(fact.stream, fact.type)
        return begin(event, fact)
    changes = _changes(state, event, fact)
    if "status" in changes and changes["status"] != state.status:
        changes["previous_status"] = state.status
    return replace(
        state,
        position=fact.position,
        version=fact.version,
        modified_at=fact.recorded_at,
        **changes,
    )


def begin(event: x.ExecutionCreated, fact: Recorded[Any]) -> ExecutionState:
    """Give the state that a creation leads to; *fact* is its envelope."""
    first = event.first_step
    return ExecutionState(
        created=event,
        number=fact.number or 0,
        organization=fact.organization,
        created_at=fact.occurred_at,
        modified_at=fact.recorded_at,
        created_position=fact.position,
        position=fact.position,
        version=fact.version,
        known_at=fact.recorded_at,
        waiting_for="dependency" if event.waits_for else "worker",
        ready_at=None if event.waits_for else fact.occurred_at,
        name=event.name,
        description=event.description,
        tags=event.tags,
        labels=event.labels,
        steps=tuple(
            [
                StepState(plan=step, status="skipped" if step.index < first else "pending")
                for step in event.steps
            ]
        ),
    )


_UNOWNED: dict[str, Any] = {"lease": None, "worker": "", "deadline_at": None}


def _changes(  # noqa: C901 - one case for each event, in the order of a life
    state: ExecutionState, event: ExecutionEvent, fact: Recorded[ExecutionEvent]
) -> dict[str, Any]:
    match event:
        case x.ExecutionCreated():
            raise Misordered(fact.stream, fact.type)
        case x.ExecutionScheduled():
            return {"waiting_for": "time", "ready_at": event.run_at}
        case x.ExecutionReleased():
            if state.held is not None:
                return {"held": Held(status=state.held.status)}
            return {"waiting_for": "worker", "ready_at": fact.occurred_at}
        case x.ExecutionStarted():
            # One dispatched by the ledger has nobody yet; a recorder has a name and no lease.
            waits = event.lease is None and not event.worker
            return {
                "status": "running",
                "waiting_for": "worker" if waits else None,
                "ready_at": fact.occurred_at if waits else None,
                "let_go": None,
                "attempt": event.attempt,
                "fence": event.fence,
                "slot": event.slot or state.slot,
                "worker": event.worker,
                "lease": event.lease,
                "started_at": state.started_at or fact.occurred_at,
            }
        case x.ExecutionProgressed():
            return {"progress": merge(state.progress, event.progress)}
        case x.PauseRequested():
            return {"status": "pausing", "deadline_at": event.deadline_at, "held": _held(state)}
        case x.ExecutionPaused():
            return {
                **_UNOWNED,
                "status": "paused",
                "waiting_for": None,
                "ready_at": None,
                "deadline_at": event.limit_at,
                "steps": _interrupted(state, fact, "pending"),
            }
        case x.ExecutionResumed():
            held = state.held or Held(status="running" if state.started_at else "pending")
            return {
                "status": held.status,
                "waiting_for": held.waiting_for,
                "ready_at": fact.occurred_at if held.waiting_for == "worker" else held.ready_at,
                "deadline_at": None,
                "held": None,
                "resumed_at": fact.occurred_at,
            }
        case x.CancelRequested():
            return {"status": "aborting", "deadline_at": event.deadline_at}
        case x.ExecutionCanceled():
            return {
                **_UNOWNED,
                "status": "aborted",
                "waiting_for": None,
                "ready_at": None,
                "ended_at": fact.occurred_at,
                "cause": event.cause,
                "message": event.message,
                "steps": _interrupted(state, fact, "aborted"),
            }
        case x.LeaseLost():
            lost = 0 if event.reason == "handed_back" else 1
            return {
                **_UNOWNED,
                "status": "pending",
                "waiting_for": "worker",
                "ready_at": fact.occurred_at,
                "lease_losses": state.lease_losses + lost,
                "let_go": event.reason,
                "steps": _interrupted(state, fact, "pending"),
            }
        case x.RetryScheduled():
            wait: WaitingFor = "worker" if event.run_at <= fact.occurred_at else "time"
            pausing = state.status == "pausing"
            return {
                **_UNOWNED,
                "status": "pending",
                "waiting_for": wait,
                "ready_at": event.run_at,
                "held": Held(status="pending", waiting_for=wait, ready_at=event.run_at)
                if pausing
                else None,
                "attempt": event.attempt,
                "steps": _to_retry(state),
            }
        case x.ExecutionFinished():
            return {
                **_UNOWNED,
                "status": "finished",
                "waiting_for": None,
                "ready_at": None,
                "ended_at": fact.occurred_at,
                "outcome": event.outcome,
                "exit_code": event.exit_code,
                "message": event.message,
                "cause": event.cause,
                "steps": _interrupted(state, fact, "aborted"),
            }
        case x.ExecutionDescribed():
            told = {
                name: getattr(event, name) for name in ("name", "description", "tags", "labels")
            }
            return {name: value for name, value in told.items() if value is not None}
        case x.OutputSet():
            told = {name: getattr(event, name) for name in ("output", "attachments", "metrics")}
            return {name: value for name, value in told.items() if value is not None}
        case x.ExecutionDeleted():
            return {"deleted": True}
        case x.ExecutionErased():
            return {"erased": True}
        case x.StepStarted():
            return {
                "steps": _step_changed(
                    state,
                    event.index,
                    fact,
                    {
                        "status": "running",
                        "number": fact.number,
                        "attempt": event.attempt,
                        "started_at": fact.occurred_at,
                        "ended_at": None,
                        "outcome": None,
                        "exit_code": "",
                        "message": "",
                        "progress": x.Progress(),
                    },
                )
            }
        case x.StepProgressed():
            step = state.steps[event.index - 1]
            return {
                "steps": _step_changed(
                    state, event.index, fact, {"progress": merge(step.progress, event.progress)}
                )
            }
        case x.StepFinished():
            step = state.steps[event.index - 1]
            return {
                "steps": _step_changed(
                    state,
                    event.index,
                    fact,
                    {
                        "status": "finished",
                        "ended_at": fact.occurred_at,
                        "outcome": event.outcome,
                        "exit_code": event.exit_code,
                        "message": event.message,
                        "progress": merge(step.progress, event.progress)
                        if event.progress
                        else step.progress,
                        "log": event.log,
                    },
                )
            }
        case x.ReportRefused():
            return {"refused_fences": (*state.refused_fences, event.fence)}
        case _:
            assert_never(event)


def _held(state: ExecutionState) -> Held | None:
    """Note what a pause interrupts; who owned it lets go, so another worker must take it."""
    if state.status not in ("pending", "running"):
        return state.held
    if state.is_owned:
        return Held(status="running")
    return Held(status=state.status, waiting_for=state.waiting_for, ready_at=state.ready_at)


def merge(old: x.Progress, new: x.Progress) -> x.Progress:
    """Put what *new* tells over what *old* told; counters are merged name by name."""
    told = {
        name: value
        for name in (
            "percent",
            "total_items",
            "processed_items",
            "failed_items",
            "success_count",
            "failure_count",
        )
        if (value := getattr(new, name)) is not None
    }
    return replace(
        old,
        **told,
        counters={**old.counters, **new.counters} if new.counters else old.counters,
        message=new.message or old.message,
    )


def _step_changed(
    state: ExecutionState, index: int, fact: Recorded[ExecutionEvent], changes: dict[str, Any]
) -> tuple[StepState, ...]:
    changed = replace(state.steps[index - 1], modified_at=fact.recorded_at, **changes)
    return (*state.steps[: index - 1], changed, *state.steps[index:])


def _interrupted(
    state: ExecutionState, fact: Recorded[ExecutionEvent], status: StepStatus
) -> tuple[StepState, ...]:
    """Close the steps that were running when the execution stopped."""
    if not any(step.status == "running" for step in state.steps):
        return state.steps
    ended = fact.occurred_at if status == "aborted" else None
    return tuple(
        replace(step, status=status, ended_at=ended, modified_at=fact.recorded_at)
        if step.status == "running"
        else step
        for step in state.steps
    )


def _to_retry(state: ExecutionState) -> tuple[StepState, ...]:
    """Make the first unfinished or failed step, and all after it, pending again."""
    first = next(
        (
            step.plan.index
            for step in state.steps
            if step.status != "skipped" and (step.status != "finished" or step.outcome == "error")
        ),
        len(state.steps) + 1,
    )
    return tuple(
        step if step.plan.index < first else replace(step, status="pending") for step in state.steps
    )
