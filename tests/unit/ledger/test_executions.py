"""What may happen to an execution: every command, in the states that matter."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from ledger.events import executions as x
from ledger.executions import commands as c
from ledger.executions.deadlines import next_due
from ledger.rejection import (
    ExecutionGone,
    NotCancellable,
    NotFinished,
    ReportFenced,
    ReportInvalid,
    WrongState,
)
from tests.unit.ledger.spec import (
    DAY_S,
    LEASE_2,
    NOW,
    UUID_1,
    UUID_2,
    after,
    create,
    created,
    given,
    recorded,
    reports,
    start,
    started,
)

FINISHED_OK = x.ExecutionFinished(outcome="ok", exit_code="OK")
FAILED = x.ExecutionFinished(outcome="error", exit_code="ERROR")
HALF = x.Progress(percent=50)


class TestCreate:
    """Bringing an execution into being."""

    def test_it_waits_for_a_worker(self) -> None:
        """Without a wish it can be taken at once."""
        given().when(create()).leads_to(status="pending", waiting_for="worker", ready_at=NOW)

    def test_again_is_nothing(self) -> None:
        """An execution is created once."""
        given().when(create()).when(create()).then()

    def test_scheduled(self) -> None:
        """A time ahead is waited for, then a worker."""
        life = given().when(create(run_at=after(60)))
        life.leads_to(status="pending", waiting_for="time", ready_at=after(60))
        life.when(start(), at_s=59).refused(WrongState)
        life.when(c.Tick(), at_s=60).then(x.ExecutionReleased()).leads_to(waiting_for="worker")

    def test_a_worker_may_be_faster_than_the_timer(self) -> None:
        """When the time has come, a start needs no tick before it."""
        life = given().when(create(run_at=after(60))).when(start(), at_s=61)
        life.then(x.ExecutionReleased(), started())

    def test_a_time_that_has_passed_is_now(self) -> None:
        """A run time in the past does not delay."""
        given().when(create(run_at=after(-60))).leads_to(waiting_for="worker")

    def test_dispatched(self) -> None:
        """A dialect may record the start at once; a worker takes it later."""
        life = given().when(create(dispatch_at_once=True))
        life.leads_to(status="running", waiting_for="worker", fence=0, is_owned=False)
        life.when(start()).then(started()).leads_to(waiting_for=None, is_owned=True)

    def test_waits_for_upstreams(self) -> None:
        """With upstreams it cannot start until released, whatever else was wished."""
        life = given().when(create(waits_for=(UUID_2,), dispatch_at_once=True))
        life.leads_to(status="pending", waiting_for="dependency", ready_at=None)
        life.when(start()).refused(WrongState)
        life.when(c.Release()).then(x.ExecutionReleased()).when(start()).then(started())

    def test_told_later(self) -> None:
        """What a recorder tells of the past does not run out of time at once."""
        life = given().when(create(occurred_at=after(-30 * DAY_S)))
        life.leads_to(created_at=after(-30 * DAY_S))
        life.when(c.Tick()).then()
        due = next_due(life.state)
        assert due is not None
        assert due.at == after(DAY_S)

    def test_told_ahead(self) -> None:
        """A caller's clock that is ahead makes nobody wait."""
        given().when(create(occurred_at=after(3600))).leads_to(created_at=NOW, ready_at=NOW)


class TestStart:
    """Handing an execution to a worker."""

    def test_again_under_the_same_lease_is_nothing(self) -> None:
        """A worker that lost the answer may ask again."""
        given(created()).when(start()).then(started()).when(start()).then()

    def test_it_has_one_owner(self) -> None:
        """Another lease is refused while one holds."""
        given(created(), started()).when(start(LEASE_2)).refused(WrongState)

    def test_unknown(self) -> None:
        """What does not exist is refused by its name."""
        given().when(start()).refused(ExecutionGone, execution=UUID_1)

    @pytest.mark.parametrize("end", [FINISHED_OK, x.ExecutionCanceled()])
    def test_not_when_closed(self, end: x.ExecutionEvent) -> None:
        """A closed execution stays closed."""
        given(created(), started(), end).when(start(LEASE_2)).refused(WrongState)


