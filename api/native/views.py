"""From states and rows to the native API's answers."""

from datetime import datetime
from typing import Final

from api.native.wire import ExecutionView, JobView, KeyView, Next, StepView
from ledger.executions.deadlines import next_due
from ledger.executions.state import ExecutionState, StepState
from ledger.ids import oid_of
from ledger.jobs.schedule import next_due_times
from ledger.jobs.state import JobState
from ledger.keys.state import KeyState

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
        next_due_at=(
            next_due_times(state.schedule, now, NEXT_DUE_SHOWN) if state.schedule else ()
        ),
        retired=state.retired,
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
