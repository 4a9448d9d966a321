"""The keys an execution owns while it lives: how rules that span executions are kept.

`running/<organization>/<job>`: one open execution at a time (`reject`), or one started (`queue`).
`running/<organization>/<job>/<place>`: one of the places that `max_running` gives.
`waiting/<organization>/<job>`: one execution that has not started (`coalesce`).
`waits/<upstream>/<execution>`: an execution that waits for another one's end; who reacts to that end
finds by the first part of the key whom it concerns.
"""

from collections.abc import Sequence
from uuid import UUID

from ledger.events import executions as x
from ledger.events.codec import Event
from ledger.executions.state import ExecutionState


def running_key(organization: str, job_id: str) -> str:
    """Name the slot that one running execution of a job owns."""
    return f"running/{organization}/{job_id}"


def place_key(organization: str, job_id: str, slot: int) -> str:
    """Name one of the places for running executions of a job with a limit."""
    return f"{running_key(organization, job_id)}/{slot}"


def waiting_key(organization: str, job_id: str) -> str:
    """Name the slot that one waiting execution of a job owns."""
    return f"waiting/{organization}/{job_id}"


def waits_prefix(upstream: UUID) -> str:
    """Give what the keys of those begin with that wait for an execution."""
    return f"waits/{upstream}/"


def changes(
    after: ExecutionState, events: Sequence[Event]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the keys to claim and to release with an append of *events* that leads to *after*."""
    kinds = {type(event) for event in events}
    created = x.ExecutionCreated in kinds
    closed = not kinds.isdisjoint(x.CLOSING)
    claims, releases = _of_job(after, events, created=created, closed=closed)
    if after.created.waits_for:
        waits = tuple(f"{waits_prefix(up)}{after.uuid}" for up in after.created.waits_for)
        released = x.ExecutionReleased in kinds
        if created and not (closed or released):
            claims = (*claims, *waits)
        elif (closed or released) and not created:
            releases = (*releases, *waits)
    return claims, releases


def _of_job(
    after: ExecutionState, events: Sequence[Event], *, created: bool, closed: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    starts = [event for event in events if isinstance(event, x.ExecutionStarted)]
    claims: list[str] = []
    releases: list[str] = []
    if after.slot:
        place = place_key(after.organization, after.job_id, after.slot)
        if closed:
            releases.append(place)
        elif any(event.slot for event in starts):
            claims.append(place)
    match after.policies.when_running:
        case "parallel":
            pass
        case "reject":
            running = running_key(after.organization, after.job_id)
            claims.extend((running,) if created and not closed else ())
            releases.extend((running,) if closed else ())
        case "queue":
            running = running_key(after.organization, after.job_id)
            alone = after.policies.max_running is None
            claims.extend((running,) if alone and starts and not closed else ())
            releases.extend((running,) if closed else ())
        case "coalesce":
            waiting = waiting_key(after.organization, after.job_id)
            held = created and not starts and not closed
            left = (starts or closed) and not created
            claims.extend((waiting,) if held else ())
            releases.extend((waiting,) if left else ())
    return tuple(claims), tuple(releases)