class TestReports:
    """What the owner of a lease tells."""

    def test_a_whole_life(self) -> None:
        """Steps, progress, output and end become facts in the order told."""
        life = given(created(), started()).when(
            reports(
                c.StepStarted(index=1),
                c.StepProgressed(index=1, progress=HALF),
                c.StepFinished(index=1, outcome="warning", log="end"),
                c.Progressed(progress=HALF),
                c.Produced(output={"rows": 3}, metrics={"s": 1.5}),
                c.Finished(),
            )
        )
        life.then(
            x.StepStarted(index=1),
            x.StepProgressed(index=1, progress=HALF),
            x.StepFinished(index=1, outcome="warning", exit_code="OK", log="end"),
            x.ExecutionProgressed(progress=HALF),
            x.OutputSet(output={"rows": 3}, metrics={"s": 1.5}),
            x.ExecutionFinished(outcome="warning", exit_code="OK"),
        )
        life.leads_to(status="finished", outcome="warning", output={"rows": 3}, is_owned=False)

    @pytest.mark.parametrize(
        "batch",
        [
            (c.StepStarted(index=1), c.StepFinished(index=1, outcome="ok"), c.StepStarted(index=2)),
            (c.StepStarted(index=1), c.StepFinished(index=1, outcome="error"), c.Finished()),
            (c.Progressed(progress=HALF), c.Progressed(progress=x.Progress(percent=60))),
            (c.Produced(output=1, attachments=(x.Attachment(name="a", uri="b"),)),),
            (c.StepStarted(index=1), c.HandedBack()),
            (c.Finished(outcome="error"),),
            (),
        ],
    )
    @pytest.mark.parametrize("attempts", [1, 3])
    def test_again_is_nothing(self, batch: tuple[c.Report, ...], attempts: int) -> None:
        """A worker that lost the answer may send its batch again."""
        life = given(created(attempts=attempts), started()).when(reports(*batch))
        assert isinstance(life.decision, tuple)
        life.when(reports(*batch)).then()

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            (c.StepStarted(index=3), "there is no step 3"),
            (c.StepProgressed(index=2, progress=HALF), "not running"),
            (c.StepFinished(index=2, outcome="ok"), "not running"),
            (c.Paused(), "nobody asked"),
            (c.Canceled(), "nobody asked"),
            (c.Progressed(progress=HALF, occurred_at=after(301)), "future"),
        ],
    )
    def test_all_or_nothing(self, bad: c.Report, reason: str) -> None:
        """One report that cannot be takes the batch with it, and is named."""
        life = given(created(), started()).when(reports(c.StepStarted(index=1), bad))
        life.refused(ReportInvalid, index=1).leads_to(version=2)
        assert reason in life.decision.reason

    def test_known_and_new_in_one_batch(self) -> None:
        """What is known already is passed over, what is new is taken."""
        first = (
            c.StepStarted(index=1, occurred_at=NOW),
            c.StepProgressed(index=1, progress=HALF),
            c.StepFinished(index=1, outcome="ok"),
            c.Progressed(progress=HALF),
            c.Produced(output=1),
        )
        life = given(created(), started()).when(reports(*first))
        life.when(reports(*first, c.StepStarted(index=2))).then(x.StepStarted(index=2))
        for bad in (
            c.StepProgressed(index=9, progress=HALF),
            c.StepFinished(index=9, outcome="ok"),
        ):
            life.when(reports(bad)).refused(ReportInvalid, index=0)

    def test_nothing_after_the_end(self) -> None:
        """A report after the one that ended the hold is a mistake."""
        for last in (c.Finished(), c.Finished(outcome="error"), c.HandedBack()):
            life = given(created(attempts=3), started())
            life.when(reports(last, c.StepStarted(index=1))).refused(ReportInvalid, index=1)

    def test_not_finished_well_with_a_step_running(self) -> None:
        """An end other than error needs every step ended."""
        life = given(created(), started(), x.StepStarted(index=1))
        life.when(reports(c.Finished())).refused(ReportInvalid, index=0)
        life.when(reports(c.Finished(outcome="error"))).then(FAILED)
        assert life.state.steps[0].status == "aborted"

    def test_a_failed_step_may_run_again(self) -> None:
        """A worker retries a step; one that went well it does not."""
        life = given(created(), started()).when(
            reports(c.StepStarted(index=1), c.StepFinished(index=1, outcome="error"))
        )
        life.when(reports(c.StepStarted(index=1))).then(x.StepStarted(index=1, attempt=2))
        life.when(reports(c.StepFinished(index=1, outcome="ok")))
        life.when(reports(c.StepStarted(index=1), c.StepStarted(index=2)))
        life.refused(ReportInvalid, index=0)

    def test_a_late_report_is_refused_and_on_record(self) -> None:
        """The old owner is told, and what it tried to say is known, once for each fence."""
        life = given(created(), started()).when(c.LoseLease(fence=1))
        life.when(start(LEASE_2)).then(started(2, attempt=2, lease=LEASE_2))
        record = x.ReportRefused(fence=1, worker="w", reports=("finished",))
        late = reports(c.Finished(outcome="ok"), fence=1)
        life.when(late).refused(ReportFenced, presented=1, current=2, record=record)
        given(created(), started(), x.LeaseLost(fence=1), x.ReportRefused(fence=1)).when(
            late
        ).refused(ReportFenced, record=None)

    @pytest.mark.parametrize("told", [c.Finished(), c.Finished(outcome="error"), c.HandedBack()])
    def test_an_end_told_after_the_lease_was_lost_is_not_believed(self, told: c.Report) -> None:
        """While nobody has taken it over, the old owner's end is as late as any other report."""
        life = given(created(), started()).when(c.LoseLease(fence=1))
        life.when(reports(told)).refused(ReportFenced, presented=1, current=1)
        assert life.decision.record is not None

    def test_a_fence_from_nowhere_is_not_put_on_record(self) -> None:
        """Only a fence that was given out can be late."""
        life = given(created(), started()).when(reports(c.Finished(), fence=7))
        life.refused(ReportFenced, presented=7, record=None)

    def test_an_end_told_after_the_ledger_closed_it_is_fenced(self) -> None:
        """What timed out was not failed by its worker."""
        life = given(created(timeout_s=60), started()).when(c.Tick(), at_s=60)
        life.leads_to(status="finished", cause="timed_out")
        life.when(reports(c.Finished(outcome="error"))).refused(ReportFenced)

    def test_instants_are_the_reporters(self) -> None:
        """A fact happened when its reporter says."""
        life = given(created(), started()).when(
            reports(c.StepStarted(index=1, occurred_at=after(-5)))
        )
        assert life.state.steps[0].started_at == after(-5)

    def test_instants_without_an_offset_do_not_get_in(self) -> None:
        """Nobody could compare them."""
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(
                b'{"type":"step.started","index":1,"occurred_at":"2026-01-01T00:00:00"}',
                type=c.Report,
            )


