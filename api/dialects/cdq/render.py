"""From executions and jobs to the vendor's answers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from api.dialects.cdq import wire
from api.dialects.cdq.statuses import last_status_of, message_of, status_of
from ledger.events.definition import Schedule
from ledger.events.executions import Attachment
from ledger.executions.state import ExecutionState, StepState
from ledger.jobs.state import JobState

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def encode(body: Struct) -> bytes:
    """Give the bytes of an answer."""
    return _ENCODER.encode(body)


def instant(value: datetime) -> str:
    """Write an instant: UTC, to the second."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


class Renderer:
    """Shows jobs; *quotes_numbers* writes numbers as the vendor's examples do."""

    def __init__(self, *, quotes_numbers: bool) -> None:
        self._quotes = quotes_numbers

    def job(self, state: ExecutionState) -> wire.Job:
        """Show a whole job."""
        told = state.created.attributes
        progress = state.progress
        percent = None if progress.percent is None else round(progress.percent)
        return wire.Job(
            commands=_items(told, "commands"),
            started_at=_instant(state.started_at),
            created_at=instant(state.created_at),
            modified_at=instant(state.modified_at),
            finished_at=_instant(state.ended_at),
            expires_at=_expiry(state),
            docker_image_url=_text(told, "dockerImageUrl"),
            domain=_text(told, "domain"),
            environment_variables=_items(told, "environmentVariables"),
            id=str(state.uuid),
            input_uri=_text(told, "inputUri"),
            job_dependencies=_dependencies(state),
            job_status=status_of(state),
            message=message_of(state) or UNSET,
            main_label=_main_label(state),
            labels=[{"name": name, "value": value} for name, value in state.labels.items()],
            tags=state.tags,
            last_job_status=last_status_of(state),
            progress=self._number(percent),
            total_items=self._number(progress.total_items),
            processed_items=self._number(progress.processed_items),
            failed_items=self._number(progress.failed_items),
            report_uri=_report_uri(state),
            resource_request=_object(told, "resourceRequest"),
            user=state.created.user or UNSET,
            storage_id=_storage(state),
            attachments=[_attachment(attachment) for attachment in state.attachments],
            result_data=result_data(state),
            metrics=[{"name": name, "value": value} for name, value in state.metrics.items()],
            locks=_items(told, "locks"),
            type=state.job_id,
            volumes=_items(told, "volumes"),
            name=state.name or state.created.definition.name or state.job_id,
            description=state.description or state.created.definition.description,
            organization_id=state.organization,
            workspace_id=_text(told, "workspaceId"),
        )

    def jobs(
        self, states: tuple[ExecutionState, ...], next_start_after: str | None, total: int | None
    ) -> wire.JobList:
        """Show a page of jobs."""
        return wire.JobList(
            jobs=tuple(self.job(state) for state in states),
            next_start_after=UNSET if next_start_after is None else next_start_after,
            total=self._number(total),
        )

    def logs(self, state: ExecutionState) -> wire.ProcessingLogs:
        """Show what a job's steps told."""
        return wire.ProcessingLogs(
            job_id=str(state.uuid),
            job_status=status_of(state),
            logs=tuple(self._log(step) for step in state.steps),
        )

    def _log(self, step: StepState) -> wire.ProcessingLog:
        percent = step.progress.percent
        return wire.ProcessingLog(
            step=self._number(step.plan.index) or step.plan.index,
            name=step.plan.step_id,
            type=step.plan.step_type_id,
            status=step.status.upper(),
            started_at=_instant(step.started_at),
            finished_at=_instant(step.ended_at),
            exit_code=step.exit_code or UNSET,
            message=step.message or step.progress.message or UNSET,
            progress=self._number(None if percent is None else round(percent)),
            processed_items=self._number(step.progress.processed_items),
            failed_items=self._number(step.progress.failed_items),
            log=step.log or UNSET,
        )

    def _number(self, value: int | None) -> wire.Number | UnsetType:
        if value is None:
            return UNSET
        return str(value) if self._quotes else value


