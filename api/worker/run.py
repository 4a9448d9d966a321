"""Run one claimed execution: its steps in order, and the report that lets go of it.

A step begins only after the ledger has taken the end of the one before, so that a worker that takes
over never repeats a step that is known to be done. A step that did not end where it was interrupted
(its worker died, it was paused or handed back) is run again from its beginning.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct
from structlog import get_logger

from api.auth.principal import DEFAULT_ORGANIZATION
from api.client.session import Ledger
from api.native.wire import StepView
from api.worker.hold import Hold, Interruption
from api.worker.outcome import ending, finished_report, needs_run
from api.worker.products import Products, StepTeller
from api.worker.reporter import HoldLost, Reporter, ReportNotTaken
from api.worker.steps.port import Handler, StepContext
from api.worker.steps.result import StepFailed, StepResult
from ledger.events.executions import Progress
from ledger.executions import commands as c

T = TypeVar("T")

PROGRAM_ERROR: Final = "INTERNAL"

_log = get_logger(__name__)


class Interrupted(Struct, frozen=True):
    """What ran was stopped."""

    by: Interruption


class Workshop(Struct, frozen=True, kw_only=True):
    """What every execution of one worker shares."""

    ledger: Ledger
    worker: str
    handlers: Mapping[str, Handler]
    data_dir: Path


def files_of(data_dir: Path, organization: str) -> Path:
    """Give an organization's own folder: what one's steps bring, another's do not find.

    The first organization's is the data directory itself. An organization's name holds no slash.
    """
    if organization == DEFAULT_ORGANIZATION:
        return data_dir
    folder = data_dir / "organizations" / organization
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


async def run_execution(hold: Hold, shop: Workshop) -> None:
    """Work on what *hold* gives, until it ends or is lost."""
    reporter = Reporter(hold, shop.ledger, shop.worker)
    beside = (asyncio.create_task(hold.keep()), asyncio.create_task(reporter.run()))
    log = _log.bind(execution=hold.lease.execution.number, job=hold.lease.execution.job_id)
    log.info("execution taken", fence=hold.lease.fence)
    try:
        last = await _Execution(hold, reporter, shop).run()
        log.info("execution let go", by=last.__struct_config__.tag)
    except HoldLost:
        log.warning("execution dropped: the hold on it has ended")
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


class _Execution:
    def __init__(self, hold: Hold, reporter: Reporter, shop: Workshop) -> None:
        self._hold = hold
        self._reporter = reporter
        self._shop = shop
        self._view = hold.lease.execution
        self._ends: dict[int, StepResult] = {
            step.index: StepResult(outcome=step.outcome or "ok", exit_code=step.exit_code)
            for step in self._view.steps
            if not needs_run(step) and step.status == "finished"
        }
        self._products = Products(self._view, hold.now, reporter.add)

    async def run(self) -> c.Report:
        """Run what is left to run; give the last report.

        Raises:
            HoldLost: the hold ended first.
        """
        try:
            last = await self._steps()
            self._reporter.add(last)
            await self._reporter.flush()
        except ReportNotTaken as error:
            _log.error("a report was refused", problem=error.problem.type)
            last = c.Finished(
                outcome="error",
                exit_code=PROGRAM_ERROR,
                message=f"the ledger refused a report: {error}"[:4000],
                occurred_at=self._hold.now(),
            )
            self._reporter.add(last)
            try:
                await self._reporter.flush()
            except ReportNotTaken as again:
                raise HoldLost from again
        return last

    async def _steps(self) -> c.Report:
        for step in self._view.steps:
            if not needs_run(step):
                continue
            end = await self._step(step)
            if isinstance(end, Interrupted):
                return self._letting_go(end.by)
            self._ends[step.index] = end
            if end.outcome == "error":
                break
        return ending(self._ends, self._hold.now())

    def _letting_go(self, by: Interruption) -> c.Report:
        now = self._hold.now()
        match by:
            case "lost":
                raise HoldLost
            case "cancel":
                return c.Canceled(message="stopped by its worker", occurred_at=now)
            case "pause":
                return c.Paused(occurred_at=now)
            case "stop":
                return c.HandedBack(occurred_at=now)

    async def _step(self, step: StepView) -> StepResult | Interrupted:
        attempt = 0
        while True:
            if (wish := self._hold.wish()) is not None:
                return Interrupted(wish)
            attempt += 1
            self._reporter.add(c.StepStarted(index=step.index, occurred_at=self._hold.now()))
            await self._reporter.flush()
            end = await self._unless_interrupted(self._handle(step, step.attempt + attempt))
            if isinstance(end, Interrupted):
                return end
            self._end_step(step, end)
            if end.outcome != "error" or end.input_at_fault or attempt >= step.retry.max_attempts:
                return end
            pause_s = step.retry.delay_before(attempt + 1)
            waited = await self._unless_interrupted(asyncio.sleep(pause_s))
            if isinstance(waited, Interrupted):
                return waited

    def _end_step(self, step: StepView, end: StepResult) -> None:
        self._products.add(end.output, end.attachments, end.metrics)
        self._reporter.add(finished_report(step.index, end, self._hold.now()))
        done = sum(1 for other in self._ends if other != step.index) + (end.outcome != "error")
        percent = round(100 * done / max(len(self._view.steps), 1), 1)
        told = Progress(percent=percent, counters=end.counters)
        self._reporter.add(c.Progressed(progress=told, occurred_at=self._hold.now()))

    async def _handle(self, step: StepView, attempt: int) -> StepResult:
        handler = self._shop.handlers.get(step.step_type_id)
        if handler is None:
            reason = f"this worker has no step type {step.step_type_id!r}"
            return StepResult(outcome="error", exit_code="INVALID", message=reason)
        limit = asyncio.timeout(step.timeout_s)
        try:
            async with limit:
                return await handler(self._context(step, attempt))
        except TimeoutError:
            if not limit.expired():
                return StepResult(outcome="error", message="something took too long")
            reason = f"the step took longer than {step.timeout_s:g} s"
            return StepResult(outcome="error", exit_code="TIMEOUT", message=reason)
        except StepFailed as failed:
            return failed.result()
        except Exception as error:  # noqa: BLE001 - the border to handlers that are not ours
            _log.exception("a step's handler failed", step_type=step.step_type_id)
            reason = f"{type(error).__name__}: {error}"
            return StepResult(outcome="error", exit_code=PROGRAM_ERROR, message=reason)

    def _context(self, step: StepView, attempt: int) -> StepContext:
        return StepContext(
            execution=str(self._view.uuid),
            number=self._view.number,
            job_id=self._view.job_id,
            step_id=step.step_id,
            index=step.index,
            scope=step.scope,
            attempt=attempt,
            settings=step.settings,
            parameters={argument.name: argument.value for argument in self._view.parameters},
            input=self._view.input,
            output=self._products.output,
            data_dir=files_of(self._shop.data_dir, self._view.organization),
            report=StepTeller(self._products, step.index, len(self._view.steps)),
        )

    async def _unless_interrupted(self, work: Coroutine[Any, Any, T]) -> T | Interrupted:
        """Do *work*, or stop it at the first reason to; nothing of it is left then."""
        doing = asyncio.create_task(work)
        watching = asyncio.create_task(self._hold.interruption())
        try:
            await asyncio.wait((doing, watching), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            return Interrupted(watching.result())
        finally:
            doing.cancel()
            watching.cancel()
            await asyncio.gather(doing, watching, return_exceptions=True)
