"""What can go wrong with a call, each telling its reader what to do.

ClientError
├── Unreachable      no answer: the server is down, or the network; try again later
├── BadAnswer        an answer this version cannot read: compare the versions
└── Refused          the server said no; `problem` says why
    ├── BadRequest       mend the request
    ├── AccessDenied     use another key
    ├── NotFound         no such thing, or not yours to see
    ├── Conflict         the thing is in another state: look at it again
    │   └── Fenced       the hold on an execution has ended: stop working on it
    ├── Busy             try again after `retry_after_s`
    └── ServerFault      the server's own error; quote the request id
"""

from api.native.wire import Problem


class ClientError(Exception):
    """Root of all errors of a call to a ledger."""


class Unreachable(ClientError):
    """No answer came; whether the call had its effect is not known."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"{url} cannot be reached: {reason}")


class BadAnswer(ClientError):
    """An answer came that is not of the agreed form."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(f"the answer (status {status}) could not be read: {reason}")


class Refused(ClientError):
    """The server answered that it will not do this."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail or problem.title)


class BadRequest(Refused):
    """The request itself is wrong."""


class AccessDenied(Refused):
    """The key is unknown, revoked, or may not do this."""


class NotFound(Refused):
    """There is no such thing, or the caller may not see it."""


class Conflict(Refused):
    """The thing's state does not allow this now."""


class Fenced(Conflict):
    """The hold on an execution has ended; another may own it already."""


class Busy(Refused):
    """Not now; nothing of the call was taken in."""

    @property
    def retry_after_s(self) -> float:
        """How long the server asks to be left alone."""
        return 1.0 if self.problem.retry_after_s is None else self.problem.retry_after_s


class ServerFault(Refused):
    """The server failed in a way it did not foresee."""


def refusal(problem: Problem) -> Refused:
    """Choose the error for a problem document, by status and type."""
    match problem.status:
        case 401 | 403:
            return AccessDenied(problem)
        case 404 | 410:
            return NotFound(problem)
        case 409 | 412:
            return (Fenced if problem.type.endswith("/fenced") else Conflict)(problem)
        case 429 | 503:
            return Busy(problem)
        case status if status >= 500:
            return ServerFault(problem)
        case _:
            return BadRequest(problem)
