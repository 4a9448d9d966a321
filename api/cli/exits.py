"""Exit codes that a script can rely on."""

from typing import Final

from api.native.wire import ExecutionView

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
ABORTED: Final = 3
UNREACHABLE: Final = 4
REFUSED: Final = 5
INTERRUPTED: Final = 130


def code_of(view: ExecutionView) -> int:
    """Give the exit code for a closed execution."""
    if view.status == "aborted":
        return ABORTED
    return FAILED if view.outcome == "error" else DONE
