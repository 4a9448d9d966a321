"""The keys an execution owns while it lives: how rules that span executions are kept.

`running/<organization>/<job>`: one open execution at a time (`reject`), or one started (`queue`).
`waiting/<organization>/<job>`: one execution that has not started (`coalesce`).
"""

from collections.abc import Sequence

from ledger.events import executions as x
from ledger.events.codec import Event
from ledger.executions.state import ExecutionState

CLOSING = (x.ExecutionFinished, x.ExecutionCanceled)


def running_key(organization: str, job_id: str) -> str:
    """Name the slot that one running execution of a job owns."""
    return f"running/{organization}/{job_id}"


def waiting_key(organization: str, job_id: str) -> str:
    """Name the slot that one waiting execution of a job owns."""
    return f"waiting/{organization}/{job_id}"


def changes(
    after: ExecutionState, events: Sequence[Event]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the keys to claim and to release with an append of *events* that leads to *after*."""
    running = running_key(after.organization, after.job_id)
    waiting = waiting_key(after.organization, after.job_id)
    created = any(isinstance(event, x.ExecutionCreated) for event in events)
    started = any(isinstance(event, x.ExecutionStarted) for event in events)
    closed = any(isinstance(event, CLOSING) for event in events)
    match after.policies.when_running:
        case "parallel":
            return (), ()
        case "reject":
            return ((running,) if created and not closed else ()), ((running,) if closed else ())
        case "queue":
            return ((running,) if started and not closed else ()), ((running,) if closed else ())
        case "coalesce":
            held = created and not started and not closed
            left = (started or closed) and not created
            return ((waiting,) if held else ()), ((waiting,) if left else ())