class TestRecorder:
    """Reports without a lease, about work that runs elsewhere."""

    def test_recording_starts_it(self) -> None:
        """The first report takes it off the queue, so that no worker runs it too."""
        life = given(created()).when(recorded(c.StepStarted(index=1, occurred_at=after(-60))))
        life.then(x.ExecutionStarted(worker="scanner"), x.StepStarted(index=1))
        life.leads_to(started_at=after(-60), waiting_for=None, is_owned=False)
        life.when(start()).refused(WrongState)
        assert next_due(life.state) is not None

    def test_recording_takes_over_what_was_dispatched(self) -> None:
        """Also when the start was recorded by a dialect."""
        life = (
            given().when(create(dispatch_at_once=True)).when(recorded(c.Progressed(progress=HALF)))
        )
        life.then(x.ExecutionStarted(worker="scanner"), x.ExecutionProgressed(progress=HALF))
        life.leads_to(waiting_for=None)

    def test_not_while_it_stands_still(self) -> None:
        """A paused execution is resumed first; nobody can hand back what nobody holds."""
        life = given(created()).when(c.Pause()).when(recorded(c.StepStarted(index=1)))
        life.refused(ReportInvalid, index=0)
        given(created()).when(recorded(c.HandedBack())).refused(ReportInvalid, index=0)

    def test_its_failure_is_final(self) -> None:
        """The ledger does not try again what it does not run."""
        life = given(created(attempts=3)).when(recorded(c.Finished(outcome="error")))
        life.leads_to(status="finished", outcome="error")
        life.when(recorded(c.Finished(outcome="error"))).then()

    def test_not_beside_an_owner(self) -> None:
        """A worker's hold keeps recorders out."""
        life = given(created(), started()).when(recorded(c.StepStarted(index=1)))
        life.refused(WrongState, command="report")

    def test_not_after_the_end(self) -> None:
        """Nothing new can be told of a closed execution."""
        life = given(created(), started(), FINISHED_OK).when(recorded(c.StepStarted(index=1)))
        life.refused(WrongState, command="report")


