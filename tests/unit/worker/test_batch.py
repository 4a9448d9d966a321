"""Reports are put together and cut so that a batch sent twice records nothing twice."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from api.worker import batch
from ledger.events.executions import Progress
from ledger.executions import commands as c
from ledger.executions.decide import decide
from tests.unit.worker.standin import StandIn, step

NOW = datetime(2024, 5, 1, tzinfo=UTC)


def progressed(index: int, percent: float) -> c.StepProgressed:
    """Report progress of a step."""
    return c.StepProgressed(index=index, progress=Progress(percent=percent))


def test_progress_is_merged_into_what_comes_after_it() -> None:
    """Only the newest progress of a step is told, and with its end if that comes first."""
    pending: list[c.Report] = [c.StepStarted(index=1)]
    batch.add(pending, progressed(1, 10))
    batch.add(pending, progressed(1, 20))
    assert pending == [c.StepStarted(index=1), progressed(1, 20)]
    batch.add(pending, c.StepFinished(index=1, outcome="ok"))
    assert pending[1:] == [
        c.StepFinished(index=1, outcome="ok", progress=Progress(percent=20)),
    ]


def test_the_last_report_travels_alone() -> None:
    """What lets go of the execution is sent when everything else was taken."""
    pending: list[c.Report] = [c.StepFinished(index=1, outcome="ok"), c.Finished()]
    assert batch.length_of_next(pending) == 1
    assert batch.length_of_next(pending[1:]) == 1


steps = st.lists(
    st.tuples(
        st.lists(st.integers(0, 100), max_size=3),
        st.sampled_from(["ok", "error"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(steps, st.sets(st.integers(0, 40)))
def test_any_batch_may_be_sent_twice(
    runs: list[tuple[list[int], str, bool]], sent_after: set[int]
) -> None:
    """Whenever the reporter sends, sending each batch again yields no further facts."""
    ledger = StandIn(*(step(f"s{n}", "any") for n in range(len(runs))))
    ledger.put(c.Start(worker="w", lease=ledger.state.uuid))
    reports: list[c.Report] = []
    for index, (percents, outcome, again) in enumerate(runs, start=1):
        tries = ("error", "ok") if again else (outcome,)
        for result in tries:
            reports.append(c.StepStarted(index=index))
            reports.extend(progressed(index, percent) for percent in percents)
            reports.append(
                c.StepFinished(index=index, outcome="error" if result == "error" else "ok")
            )
            reports.append(c.Produced(output={"step": index}))
            reports.append(c.Progressed(progress=Progress(percent=index)))
        if not again and outcome == "error":
            break
    reports.append(c.Finished(occurred_at=NOW))
    pending: list[c.Report] = []
    for place, report in enumerate(reports):
        batch.add(pending, report)
        if place in sent_after or place == len(reports) - 1:
            while pending:
                count = batch.length_of_next(pending)
                send_twice(ledger, tuple(pending[:count]))
                del pending[:count]
    assert ledger.state.status == "finished"


def send_twice(ledger: StandIn, reports: tuple[c.Report, ...]) -> None:
    """Report, take the facts in, and report again."""
    command = c.Reports(reports=reports, fence=1, worker="w")
    first = ledger.put(command)
    assert isinstance(first, tuple), first
    assert decide(ledger.state, command, NOW, uuid=ledger.state.uuid) == ()
