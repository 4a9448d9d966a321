"""What the dialects have in common: how they say that they cannot do what was asked.

DialectError
├── MalformedRequest     the request cannot be understood; `path` says where
└── UnsupportedOperation understood, but not offered
"""


class DialectError(Exception):
    """A request that a dialect refuses before the ledger is asked."""


class MalformedRequest(DialectError):
    """The request cannot be understood; nothing was changed."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}" if path else reason)


class UnsupportedOperation(DialectError):
    """What was asked is not offered here."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        super().__init__(operation)
