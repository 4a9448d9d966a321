"""From states and rows to the native API's answers."""

from datetime import datetime
from typing import Final, cast

from msgspec import convert
from msgspec.structs import replace

from api.native.as_of import Past
from api.native.wire import (
    ActiveView,
    ExecutionView,
    HistoryView,
    JobCounts,
    JobView,
    KeyView,
    LastRun,
    Next,
    StepView,
)
from ledger.events.executions import Cause, Outcome, Progress
from ledger.executions.deadlines import next_due
from ledger.executions.state import ExecutionState, Status, StepState, WaitingFor
from ledger.ids import oid_of
from ledger.jobs.schedule import next_due_times
from ledger.jobs.state import JobState
from ledger.keys.state import KeyState
from projections.history.query import HistoryRow
from projections.jobs import query as jobs
from projections.outlook import Outlook

NEXT_DUE_SHOWN: Final = 3


def execution_view(state: ExecutionState) -> ExecutionView:
    """Show an execution as it is at `state.position`."""
    created = state.created
    due = next_due(state) if state.is_open else None
    return ExecutionView(
        uuid=state.uuid,
        number=state.number,
        oid=oid_of(state.uuid),
        job_id=state.job_id,
        organization=state.organization,
        status=state.status,
        created_at=state.created_at,
        modified_at=state.modified_at,
        attempt=state.attempt,
        version=state.version,
        position=state.position,
        previous_status=state.previous_status,
        waiting_for=state.waiting_for if state.is_open else None,
        ready_at=state.ready_at,
        next=Next(who=due.who, at=due.at, otherwise=due.otherwise) if due is not None else None,
        outcome=state.outcome,
        exit_code=state.exit_code,
        message=state.message,
        cause=state.cause,
        is_restart=created.restart_of is not None,
        restart_of=created.restart_of,
        started_at=state.started_at,
        ended_at=state.ended_at,
        duration_ms=duration_ms(state.started_at, state.ended_at),
        worker=state.worker,
        fence=state.fence,
        progress=state.progress,
        steps=tuple(_step_view(step) for step in state.steps),
        parameters=created.parameters,
        input=created.input,
        output=state.output,
        attachments=state.attachments,
        metrics=state.metrics,
        name=state.name,
        description=state.description,
        tags=state.tags,
        labels=state.labels,
        attributes=created.attributes,
        trigger=created.trigger,
        client_id=created.client_id,
        user=created.user,
        plan=created.plan,
        waits_for=created.waits_for,
        deleted=state.deleted,
        erased=state.erased,
    )


def short_execution_view(state: ExecutionState) -> ExecutionView:
    """Show an execution without its steps and documents, which may be large."""
    return replace(
        execution_view(replace(state, steps=(), output=None, attachments=(), metrics={})),
        parameters=(),
        input=None,
        attributes={},
    )


def _step_view(step: StepState) -> StepView:
    plan = step.plan
    return StepView(
        index=plan.index,
        step_id=plan.step_id,
        step_type_id=plan.step_type_id,
        status=step.status,
        scope=plan.scope,
        step_type_info=plan.step_type_info,
        description=plan.description,
        settings=plan.settings,
        included_from=plan.included_from,
        timeout_s=plan.timeout_s,
        retry=plan.retry,
        number=step.number,
        attempt=step.attempt,
        started_at=step.started_at,
        ended_at=step.ended_at,
        modified_at=step.modified_at,
        outcome=step.outcome,
        exit_code=step.exit_code,
        message=step.message,
        progress=step.progress,
        log=step.log,
    )


def duration_ms(start: datetime | None, end: datetime | None) -> int | None:
    """Give the time between two instants, never negative: reporters' clocks differ."""
    if start is None or end is None:
        return None
    return max(0, round((end - start).total_seconds() * 1000))


def active_view(item: Outlook) -> ActiveView:
    """Show an open execution in short."""
    row = item.row
    return ActiveView(
        uuid=row.uuid,
        number=row.number,
        oid=oid_of(row.uuid),
        job_id=row.job_id,
        organization=row.organization,
        status=cast("Status", row.status),
        created_at=row.created_at,
        waiting_for=cast("WaitingFor | None", row.waiting_for),
        ready_at=row.ready_at,
        started_at=row.started_at,
        worker=row.worker,
        attempt=row.attempt,
        progress=Progress(
            percent=item.percent,
            total_items=row.total_items,
            processed_items=row.processed_items,
        ),
        waits_for=row.waits_for if row.waiting_for == "dependency" else (),
        seconds_left=None if item.left_s is None else round(item.left_s, 1),
        next=Next(who=row.due_who, at=row.due_at) if row.due_at and row.due_who else None,
    )


def active_then(past: Past) -> ActiveView:
    """Show in short how an execution stood when it was open."""
    state = past.state
    due = next_due(state)
    return ActiveView(
        uuid=state.uuid,
        number=state.number,
        oid=oid_of(state.uuid),
        job_id=state.job_id,
        organization=state.organization,
        status=state.status,
        created_at=state.created_at,
        waiting_for=state.waiting_for,
        ready_at=state.ready_at,
        started_at=state.started_at,
        worker=state.worker,
        attempt=state.attempt,
        progress=Progress(
            percent=state.progress.percent,
            total_items=state.progress.total_items,
            processed_items=state.progress.processed_items,
        ),
        waits_for=state.created.waits_for if state.waiting_for == "dependency" else (),
        next=Next(who=due.who, at=due.at) if due is not None else None,
        erased=state.erased,
        damaged=not past.is_whole,
    )


def history_view(row: HistoryRow) -> HistoryView:
    """Show one line of a job's history."""
    return HistoryView(
        uuid=row.uuid,
        number=row.number,
        oid=oid_of(row.uuid),
        job_id=row.job_id,
        status=cast("Status", row.status),
        created_at=row.created_at,
        attempt=row.attempt,
        outcome=cast("Outcome | None", row.outcome),
        cause=cast("Cause | None", row.cause),
        exit_code=row.exit_code,
        started_at=row.started_at,
        ended_at=row.ended_at,
        duration_ms=row.duration_ms,
        is_restart=row.is_restart,
        user=row.user,
        trigger=row.trigger,
        deleted=row.deleted,
    )


def job_view(state: JobState, now: datetime) -> JobView:
    """Show a job as it is at `state.position`."""
    return JobView(
        job_id=state.job_id,
        uuid=state.uuid,
        number=state.number,
        oid=oid_of(state.uuid),
        organization=state.organization,
        definition=state.definition,
        created_at=state.created_at,
        modified_at=state.modified_at,
        version=state.version,
        position=state.position,
        schedule=state.schedule,
        next_due_at=(next_due_times(state.schedule, now, NEXT_DUE_SHOWN) if state.schedule else ()),
        retired=state.retired,
    )


def listed_job_view(job: jobs.JobView, now: datetime) -> JobView:
    """Show a job in a list, with how it has been doing."""
    return replace(
        job_view(job.state, now),
        last=convert(job.last, LastRun, from_attributes=True) if job.last else None,
        counts=convert(job.counts, JobCounts, from_attributes=True),
    )


def key_view(state: KeyState) -> KeyView:
    """Show a key, without its secret."""
    created = state.created
    return KeyView(
        uuid=created.uuid,
        name=created.name,
        public_id=created.public_id,
        roles=created.roles,
        organizations=created.organizations,
        created_at=state.created_at,
        revoked_at=state.revoked_at,
    )
