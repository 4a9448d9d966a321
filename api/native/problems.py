"""What goes wrong on the native API, as RFC 9457 problem documents."""

from typing import Any, Final, assert_never
from uuid import UUID

import msgspec
import structlog
from aiohttp import web

from api.native.wire import Problem
from api.request import REQUEST_ID
from ledger import rejection as r
from ledger.errors import (
    AppendQueueFull,
    Conflict,
    Corrupt,
    LedgerError,
    NotFound,
    ProjectionLagging,
    Unavailable,
)
from ledger.handle.executions import KeyReused
from ledger.handle.streams import StaleVersion

CONTENT_TYPE: Final = "application/problem+json"
_ENCODER: Final = msgspec.json.Encoder()
_log = structlog.get_logger(__name__)


class ProblemError(Exception):
    """Ends a request with a problem document; nothing was changed."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str = "",
        *,
        headers: dict[str, str] | None = None,
        path: str | None = None,
        execution: UUID | None = None,
        job_id: str | None = None,
        current: Any = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(title)
        self.headers = headers or {}
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(max(1, round(retry_after_s)))
        self.problem = Problem(
            type=f"/problems/{kind}",
            title=title,
            status=status,
            detail=detail,
            path=path,
            execution=execution,
            job_id=job_id,
            current=current,
            retry_after_s=retry_after_s,
        )


def response(error: ProblemError, request: web.Request) -> web.Response:
    """Render a problem as the answer to a request."""
    problem = msgspec.structs.replace(
        error.problem, instance=request.path, request_id=request.get(REQUEST_ID, "")
    )
    answer = web.Response(
        body=_ENCODER.encode(problem),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers=error.headers,
    )
    if problem.status == 408:
        answer.force_close()  # the rest of the body may still come
    return answer


def document(error: ProblemError) -> bytes:
    """Render a problem that is about no request in particular."""
    return _ENCODER.encode(error.problem)


def malformed(detail: str, path: str | None = None) -> ProblemError:
    """Say what is wrong with a request, and where."""
    return ProblemError(
        400, "malformed-request", "The request cannot be understood.", detail, path=path
    )


def not_found(kind: str, name: str) -> ProblemError:
    """Say that there is no such thing, or none that the caller may see."""
    return ProblemError(404, "not-found", f"There is no {kind} {name[:100]!r}.")


def internal() -> ProblemError:
    """Say that it is our fault, and nothing else."""
    return ProblemError(500, "internal", "Something went wrong on our side.")


def problem_of(error: LedgerError) -> ProblemError:
    """Say what a ledger error means for the caller."""
    match error:
        case AppendQueueFull():
            kind, title = "too-busy", "Too many writes are waiting; nothing of this one was taken."
        case ProjectionLagging():
            kind, title = "view-behind", "The view has not caught up with what you want to see."
        case Unavailable():
            kind, title = "unavailable", "The ledger cannot answer now."
        case NotFound():
            return ProblemError(404, "not-found", f"There is no such {error.kind}.")
        case Conflict():
            return ProblemError(409, "conflict", "Somebody else changed it at the same time.")
        case Corrupt():
            _log.error("ledger error", error=type(error).__name__, message=str(error))
            title = "What the ledger holds of it cannot be read."
            return ProblemError(500, "damaged", title, "Somebody who runs the ledger must look.")
        case _:
            _log.error("ledger error", error=type(error).__name__, message=str(error))
            return internal()
    return ProblemError(503, kind, title, str(error), retry_after_s=error.retry_after_s)


def of(  # noqa: C901 - one case a refusal
    refusal: r.Rejection | StaleVersion | KeyReused, within: str = "$"
) -> ProblemError:
    """Say why the ledger refused; *within* is the part of the body that the refusal is about."""
    match refusal:
        case StaleVersion():
            return ProblemError(
                412,
                "stale-version",
                "The resource has changed since you read it.",
                f"Its version is {refusal.current} now; read it again and decide anew.",
                current=refusal.current,
            )
        case KeyReused():
            return ProblemError(
                422,
                "idempotency-key-reused",
                "The idempotency key was used for a different request.",
                "Use a new key for a new request, or repeat the old one unchanged.",
                path="Idempotency-Key",
            )
        case r.JobUnknown():
            return not_found("job", refusal.job_id)
        case r.JobExists():
            return ProblemError(
                409,
                "job-exists",
                f"A job {refusal.job_id!r} is defined already, differently.",
                "Use PUT or PATCH to change it.",
                job_id=refusal.job_id,
            )
        case r.JobReserved():
            return ProblemError(
                403,
                "job-reserved",
                "Job ids beginning with 'sfcc-' are kept for system jobs.",
                job_id=refusal.job_id,
            )
        case r.JobInvalid():
            return ProblemError(
                422,
                "job-invalid",
                f"The job {refusal.job_id!r} is not executable as it is defined.",
                refusal.reason,
                path=f"{within}.{refusal.path}",
                job_id=refusal.job_id,
            )
        case r.ScheduleInvalid():
            return ProblemError(
                422,
                "schedule-invalid",
                "The schedule cannot be kept.",
                refusal.reason,
                path=f"{within}.{refusal.path}",
            )
        case r.AlreadyRunning():
            return ProblemError(
                409,
                "already-running",
                f"The job {refusal.job_id!r} is running already and allows one execution at a time.",
                execution=refusal.execution,
                job_id=refusal.job_id,
            )
        case r.NotRestartable():
            return ProblemError(
                409,
                "not-restartable",
                "It cannot be run again.",
                refusal.reason,
                job_id=refusal.job_id,
            )
        case r.RestartImpossible():
            return ProblemError(
                409,
                "restart-impossible",
                "Its progress no longer fits the job.",
                refusal.reason,
                job_id=refusal.job_id,
            )
        case r.ParameterInvalid():
            return ProblemError(
                422,
                "parameter-invalid",
                f"The parameter {refusal.name!r} {refusal.reason}.",
                path="$.parameters",
            )
        case r.WrongState():
            detail = f"It is {refusal.status}" + (f": {refusal.reason}." if refusal.reason else ".")
            return ProblemError(
                409,
                "wrong-state",
                f"The execution cannot take {refusal.command!r} now.",
                detail,
                current=refusal.status,
            )
        case r.NotFinished():
            return ProblemError(
                409,
                "not-finished",
                "The execution has not ended yet.",
                f"It is {refusal.status}; cancel it first, or wait for its end.",
                execution=refusal.execution,
                current=refusal.status,
            )
        case r.NotCancellable():
            return ProblemError(
                409,
                "not-cancellable",
                "The job does not allow its executions to be canceled.",
                job_id=refusal.job_id,
            )
        case r.ExecutionGone():
            return not_found("execution", str(refusal.execution))
        case r.ContentErased():
            return ProblemError(
                409,
                "erased",
                "The execution was erased; nothing more can be asked of it.",
                execution=refusal.execution,
            )
        case r.ReportFenced():
            return ProblemError(
                409,
                "fenced",
                "Your hold on this execution has ended; stop working on it.",
                f"Reported under fence {refusal.presented}; the current one is {refusal.current}.",
                current=refusal.current,
            )
        case r.ReportInvalid():
            return ProblemError(
                422,
                "report-invalid",
                "A report contradicts what is known.",
                refusal.reason,
                path=f"$.reports[{refusal.index}]",
            )
        case r.KeyUnknown():
            return not_found("key", refusal.key)
        case _:
            assert_never(refusal)
