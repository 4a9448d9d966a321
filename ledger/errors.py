"""Exceptions: what a caller could not have prevented, each telling its reader what to do.

    LedgerError
    ├── Conflict
    │   ├── WrongExpectedVersion   reload the stream and decide again
    │   └── ClaimTaken             another stream owns the key; read its owner
    ├── NotFound                   the stream does not exist, or is not yours to see
    ├── Unavailable                try again after `retry_after_s`
    │   ├── StoreUnavailable       PostgreSQL cannot be reached; nothing was acknowledged
    │   ├── AppendQueueFull        too many appends wait; nothing was taken in
    │   └── ProjectionLagging      the view has not reached the position asked for
    └── Corrupt                    what is stored cannot be right; stop and look
        ├── UnknownEventType
        └── UndecodableEvent

A refusal by rule is not here: it is a value, see `ledger.rejection`.
"""


class LedgerError(Exception):
    """Root of all errors the ledger raises on purpose."""


class Conflict(LedgerError):
    """A precondition of an append did not hold; nothing was written."""


class WrongExpectedVersion(Conflict):
    """The stream moved on since it was read: reload it and decide again."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        self.stream = stream
        self.expected = expected
        self.actual = actual
        super().__init__(f"stream {stream} is at version {actual}, not {expected}")


class ClaimTaken(Conflict):
    """Another stream owns the key that this append wanted to claim."""

    def __init__(self, key: str, owner: str, value: bytes | None) -> None:
        self.key = key
        self.owner = owner
        self.value = value
        super().__init__(f"claim {key} is owned by {owner}")


class NotFound(LedgerError):
    """There is no such thing, or the caller may not learn that there is."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"no {kind} {name!r}")


class Unavailable(LedgerError):
    """The ledger cannot answer now; the same call may succeed after `retry_after_s`."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class StoreUnavailable(Unavailable):
    """PostgreSQL cannot be reached, or did not answer in time."""


class AppendQueueFull(Unavailable):
    """The bounded list of waiting appends is full; nothing of this append was taken in."""


class ProjectionLagging(Unavailable):
    """A view did not reach the wanted position within the wait's deadline."""

    def __init__(self, projection: str, wanted: int, reached: int) -> None:
        self.projection = projection
        self.wanted = wanted
        self.reached = reached
        super().__init__(
            f"projection {projection} is at position {reached}, wanted {wanted}",
            retry_after_s=1.0,
        )


class ProjectionRebuilding(ProjectionLagging):
    """The live tables are of another version of a view: a rebuild runs, or this process is old."""

    def __init__(self, projection: str) -> None:
        super().__init__(projection, 0, 0)
        message = (
            f"projection {projection} is being rebuilt for this version of the code;"
            " /v1/projections tells how far it is"
        )
        self.args = (message,)


class Corrupt(LedgerError):
    """Stored facts contradict the code or themselves: an operator must look."""


class UnknownEventType(Corrupt):
    """The log holds a type that this version of the code does not know: upgrade the process."""

    def __init__(self, event_type: str, schema_version: int) -> None:
        self.event_type = event_type
        self.schema_version = schema_version
        super().__init__(f"unknown event type {event_type!r} (schema {schema_version})")


class UndecodableEvent(Corrupt):
    """The stored bytes of an event do not fit its type."""

    def __init__(self, event_type: str, position: int, reason: str) -> None:
        self.event_type = event_type
        self.position = position
        super().__init__(f"event {event_type} at position {position}: {reason}")