def result(state: ExecutionState) -> wire.JobResult:
    """Show what a job came to."""
    return wire.JobResult(
        job_id=str(state.uuid),
        type=state.job_id,
        job_status=status_of(state),
        finished_at=_instant(state.ended_at),
        result_data=result_data(state),
        report_uri=_report_uri(state),
        attachments=[_attachment(attachment) for attachment in state.attachments],
        metrics=[{"name": name, "value": value} for name, value in state.metrics.items()],
    )


def result_data(state: ExecutionState) -> str | UnsetType:
    """Give the output as text: as it is when it is text, else as JSON."""
    if state.output is None:
        return UNSET
    return state.output if isinstance(state.output, str) else _ENCODER.encode(state.output).decode()


def job_type(state: JobState) -> wire.JobType:
    """Show a kind of job."""
    definition = state.definition
    return wire.JobType(
        type=state.job_id,
        name=definition.name or state.job_id,
        description=definition.description,
        tags=definition.tags,
        features=("CANCELLABLE",) if definition.policies.cancellable else (),
        organization_id=state.organization,
    )


def scheduled_job(
    state: JobState, schedule: Schedule, next_start_at: datetime | None
) -> wire.ScheduledJob:
    """Show a schedule."""
    return wire.ScheduledJob(
        id=str(state.uuid),
        job_type=state.job_id,
        cron=schedule.cron if schedule.cron is not None else UNSET,
        start_at=tuple(instant(at) for at in schedule.at) if schedule.at else UNSET,
        time_zone=schedule.time_zone,
        paused=schedule.paused,
        next_start_at=_instant(next_start_at),
        organization_id=state.organization,
    )


def _instant(value: datetime | None) -> str | UnsetType:
    return UNSET if value is None else instant(value)


def _text(told: Mapping[str, Any], name: str) -> str | UnsetType:
    value = told.get(name)
    return value if isinstance(value, str) and value else UNSET


def _items(told: Mapping[str, Any], name: str) -> Any:
    value = told.get(name)
    return value if isinstance(value, list | tuple) else UNSET


def _object(told: Mapping[str, Any], name: str) -> Any:
    value = told.get(name)
    return value if isinstance(value, dict) else UNSET


def _expiry(state: ExecutionState) -> str | UnsetType:
    """Give when the job expires: as its creator said, else when the ledger will delete it."""
    told = state.created.attributes.get("expiresAt")
    if isinstance(told, str):
        try:
            return instant(datetime.fromisoformat(told))
        except ValueError:
            return told
    retention_s = state.policies.retention_s
    if retention_s is None or state.ended_at is None:
        return UNSET
    return instant(state.ended_at + timedelta(seconds=retention_s))


def _dependencies(state: ExecutionState) -> Any:
    told = state.created.attributes.get("jobDependencies")
    named = list(told) if isinstance(told, list | tuple) else []
    known = {item.get("jobId") for item in named if isinstance(item, dict)}
    named += [{"jobId": str(uuid)} for uuid in state.created.waits_for if str(uuid) not in known]
    return named or UNSET


def _main_label(state: ExecutionState) -> str | UnsetType:
    told = state.created.attributes.get("mainLabel")
    if isinstance(told, str) and told:
        return told
    return next(iter(state.labels.values()), "") or UNSET


def _storage(state: ExecutionState) -> str | UnsetType:
    told = state.created.attributes.get("storageId")
    return (told if isinstance(told, str) else state.created.definition.storage) or UNSET


def _report_uri(state: ExecutionState) -> str | UnsetType:
    """Give where the report is: the attachment of that name, else what the creator said."""
    for attachment in state.attachments:
        if attachment.name.lower().partition(".")[0] == "report":
            return attachment.uri
    return _text(state.created.attributes, "reportUri")


def _attachment(attachment: Attachment) -> dict[str, Any]:
    told = {
        "mediaType": attachment.media_type or None,
        "size": attachment.size_bytes,
        "sha256": attachment.sha256,
    }
    known = {name: value for name, value in told.items() if value is not None}
    return {"name": attachment.name, "uri": attachment.uri, **known}
