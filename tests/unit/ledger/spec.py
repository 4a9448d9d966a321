"""Given what happened, when something is asked, then this follows.

    given(created()).when(start()).then(x.ExecutionStarted(...))

`when` may follow `then`: the facts that were decided are taken as recorded, and time goes on by
`at_s`, counted from `NOW`.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, Self, TypeVar
from uuid import UUID

from ledger.events import executions as x
from ledger.events.codec import Counter, Event, counter_of, type_of
from ledger.events.definition import Definition, Policies, RetryPolicy
from ledger.events.envelope import Fact, Recorded
from ledger.executions import commands as c
from ledger.executions.decide import decide
from ledger.executions.state import ExecutionState, evolve

S = TypeVar("S")

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
UUID_1: Final = UUID("01980000-0000-7000-8000-000000000001")
UUID_2: Final = UUID("01980000-0000-7000-8000-000000000002")
LEASE: Final = UUID("01980000-0000-7000-8000-0000000000aa")
LEASE_2: Final = UUID("01980000-0000-7000-8000-0000000000bb")
DAY_S: Final = 86_400


def after(seconds: float) -> datetime:
    """Give the instant *seconds* after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def record(fact: Fact[Any], version: int, at: datetime) -> Recorded[Any]:
    """Make of a decided fact what the log would hold."""
    event: Event = fact.event
    return Recorded(
        position=version,
        stream="execution/x",
        version=version,
        event_id=UUID_1,
        type=type_of(event),
        schema_version=1,
        organization="acme",
        actor="test",
        occurred_at=fact.occurred_at,
        recorded_at=at,
        correlation_id=None,
        causation_id=None,
        number=version if counter_of(event) is not Counter.NONE else None,
        data_digest=b"",
        event=event,
    )


class Given(Generic[S]):
    """A state, and what was decided last."""

    def __init__(
        self,
        rule: Callable[[S | None, Any, datetime], Any],
        fold: Callable[[S | None, Recorded[Any]], S],
        state: S | None = None,
        version: int = 0,
    ) -> None:
        self._rule = rule
        self._fold = fold
        self._version = version
        self._before: S | None = None
        self.state_or_none = state
        self.decision: Any = ()
        self.log: list[Event] = []

    @property
    def state(self) -> S:
        """The state, which exists."""
        assert self.state_or_none is not None
        return self.state_or_none

    def happened(self, facts: Sequence[Fact[Any]], at: datetime) -> Self:
        """Take facts as recorded."""
        for fact in facts:
            self._version += 1
            self.state_or_none = self._fold(self.state_or_none, record(fact, self._version, at))
            self.log.append(fact.event)
        return self

    def when(self, command: Any, *, at_s: float = 0) -> Self:
        """Put a command, and record what is decided."""
        now = after(at_s)
        self.decision = self._rule(self.state_or_none, command, now)
        if isinstance(self.decision, tuple):
            self.happened(self.decision, now)
        return self

    def then(self, *events: Event) -> Self:
        """Exactly these events were decided; none means that nothing was left to do."""
        assert isinstance(self.decision, tuple), self.decision
        assert [fact.event for fact in self.decision] == list(events)
        return self

    def refused(self, rejection: type, **told: Any) -> Self:
        """The command was refused so."""
        assert isinstance(self.decision, rejection), self.decision
        assert {name: getattr(self.decision, name) for name in told} == told
        return self

    def leads_to(self, **fields: Any) -> Self:
        """The state has these values."""
        assert {name: getattr(self.state, name) for name in fields} == fields
        return self


def given(*events: x.ExecutionEvent) -> Given[ExecutionState]:
    """An execution to which this happened, all at `NOW`."""

    def rule(state: ExecutionState | None, command: c.Command, now: datetime) -> Any:
        return decide(state, command, now, uuid=UUID_1)

    return Given(rule, evolve).happened([Fact(event, NOW) for event in events], NOW)


def steps(count: int) -> tuple[x.PlannedStep, ...]:
    """Plan some steps."""
    return tuple(
        x.PlannedStep(index=index, step_id=f"Step{index}", step_type_id="command")
        for index in range(1, count + 1)
    )


def created(step_count: int = 2, *, attempts: int = 1, **policies: Any) -> x.ExecutionCreated:
    """An execution of a job with these policies."""
    retry = RetryPolicy(max_attempts=attempts, delay_s=10)
    definition = Definition(policies=Policies(retry=retry, **policies))
    return x.ExecutionCreated(
        uuid=UUID_1,
        job_id="job",
        job_uuid=UUID_2,
        job_number=1,
        definition=definition,
        steps=steps(step_count),
    )


def create(**fields: Any) -> c.Create:
    """Ask for an execution; *fields* are the command's, or those of the event it leads to."""
    how = {name: fields.pop(name) for name in c.Create.__struct_fields__ if name in fields}
    created = x.ExecutionCreated(
        **{
            "uuid": UUID_1,
            "job_id": "job",
            "job_uuid": UUID_2,
            "job_number": 1,
            "definition": Definition(),
            "steps": steps(2),
            **fields,
        }
    )
    return c.Create(created=created, **how)


def started(fence: int = 1, *, attempt: int = 1, lease: UUID = LEASE) -> x.ExecutionStarted:
    """A worker's start."""
    return x.ExecutionStarted(attempt=attempt, fence=fence, worker="w", lease=lease, lease_s=15)


def start(lease: UUID = LEASE) -> c.Start:
    """Ask to give it to a worker."""
    return c.Start(worker="w", lease=lease)


def reports(*told: c.Report, fence: int | None = 1) -> c.Reports:
    """Tell something as the worker under *fence*."""
    return c.Reports(reports=told, fence=fence, worker="w")


def recorded(*told: c.Report) -> c.Reports:
    """Tell something as a recorder."""
    return c.Reports(reports=told, fence=None, worker="scanner")
