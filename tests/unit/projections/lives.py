"""Lives of executions, as facts: what the tests of projections append and fold."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from ledger.events import executions as x
from ledger.events import jobs as j
from ledger.events import keys as k
from ledger.events.codec import Counter, Event, counter_of, type_of
from ledger.events.definition import Definition, Policies, StepDefinition
from ledger.events.envelope import Fact, Recorded
from ledger.ids import execution_stream, job_stream, key_stream, new_uuid
from ledger.store.port import AnyRecorded, Append, Context, StreamWrite

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LIMIT = START + timedelta(days=1)


class World:
    """Streams that grow. Every call gives the appends of one step of one life."""

    def __init__(self, seed: int = 1) -> None:
        """Begin an empty world whose choices follow *seed*."""
        self.random = random.Random(seed)
        self.versions: dict[str, int] = {}
        self.now = START

    def append(self, stream: str, *events: Event, organization: str = "acme") -> Append:
        """Continue one stream."""
        version = self.versions.get(stream, 0)
        self.versions[stream] = version + len(events)
        facts: list[Fact[Event]] = []
        for event in events:
            self.now += timedelta(seconds=self.random.randint(1, 5))
            facts.append(Fact(event, self.now))
        return Append(
            context=Context(organization=organization, actor="tester"),
            writes=(StreamWrite(stream=stream, expected_version=version, facts=tuple(facts)),),
        )

    def job(self, job_id: str, *, organization: str = "acme", **definition: object) -> Append:
        """Define a job."""
        event = j.JobDefined(
            uuid=new_uuid(),
            job_id=job_id,
            definition=Definition(**definition),  # type: ignore[arg-type]
        )
        return self.append(job_stream(organization, job_id), event, organization=organization)

    def key(self, name: str, *, organizations: Sequence[str] = ("acme",)) -> tuple[str, Append]:
        """Create an access key."""
        uuid = new_uuid()
        event = k.KeyCreated(
            uuid=uuid,
            name=name,
            public_id=f"id-{name}",
            secret_sha256="0" * 64,
            roles=("viewer",),
            organizations=tuple(organizations),
        )
        return key_stream(uuid), self.append(key_stream(uuid), event)

    def created(
        self,
        job_id: str = "import",
        *,
        steps: Sequence[str] = ("copy", "check"),
        policies: Policies | None = None,
        tags: tuple[str, ...] = (),
        labels: dict[str, str] | None = None,
        user: str = "ada",
        uuid: UUID | None = None,
        restart_of: UUID | None = None,
    ) -> x.ExecutionCreated:
        """Make a creation."""
        planned = tuple(
            x.PlannedStep(index=index, step_id=f"s{index}", step_type_id=kind)
            for index, kind in enumerate(steps, start=1)
        )
        return x.ExecutionCreated(
            uuid=uuid or new_uuid(),
            job_id=job_id,
            job_uuid=UUID(int=1),
            job_number=1,
            definition=Definition(
                steps=tuple(
                    StepDefinition(step_id=step.step_id, step_type_id=step.step_type_id)
                    for step in planned
                ),
                policies=policies or Policies(),
            ),
            steps=planned,
            tags=tags,
            labels=labels or {},
            user=user,
            restart_of=restart_of,
        )

    def began(self) -> x.ExecutionStarted:
        """A worker takes an execution."""
        return x.ExecutionStarted(fence=1, worker="w1", lease=new_uuid(), lease_s=15.0)

    def life(self) -> list[Event]:
        """Draw a whole life, from creation to some end or none."""
        draw = self.random
        steps = [draw.choice(("copy", "check", "mail")) for _ in range(draw.randint(0, 4))]
        policies = Policies(
            when_running=draw.choice(("parallel", "queue")), priority=draw.randint(-3, 3)
        )
        events: list[Event] = [
            self.created(
                draw.choice(("import", "export")),
                steps=steps,
                policies=policies,
                tags=tuple(draw.sample(("a", "b", 'c"\\,{}'), draw.randint(0, 2))),
                labels={"k": draw.choice("xyz")} if draw.random() < 0.5 else {},
            )
        ]
        if draw.random() < 0.15:
            return [*events, x.ExecutionScheduled(run_at=LIMIT)]
        if draw.random() < 0.1:
            return events
        if draw.random() < 0.1:
            return [*events, x.CancelRequested(deadline_at=LIMIT), x.ExecutionCanceled()]
        events.append(self.began())
        for index in range(1, len(steps) + 1):
            events += [
                x.StepStarted(index=index),
                x.StepProgressed(index=index, progress=x.Progress(percent=50.0)),
                x.ExecutionProgressed(
                    progress=x.Progress(percent=100.0 * index / len(steps), counters={"n": index})
                ),
            ]
            if draw.random() < 0.1:
                events += [
                    x.LeaseLost(fence=1, worker="w1"),
                    x.RetryScheduled(attempt=2, run_at=START, reason="lease_lost"),
                    self.began(),
                    x.StepStarted(index=index),
                ]
            events.append(x.StepFinished(index=index, outcome="ok", exit_code="OK"))
        return [*events, *self._end()]

    def _end(self) -> list[Event]:
        draw = self.random.random()
        deleted: list[Event] = (
            [x.ExecutionDeleted(reason="old")] if self.random.random() < 0.2 else []
        )
        if draw < 0.55:
            return [
                x.OutputSet(output={"rows": 3}),
                x.ExecutionFinished(outcome="ok", exit_code="OK"),
                *deleted,
            ]
        if draw < 0.7:
            failed = x.ExecutionFinished(outcome="error", exit_code="ERROR", message="broken")
            return [failed, x.ReportRefused(fence=1), *deleted]
        if draw < 0.8:
            return [x.PauseRequested(deadline_at=LIMIT), x.ExecutionPaused(limit_at=LIMIT)]
        if draw < 0.9:
            return [
                x.CancelRequested(deadline_at=LIMIT),
                x.ExecutionCanceled(),
                x.ExecutionDescribed(name="renamed", tags=("late",)),
                *deleted,
            ]
        return []

    def lives(self, count: int, *, organizations: Sequence[str] = ("acme",)) -> list[Append]:
        """Draw many lives, each cut into pieces, with the pieces of all shuffled among each other."""
        queues: list[list[Append]] = []
        for _ in range(count):
            events = self.life()
            created = events[0]
            assert isinstance(created, x.ExecutionCreated)
            organization = self.random.choice(organizations)
            stream = execution_stream(created.uuid)
            pieces: list[Append] = []
            while events:
                size = self.random.randint(1, 4)
                pieces.append(self.append(stream, *events[:size], organization=organization))
                events = events[size:]
            queues.append(pieces)
        shuffled: list[Append] = []
        while queues:
            queue = self.random.choice(queues)
            shuffled.append(queue.pop(0))
            if not queue:
                queues.remove(queue)
        return shuffled


def recorded(appends: Sequence[Append]) -> list[AnyRecorded]:
    """Give appends their places in a log, as the store would."""
    log: list[AnyRecorded] = []
    numbers = dict.fromkeys(Counter, 0)
    for append in appends:
        for write in append.writes:
            for version, fact in enumerate(write.facts, start=write.expected_version + 1):
                counter = counter_of(fact.event)
                numbers[counter] += 1
                log.append(
                    Recorded(
                        position=len(log) + 1,
                        stream=write.stream,
                        version=version,
                        event_id=UUID(int=len(log) + 1),
                        type=type_of(fact.event),
                        schema_version=1,
                        organization=append.context.organization,
                        actor=append.context.actor,
                        occurred_at=fact.occurred_at,
                        recorded_at=START + timedelta(seconds=len(log)),
                        correlation_id=None,
                        causation_id=None,
                        number=None if counter is Counter.NONE else numbers[counter],
                        data_digest=b"",
                        event=fact.event,
                    )
                )
    return log
