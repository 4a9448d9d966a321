"""Faults: what goes wrong, with OCAPI's statuses, types, arguments and messages."""

from typing import Any, Literal, assert_never

from api.dialects.ocapi.version import Version
from api.dialects.ocapi.wire import FaultBody, FaultDocument
from api.dialects.port import DialectError
from ledger import rejection as r


class Fault(DialectError):
    """Ends a request with a fault document."""

    def __init__(self, status: int, kind: str, message: str, **arguments: Any) -> None:
        self.status = status
        self.kind = kind
        self.message = message
        self.arguments = arguments
        super().__init__(f"{kind}: {message}")

    def document(self, version: Version) -> FaultDocument:
        """Render the fault."""
        body = FaultBody(arguments=self.arguments, type=self.kind, message=self.message)
        return FaultDocument(v=version.text, fault=body)


def job_not_found(job_id: str) -> Fault:
    """There is no job of that id."""
    return Fault(404, "JobNotFoundException", f"No job with ID '{job_id}' was found.", jobId=job_id)


def execution_not_found(execution_id: str) -> Fault:
    """There is no such execution of that job."""
    return Fault(
        404,
        "JobExecutionNotFoundException",
        f"No Job execution with ID '{execution_id}' was found.",
        executionId=execution_id,
    )


def not_finished(execution_id: str) -> Fault:
    """The execution is still open."""
    return Fault(
        403,
        "JobExecutionNotFinishedException",
        f"The job execution with ID '{execution_id}' is not finished.",
        executionId=execution_id,
    )


def already_running(job_id: str) -> Fault:
    """One execution of the job is open, and it allows no second."""
    return Fault(
        400,
        "JobAlreadyRunningException",
        f"The job with ID '{job_id}' is already running.",
        jobId=job_id,
    )


def job_invalid(job_id: str, cause: str) -> Fault:
    """The definition cannot be right by itself."""
    return Fault(
        400,
        "JobInvalidException",
        f"The job with ID '{job_id}' is invalid and can not be executed.",
        jobId=job_id,
        cause=cause,
    )


def not_executable(job_id: str, status: Literal[400, 409]) -> Fault:
    """Nobody could execute the job as it is defined."""
    return Fault(
        status,
        "JobExecutionException",
        f"The job with ID '{job_id}' could not be executed.",
        jobId=job_id,
    )


def unknown_property(document: str, name: str) -> Fault:
    """The request document holds what its type does not have."""
    return Fault(
        400,
        "UnknownPropertyException",
        f"The property '{name}' is unknown in the document '{document}'.",
        document=document,
        property=name,
    )


def bad_property(document: str, path: str, reason: str) -> Fault:
    """A property's value is missing, or none that it can have."""
    return Fault(
        400,
        "PropertyConstraintViolationException",
        f"The property '{path}' of the document '{document}' {reason}.",
        document=document,
        path=path,
    )


def bad_enum(document: str, value: str) -> Fault:
    """A value is none of those that are known."""
    return Fault(
        400,
        "EnumConstraintViolationException",
        f"The value '{value}' is none of those that the document '{document}' allows.",
        document=document,
        enumValue=value,
    )


def bad_parameter(name: str, value: str) -> Fault:
    """A parameter of the address or of the job cannot be read."""
    return Fault(
        400,
        "MalformedParameterException",
        f"The parameter '{name}' is malformed.",
        parameter=name,
        value=value,
    )


def bad_body(reason: str) -> Fault:
    """The request document cannot be decoded."""
    return Fault(
        400,
        "BodyDecodingException",
        f"The request document could not be decoded: {reason}.",
        body="",
    )


def bad_media_type(media_type: str) -> Fault:
    """The request document is of a type that is not read here."""
    return Fault(
        415,
        "MalformedMediaTypeException",
        f"The media type '{media_type}' is malformed or not supported.",
        mediaType=media_type,
    )