class TestRetry:
    """What follows a failure."""

    def test_by_policy_with_growing_waits(self) -> None:
        """Attempts are counted and spaced, and the last failure is the end."""
        life = given(created(attempts=3), started()).when(reports(c.Finished(outcome="error")))
        life.then(x.RetryScheduled(attempt=2, run_at=after(10)))
        life.leads_to(status="pending", waiting_for="time", attempt=2, is_owned=False)
        life.when(start(LEASE_2), at_s=10)
        life.then(x.ExecutionReleased(), started(2, attempt=2, lease=LEASE_2))
        life.when(reports(c.Finished(outcome="error"), fence=2), at_s=10)
        life.then(x.RetryScheduled(attempt=3, run_at=after(30)))
        life.when(start(), at_s=30).when(reports(c.Finished(outcome="error"), fence=3), at_s=30)
        life.then(
            x.ExecutionFinished(outcome="error", exit_code="ERROR", cause="retries_exhausted")
        )

    def test_not_for_bad_input(self) -> None:
        """The same input would fail again."""
        life = given(created(attempts=3), started())
        life.when(reports(c.Finished(outcome="error", input_at_fault=True)))
        life.leads_to(status="finished", cause="invalid_input")

    def test_not_when_it_was_to_be_canceled(self) -> None:
        """A failure after a request to cancel ends it."""
        life = given(created(attempts=3), started()).when(c.Cancel())
        life.when(reports(c.Finished(outcome="error"))).then(FAILED)

    def test_a_pause_comes_between_attempts(self) -> None:
        """A failure while pausing is tried again only after resuming."""
        life = given(created(attempts=3), started()).when(c.Pause())
        life.when(reports(c.Finished(outcome="error"))).leads_to(status="paused", attempt=2)
        life.when(c.Resume(), at_s=5).leads_to(status="pending", waiting_for="time")
        assert life.state.ready_at == after(10)

    def test_from_the_first_unfinished_step(self) -> None:
        """Steps that went well stay done."""
        life = given(created(3, attempts=2), started()).when(
            reports(
                c.StepStarted(index=1),
                c.StepFinished(index=1, outcome="ok"),
                c.StepStarted(index=2),
                c.StepFinished(index=2, outcome="error"),
                c.Finished(),
            )
        )
        assert [step.status for step in life.state.steps] == ["finished", "pending", "pending"]


class TestLeaseLoss:
    """A worker fell silent."""

    def test_taken_over_then_closed(self) -> None:
        """It is given to others as often as the policy says, then closed."""
        life = given(created(max_lease_losses=1), started()).when(c.LoseLease(fence=1))
        life.then(
            x.LeaseLost(fence=1, worker="w"),
            x.RetryScheduled(attempt=2, run_at=NOW, reason="lease_lost"),
        )
        life.leads_to(status="pending", waiting_for="worker", lease_losses=1)
        life.when(start(LEASE_2)).leads_to(fence=2).when(c.LoseLease(fence=2))
        life.leads_to(status="finished", outcome="error", cause="lease_lost")

    def test_again_is_nothing(self) -> None:
        """Two timers may see the same expiry; an old fence has no effect."""
        life = given(created(), started()).when(c.LoseLease(fence=1)).when(c.LoseLease(fence=1))
        life.then().when(start(LEASE_2)).when(c.LoseLease(fence=1)).then()

    def test_losses_are_not_failures(self) -> None:
        """A takeover does not use up an attempt."""
        life = given(created(attempts=2), started()).when(c.LoseLease(fence=1))
        life.when(start(LEASE_2)).when(reports(c.Finished(outcome="error"), fence=2))
        life.leads_to(status="pending", waiting_for="time")

    def test_running_steps_are_pending_again(self) -> None:
        """What the lost worker was at is done anew."""
        life = given(created(), started(), x.StepStarted(index=1)).when(c.LoseLease(fence=1))
        assert [step.status for step in life.state.steps] == ["pending", "pending"]

    def test_completes_a_cancel_or_a_pause(self) -> None:
        """What was asked of the lost worker is enforced."""
        canceling = given(created(), started()).when(c.Cancel()).when(c.LoseLease(fence=1))
        canceling.leads_to(status="aborted", cause="user")
        pausing = given(created(), started()).when(c.Pause()).when(c.LoseLease(fence=1))
        pausing.leads_to(status="paused").when(c.Resume())
        pausing.leads_to(status="running", waiting_for="worker")

    def test_handed_back(self) -> None:
        """Letting go is no loss and no attempt."""
        life = given(created(max_lease_losses=0), started()).when(reports(c.HandedBack()))
        life.then(
            x.LeaseLost(fence=1, worker="w", reason="handed_back"),
            x.RetryScheduled(attempt=1, run_at=NOW, reason="handed_back"),
        )
        life.leads_to(lease_losses=0, attempt=1, waiting_for="worker")
        life.when(reports(c.HandedBack())).then()


