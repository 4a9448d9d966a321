"""What goes wrong, as the vendor says it: a status and a reason."""

from typing import Final, assert_never

from ledger import rejection as r

NO_FILE: Final = "File doesn't exist or isn't accessible with current permissions"
NO_FILES: Final = "a sequence must name at least one file"


def no_entity(kind: str, name: str) -> str:
    """Say that there is no such thing."""
    return f"Entity of type '{kind}' with id '{name[:100]}' not found."


def reason(refusal: r.Rejection) -> tuple[int, str]:  # noqa: C901 - one case a refusal
    """Say why the ledger refused, with the HTTP status that goes with it."""
    match refusal:
        case r.JobUnknown():
            return 404, NO_FILE
        case r.JobExists():
            return 409, f"Job '{refusal.job_id}' exists already"
        case r.JobReserved():
            return 403, f"Job '{refusal.job_id}' belongs to the system"
        case r.JobInvalid():
            return 400, f"Job '{refusal.job_id}' can't be triggered: {refusal.reason}"
        case r.ScheduleInvalid():
            return 400, f"The schedule can't be kept: {refusal.reason}"
        case r.AlreadyRunning():
            return 409, f"Job '{refusal.job_id}' is running already"
        case r.NotRestartable() | r.RestartImpossible():
            return 409, f"Job '{refusal.job_id}' can't be triggered: {refusal.reason}"
        case r.ParameterInvalid():
            return 400, f"Variable '{refusal.name}' {refusal.reason}"
        case r.WrongState() | r.NotFinished():
            return 409, f"The job execution is {refusal.status}"
        case r.NotCancellable():
            return 409, f"Job '{refusal.job_id}' can't be stopped"
        case r.ExecutionGone() | r.ContentErased():
            return 404, no_entity("JobExecution", str(refusal.execution))
        case r.ReportFenced():
            return 409, "The job execution has another owner"
        case r.ReportInvalid():
            return 400, refusal.reason
        case r.KeyUnknown():
            return 404, no_entity("Key", refusal.key)
        case _:
            assert_never(refusal)