def bad_version() -> Fault:
    """The path names no version."""
    return Fault(
        400, "InvalidVersionException", "The version is missing or malformed in the request URL."
    )


def missing_site_scope() -> Fault:
    """An index job was not told for which sites."""
    return Fault(400, "MissingSiteScopeParameterException", "The site scope parameter is missing.")


def bad_site_scope(value: str) -> Fault:
    """An index job was told sites that cannot be."""
    return Fault(
        400,
        "InvalidSiteScopeParameterException",
        f"The site scope '{value}' is empty or contains an invalid site ID.",
        siteScopeValue=value,
    )


def conflict(resource_state: str) -> Fault:
    """The resource is no longer as the client saw it."""
    return Fault(
        409,
        "ResourceStateConflictException",
        "The resource was changed since it was read.",
        resourceState=resource_state,
    )


def no_authorization() -> Fault:
    """The request shows no credentials that could be read."""
    return Fault(
        401,
        "InvalidAuthorizationHeaderException",
        "Unauthorized request! The authorization header is missing or malformed.",
    )


def bad_token() -> Fault:
    """The token is unknown, expired, or its key was revoked."""
    return Fault(
        401,
        "InvalidAccessTokenException",
        "Unauthorized request! The access token is invalid.",
    )


def forbidden(client_id: str) -> Fault:
    """The client may not do this."""
    return Fault(
        403,
        "ClientAccessForbiddenException",
        "The client is not allowed to access this resource.",
        clientId=client_id,
    )


def path_not_found(path: str) -> Fault:
    """There is no resource at this path."""
    return Fault(
        404, "ResourcePathNotFoundException", "There is no resource at this path.", path=path
    )


def method_not_allowed(method: str) -> Fault:
    """The resource does not take this method."""
    return Fault(
        405,
        "MethodNotAllowedException",
        f"The resource does not take the method '{method}'.",
        method=method,
    )


def too_large() -> Fault:
    """The request document is larger than allowed."""
    return Fault(
        413, "RequestDocumentTooLargeException", "The request document is larger than allowed."
    )


def unavailable() -> Fault:
    """The ledger cannot answer now."""
    return Fault(503, "ServiceUnavailableException", "The service cannot answer now; try again.")


def internal() -> Fault:
    """It is our fault, and nothing else is told."""
    return Fault(500, "InternalServerErrorException", "Something went wrong on our side.")


def of_refusal(
    refusal: r.Rejection,
    *,
    job_id: str = "",
    execution_id: str = "",
    not_executable_status: Literal[400, 409] = 409,
) -> Fault:
    """Say why the ledger refused, about the job and execution that the path names."""
    match refusal:
        case r.JobUnknown():
            return job_not_found(job_id)
        case r.AlreadyRunning():
            return already_running(job_id)
        case r.JobInvalid():
            return job_invalid(job_id, f"{refusal.path}: {refusal.reason}")
        case r.NotRestartable():
            return Fault(
                400,
                "JobNotRestartableException",
                f"The job with ID '{job_id}' does not support restarting.",
                jobId=job_id,
            )
        case r.RestartImpossible():
            return Fault(
                400,
                "JobRestartException",
                f"The job with ID '{job_id}' could not be restarted.",
                jobId=job_id,
            )
        case r.ParameterInvalid():
            return bad_parameter(refusal.name, refusal.reason)
        case r.NotFinished():
            return not_finished(execution_id)
        case r.ExecutionGone() | r.ContentErased():
            return execution_not_found(execution_id)
        case (
            r.JobExists()
            | r.JobReserved()
            | r.ScheduleInvalid()
            | r.WrongState()
            | r.NotCancellable()
            | r.ReportFenced()
            | r.ReportInvalid()
            | r.KeyUnknown()
        ):
            # No command that is given through this dialect is refused so.
            return not_executable(job_id, not_executable_status)
        case _:
            assert_never(refusal)
