"""Any command on any state that commands can lead to."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.events import executions as x
from ledger.events.codec import decode, encode, type_of
from ledger.events.definition import Definition, Policies, RetryPolicy
from ledger.events.envelope import Fact
from ledger.executions import commands as c
from ledger.executions.deadlines import look_again_at, next_due
from ledger.executions.decide import decide
from ledger.executions.facts import ahead, arrived
from ledger.executions.state import ExecutionState, evolve
from ledger.rejection import REJECTIONS, ReportFenced
from tests.unit.ledger.spec import LEASE, LEASE_2, NOW, UUID_1, UUID_2, create, record, steps

AFTER_THE_END = (
    x.ReportRefused,
    x.ExecutionDescribed,
    x.ExecutionDeleted,
    x.ExecutionErased,
)
seconds = st.sampled_from((0.5, 5.0, 30.0, 3600.0))
outcomes = st.sampled_from(("ok", "warning", "error"))
words = st.text(max_size=5)
index = st.integers(1, 3)
progresses = st.builds(
    x.Progress,
    percent=st.none() | st.floats(0, 100),
    total_items=st.none() | st.integers(0, 2**70),
    counters=st.dictionaries(words, st.integers(), max_size=2),
    message=words,
)
told: st.SearchStrategy[Any] = st.one_of(
    st.builds(c.StepStarted, index=index),
    st.builds(c.StepProgressed, index=index, progress=progresses),
    st.builds(c.StepFinished, index=index, outcome=outcomes, exit_code=st.none() | words),
    st.builds(c.Progressed, progress=progresses),
    st.builds(
        c.Produced,
        output=st.none() | st.dictionaries(words, st.integers() | words | st.booleans()),
        metrics=st.none()
        | st.dictionaries(words, st.floats(allow_nan=False, allow_infinity=False), max_size=2),
    ),
    st.builds(c.Paused),
    st.builds(c.Canceled, message=words),
    st.builds(c.HandedBack),
    st.builds(c.Finished, outcome=st.none() | outcomes, input_at_fault=st.booleans()),
)
# What workers do most, so that lives get long.
reports = st.builds(
    c.Reports,
    reports=st.lists(told, max_size=4).map(tuple),
    fence=st.none() | st.integers(0, 4),
    worker=st.sampled_from(("", "w")),
)
commands: st.SearchStrategy[Any] = st.one_of(
    st.builds(c.Start, worker=st.just("w"), lease=st.sampled_from((LEASE, LEASE_2))),
    reports,
    reports,
    st.just(c.Release()),
    st.builds(c.Pause),
    st.just(c.Resume()),
    st.builds(c.Cancel, cause=st.sampled_from(("user", "upstream_failed"))),
    st.builds(c.Describe, name=st.none() | words, tags=st.none() | st.just(("a",))),
    st.builds(c.Delete),
    st.builds(c.LoseLease, fence=st.integers(0, 4)),
    st.just(c.Tick()),
    st.just(c.Tick()),
)
policies = st.builds(
    Policies,
    when_running=st.sampled_from(("parallel", "reject", "queue", "coalesce")),
    retry=st.builds(RetryPolicy, max_attempts=st.integers(1, 3), delay_s=st.just(5.0)),
    max_lease_losses=st.integers(0, 2),
    timeout_s=seconds,
    queue_timeout_s=seconds,
    cancel_grace_s=seconds,
    pause_grace_s=seconds,
    pause_limit_s=seconds,
    retention_s=st.none() | seconds,
    cancellable=st.booleans(),
)
lives = st.builds(
    create,
    definition=policies.map(lambda policy: Definition(policies=policy)),
    steps=st.just(steps(2)),
    run_at=st.none() | seconds.map(lambda s: NOW + timedelta(seconds=s)),
    waits_for=st.sampled_from(((), (UUID_2,))),
    dispatch_at_once=st.booleans(),
    first_step=st.integers(1, 2),
    occurred_at=st.none()
    | st.sampled_from((NOW - timedelta(days=9), NOW + timedelta(days=9), NOW)),
)
asked = st.lists(
    st.tuples(st.sampled_from((0.0, 0.0, 0.4, 5.0, 31.0, 3601.0)), commands),
    min_size=3,
    max_size=30,
)


def stamped(command: Any, now: datetime) -> Any:
    """Put an instant of its own on every report, as workers do."""
    if not isinstance(command, c.Reports):
        return command
    own = tuple(
        replace(report, occurred_at=now + timedelta(milliseconds=n))
        for n, report in enumerate(command.reports)
    )
    return replace(command, reports=own)


def restarts_a_step(command: Any) -> bool:
    """Whether a step fails and starts again in one batch: sent twice, that is another failure."""
    if not isinstance(command, c.Reports):
        return False
    kinds = [(type(r), getattr(r, "index", 0)) for r in command.reports]
    return any(
        (c.StepFinished, i) in kinds[:n]
        for n, (kind, i) in enumerate(kinds)
        if kind is c.StepStarted
    )


def settled(decision: Any) -> bool:
    """Whether a decision changes nothing."""
    return decision == () or isinstance(decision, REJECTIONS)


def check(before: ExecutionState | None, after: ExecutionState, facts: tuple[Any, ...]) -> None:
    """Hold the state against what must be true of every state."""
    if after.is_open:
        assert next_due(after) is not None
        assert look_again_at(after, NOW) is not None
    else:
        assert after.ended_at is not None
        assert not after.is_owned
        assert not any(step.status == "running" for step in after.steps)
    assert not after.is_owned or after.status in ("running", "pausing", "aborting")
    assert after.waiting_for is None or not after.is_owned
    if before is None:
        return
    assert after.version == before.version + len(facts)
    assert after.fence >= before.fence
    assert after.fence > before.fence or after.lease in (None, before.lease)
    if not before.is_open:
        assert all(isinstance(fact.event, AFTER_THE_END) for fact in facts)
    closings = [n for n, fact in enumerate(facts) if isinstance(fact.event, x.CLOSING)]
    assert closings in ([], [len(facts) - 1]), "nothing follows the end, and it comes once"


@settings(max_examples=settings().max_examples * 6)  # pure, so cheap
@property_of(lives, asked)
def test_rules_hold_in_every_life(born: c.Create, life: list[tuple[float, Any]]) -> None:
    """Total, deterministic, idempotent; and no state is without a way on."""
    now = NOW
    state: ExecutionState | None = None
    version = 0
    for pause_s, asked_for in [(0.0, born), *life]:
        now += timedelta(seconds=pause_s)
        command = stamped(asked_for, now)
        decision = decide(state, command, now, uuid=UUID_1)
        assert decision == decide(state, command, now, uuid=UUID_1)
        facts = decision if isinstance(decision, tuple) else ()
        if isinstance(decision, ReportFenced) and decision.record is not None:
            facts = (Fact(decision.record, now),)
        before = state
        records = []
        for fact in facts:
            version += 1
            stored = encode(fact.event)
            assert decode(type_of(fact.event), 1, stored) == fact.event
            records.append(record(fact, version, now))
            state = evolve(state, records[-1])
        assert state is not None
        assert state.version == version
        check(before, state, facts)
        if before is None:
            foreseen = ahead(None, facts, now=now, organization=records[0].organization)
            assert arrived(foreseen, records) == state
        elif facts:
            seen = ahead(before, facts, now=now)
            assert next_due(seen) == next_due(state), "the timer is set by what will be folded"
        # A tick does one thing that is due; what else is due is the next tick's.
        due = next_due(state)
        more_is_due = isinstance(command, c.Tick) and due is not None and due.at <= now
        if not restarts_a_step(command) and not more_is_due:
            assert settled(decide(state, command, now, uuid=UUID_1)), command