class TestPause:
    """Standing still and going on."""

    def test_a_worker_is_asked(self) -> None:
        """It pauses where it can, and another takes it after resuming."""
        life = given(created(pause_grace_s=5), started()).when(c.Pause(reason="night"))
        life.then(x.PauseRequested(deadline_at=after(5), reason="night"))
        life.when(c.Pause()).then()
        life.when(reports(c.Paused())).leads_to(status="paused", is_owned=False)
        life.when(reports(c.Paused())).then()
        life.when(c.Resume()).then(x.ExecutionResumed()).when(c.Resume()).then()
        life.leads_to(status="running", waiting_for="worker").when(start(LEASE_2))
        life.then(started(2, lease=LEASE_2))

    def test_a_silent_worker_is_fenced_off(self) -> None:
        """When the grace is over the ledger pauses it."""
        life = given(created(pause_grace_s=5), started()).when(c.Pause()).when(c.Tick(), at_s=5)
        life.leads_to(status="paused", is_owned=False)
        life.when(reports(c.StepStarted(index=1))).refused(ReportFenced)

    def test_unowned_is_paused_at_once(self) -> None:
        """Nobody needs to be asked."""
        life = given(created(pause_limit_s=60)).when(c.Pause()).leads_to(status="paused")
        life.when(c.Tick(), at_s=60).leads_to(status="finished", cause="timed_out")

    def test_a_pause_keeps_the_wait_for_a_time(self) -> None:
        """Resumed before its time, it waits on."""
        life = given().when(create(run_at=after(600))).when(c.Pause()).when(c.Resume(), at_s=60)
        life.leads_to(status="pending", waiting_for="time", ready_at=after(600))

    def test_a_pause_keeps_the_wait_for_upstreams(self) -> None:
        """Resumed before its upstreams, it waits on."""
        life = given().when(create(waits_for=(UUID_2,))).when(c.Pause()).when(c.Resume(), at_s=60)
        life.leads_to(status="pending", waiting_for="dependency", ready_at=None)

    def test_what_it_waited_for_may_come_while_paused(self) -> None:
        """It is noted, and counts when it is resumed."""
        life = given().when(create(waits_for=(UUID_2,))).when(c.Pause())
        life.when(c.Release()).then(x.ExecutionReleased()).when(c.Release()).then()
        life.leads_to(status="paused").when(c.Resume())
        life.leads_to(status="pending", waiting_for="worker")

    def test_not_when_it_ends(self) -> None:
        """What is closing or closed cannot be paused or resumed."""
        life = given(created(), started()).when(c.Cancel()).when(c.Pause()).refused(WrongState)
        life.when(c.Resume()).refused(WrongState)


class TestCancel:
    """Stopping for good."""

    def test_a_worker_is_asked(self) -> None:
        """It stops where it can."""
        life = given(created(cancel_grace_s=5), started()).when(c.Cancel(reason="no"))
        life.then(x.CancelRequested(deadline_at=after(5), reason="no")).when(c.Cancel()).then()
        life.when(reports(c.Canceled(message="done"))).leads_to(status="aborted", message="done")
        life.when(reports(c.Canceled())).then().when(c.Cancel()).then()

    def test_a_silent_worker_is_fenced_off(self) -> None:
        """When the grace is over the ledger cancels it."""
        life = given(created(cancel_grace_s=5), started()).when(c.Cancel()).when(c.Tick(), at_s=5)
        life.then(x.ExecutionCanceled(message="canceled by deadline", enforced=True))
        life.when(reports(c.Finished(outcome="ok"))).refused(ReportFenced)

    def test_unowned_is_canceled_at_once(self) -> None:
        """Nobody needs to be asked, and the cause is the caller's."""
        for life in (given(created()), given(created()).when(c.Pause())):
            life.when(c.Cancel(cause="upstream_failed"))
            life.leads_to(status="aborted", cause="upstream_failed")

    def test_by_policy_not_by_users(self) -> None:
        """A job that must not be canceled ends only with its upstreams."""
        life = given(created(cancellable=False)).when(c.Cancel()).refused(NotCancellable)
        life.when(c.Cancel(cause="upstream_failed")).leads_to(status="aborted")

    def test_not_when_finished(self) -> None:
        """It cannot be undone."""
        given(created(), started(), FINISHED_OK).when(c.Cancel()).refused(WrongState)


