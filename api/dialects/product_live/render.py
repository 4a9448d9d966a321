"""From executions to the vendor's answers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET

from api.dialects.product_live.files import shown_files
from api.dialects.product_live.statuses import STATUS_OF
from api.dialects.product_live.wire import Executions, Info, JobExecution, Problem
from ledger.executions.phase import phase_of
from ledger.executions.state import ExecutionState
from ledger.ids import oid_of

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def instant(value: datetime) -> str:
    """Write an instant: UTC, milliseconds, always three decimals."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_execution(state: ExecutionState, *, base_url: str) -> JobExecution:
    """Show an execution; files in it can be fetched below *base_url*."""
    created = state.created
    return JobExecution(
        jobId=state.job_id,
        id=oid_of(state.uuid),
        pipelineId=oid_of(created.job_uuid),
        createdAt=instant(state.created_at),
        endedAt=instant(state.ended_at) if state.ended_at is not None else UNSET,
        input=_shown(created.input, base_url),
        startedAt=instant(state.started_at) if state.started_at is not None else UNSET,
        status=STATUS_OF[phase_of(state)],
        output=_shown(state.output, base_url),
        info=Info(title=state.name or created.definition.name or state.job_id),
    )


def _shown(document: Any, base_url: str) -> Any:
    return {} if document is None else shown_files(document, base_url)


def executions(states: Sequence[ExecutionState], total: int, *, base_url: str) -> Executions:
    """Show a page of a list."""
    return Executions(
        data=tuple(job_execution(state, base_url=base_url) for state in states),
        totalElements=total,
    )


def encode(body: Executions | JobExecution | Problem | dict[str, Any]) -> bytes:
    """Give the bytes of an answer."""
    return _ENCODER.encode(body)
