"""What goes wrong, as the vendor's clients read it: a number, a technical key, and a message."""

from typing import Final, assert_never

from api.dialects.cdq.wire import Failure
from ledger import rejection as r

_KEYS: Final = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "UNPROCESSABLE_ENTITY",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
    503: "SERVICE_UNAVAILABLE",
}
_NUMBERS_PER_STATUS: Final = 100_000


def failure(status: int, message: str) -> Failure:
    """Make an error's body."""
    key = _KEYS.get(status) or ("BAD_REQUEST" if status < 500 else "INTERNAL_SERVER_ERROR")
    return Failure(code=status * _NUMBERS_PER_STATUS, technical_key=key, message=message)


def of(refusal: r.Rejection) -> tuple[int, str]:  # noqa: C901 - one case a refusal
    """Say why the ledger refused: status and message."""
    match refusal:
        case r.JobUnknown():
            return 404, f"There is no job type {refusal.job_id[:100]!r}."
        case r.JobExists():
            return 409, f"The job type {refusal.job_id[:100]!r} is defined already."
        case r.JobReserved():
            return 403, f"The job type {refusal.job_id[:100]!r} is kept for the system."
        case r.JobInvalid():
            return 422, f"The job type {refusal.job_id[:100]!r} cannot be run: {refusal.reason}."
        case r.ScheduleInvalid():
            return 400, f"{refusal.path}: {refusal.reason}"
        case r.AlreadyRunning():
            return 409, f"A job of the type {refusal.job_id[:100]!r} is running already."
        case r.NotRestartable():
            return 409, f"It cannot be run again: {refusal.reason}."
        case r.RestartImpossible():
            return 409, f"Its progress no longer fits its type: {refusal.reason}."
        case r.ParameterInvalid():
            return 400, f"The parameter {refusal.name[:100]!r} {refusal.reason}."
        case r.WrongState():
            told = f": {refusal.reason}" if refusal.reason else ""
            return 409, f"The job is {refusal.status}{told}."
        case r.NotFinished():
            return 409, f"The job is {refusal.status}; cancel it first, or wait for its end."
        case r.NotCancellable():
            return 409, f"Jobs of the type {refusal.job_id[:100]!r} cannot be canceled."
        case r.ExecutionGone():
            return 404, f"There is no job {refusal.execution}."
        case r.ContentErased():
            return 404, f"The job {refusal.execution} was erased."
        case r.ReportFenced():
            return 409, "The hold on the job has ended."
        case r.ReportInvalid():
            return 409, f"It contradicts what is known: {refusal.reason}."
        case r.KeyUnknown():
            return 404, "There is no such key."
        case _:
            assert_never(refusal)