class TestTime:
    """What the ledger does when time passes."""

    @pytest.mark.parametrize(
        ("policies", "events", "at_s", "message"),
        [
            ({"timeout_s": 60}, (started(),), 60, "ran out of time"),
            ({"queue_timeout_s": 60}, (), 60, "waited too long for a worker"),
            ({"timeout_s": 60}, (started(), x.LeaseLost(fence=1)), 60, "ran out of time"),
        ],
    )
    def test_closed_when_it_is_over(
        self, policies: dict[str, Any], events: Any, at_s: float, message: str
    ) -> None:
        """Not a second before, and once."""
        life = given(created(**policies), *events).when(c.Tick(), at_s=at_s - 1).then()
        life.when(c.Tick(), at_s=at_s)
        life.leads_to(status="finished", cause="timed_out", message=message)
        life.when(c.Tick(), at_s=at_s).then()

    def test_upstreams_are_not_waited_for_for_ever(self) -> None:
        """The queue's limit holds for dependencies too."""
        life = given().when(create(waits_for=(UUID_2,))).when(c.Tick(), at_s=DAY_S)
        life.leads_to(message="waited too long for its upstreams")

    def test_retention(self) -> None:
        """A closed execution is hidden after its time."""
        life = given(created(retention_s=60), started(), FINISHED_OK).when(c.Tick(), at_s=59)
        life.then().when(c.Tick(), at_s=60).then(x.ExecutionDeleted(reason="retention"))
        life.when(c.Tick(), at_s=DAY_S).then()

    def test_an_early_tick_is_nothing(self) -> None:
        """The timer may look whenever it likes."""
        given(created(), started()).when(c.Tick()).then()


class TestWords:
    """Describing and deleting."""

    def test_only_what_differs_is_recorded(self) -> None:
        """Telling again what is known is nothing."""
        life = (
            given(created())
            .when(c.Describe(name="n", description=""))
            .then(x.ExecutionDescribed(name="n"))
        )
        life.when(c.Describe(name="n")).then().when(c.Describe(tags=("a",), labels={"k": "v"}))
        life.leads_to(name="n", tags=("a",), labels={"k": "v"})

    def test_delete(self) -> None:
        """Only what is closed can be deleted; then only the same again is accepted."""
        life = given(created()).when(c.Delete()).refused(NotFinished, status="pending")
        life.when(c.Cancel()).when(c.Delete(reason="gone")).then(x.ExecutionDeleted(reason="gone"))
        life.when(c.Delete()).then().when(c.Tick()).then().when(c.LoseLease(fence=1)).then()
        for command in (start(), c.Cancel(), c.Describe(name="n"), reports(c.Finished())):
            life.when(command).refused(ExecutionGone, execution=UUID_1)


def test_every_open_state_has_a_deadline() -> None:
    """Whoever must act next, somebody must, and by when is known."""
    lives = [
        given(created()),
        given().when(create(run_at=after(60))),
        given().when(create(waits_for=(UUID_2,))),
        given().when(create(dispatch_at_once=True)),
        given(created(), started()),
        given(created(), started()).when(c.Pause()),
        given(created()).when(c.Pause()),
        given(created(), started()).when(c.Cancel()),
        given(created()).when(recorded(c.StepStarted(index=1))),
    ]
    whos = []
    for life in lives:
        due = next_due(life.state)
        assert due is not None, life.state
        assert isinstance(due.at, datetime)
        assert NOW < due.at <= NOW + timedelta(days=8)
        whos.append(due.who)
    expected = "worker ledger upstream worker worker worker user worker worker"
    assert whos == expected.split()
