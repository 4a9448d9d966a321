"""What goes wrong, as the vendor's clients read it: RFC 9457 problem documents."""

from typing import assert_never

from api.dialects.product_live.wire import Problem
from ledger import rejection as r


def problem(
    status: int, kind: str, title: str, detail: str = "", path: str | None = None
) -> Problem:
    """Make a problem document."""
    return Problem(type=f"/problems/{kind}", title=title, status=status, detail=detail, path=path)


def of(refusal: r.Rejection) -> Problem:  # noqa: C901 - one case a refusal
    """Say why the ledger refused."""
    match refusal:
        case r.JobUnknown():
            return problem(404, "not-found", f"There is no job {refusal.job_id[:100]!r}.")
        case r.JobExists():
            return problem(409, "job-exists", "The job is defined already.")
        case r.JobReserved():
            return problem(403, "job-reserved", "The job is kept for the system.")
        case r.JobInvalid():
            return problem(422, "job-invalid", "The job cannot be run.", refusal.reason)
        case r.ScheduleInvalid():
            return problem(422, "schedule-invalid", "The schedule cannot be kept.", refusal.reason)
        case r.AlreadyRunning():
            title = "The job is running already and allows one execution at a time."
            return problem(409, "already-running", title)
        case r.NotRestartable():
            return problem(409, "not-restartable", "It cannot be run again.", refusal.reason)
        case r.RestartImpossible():
            title = "Its progress no longer fits the job."
            return problem(409, "restart-impossible", title, refusal.reason)
        case r.ParameterInvalid():
            title = f"The parameter {refusal.name[:100]!r} {refusal.reason}."
            return problem(422, "parameter-invalid", title)
        case r.WrongState():
            return problem(409, "wrong-state", f"The execution is {refusal.status}.")
        case r.NotFinished():
            return problem(409, "not-finished", f"The execution is {refusal.status}.")
        case r.NotCancellable():
            return problem(409, "not-cancellable", "The job does not allow canceling.")
        case r.ExecutionGone():
            return problem(404, "not-found", f"There is no execution {refusal.execution}.")
        case r.ContentErased():
            return problem(404, "not-found", f"The execution {refusal.execution} was erased.")
        case r.ReportFenced():
            return problem(409, "fenced", "The hold on the execution has ended.")
        case r.ReportInvalid():
            return problem(422, "report-invalid", "A report is wrong.", refusal.reason)
        case r.KeyUnknown():
            return problem(404, "not-found", "There is no such key.")
        case _:
            assert_never(refusal)
