"""What an event changed: two states of one execution, compared part by part.

Parts are named as the API names them: `status`, `progress.percent`, `labels.team`, `parameters.file`,
`steps[2].status`. Documents (input, output, lists) are compared whole. Where a state says nothing of a
part, it is null.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.executions.state import ExecutionState

_QUIET: Final = frozenset(
    ("position", "version", "modified_at", "previous_status", "created_position")
)
"""Moves with every event, so that it tells nothing."""
_OF_CREATION: Final = (
    "job_id",
    "parameters",
    "input",
    "attributes",
    "trigger",
    "client_id",
    "user",
    "restart_of",
    "first_step",
    "plan",
    "waits_for",
)
_BY_NAME: Final = frozenset(("progress", "labels", "metrics", "attributes", "counters", "held"))
_OF_STEP: Final = frozenset(("step_id", "step_type_id", "scope"))


class Change(Struct, frozen=True):
    """One part of an execution, before and after an event."""

    field: str
    before: Any = msgspec.field(name="from")
    after: Any = msgspec.field(name="to")


def changes(before: ExecutionState | None, after: ExecutionState) -> tuple[Change, ...]:
    """Tell what differs, in the order of the state's parts."""
    old = {} if before is None else dict(_parts(before))
    new = dict(_parts(after))
    names = [*new, *(name for name in old if name not in new)]
    return tuple(
        Change(name, old.get(name), new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    )


def _parts(state: ExecutionState) -> Iterator[tuple[str, Any]]:
    told: Mapping[str, Any] = msgspec.to_builtins(state)
    created: Mapping[str, Any] = told["created"]
    for name in _OF_CREATION:
        if name == "parameters":
            for argument in created.get(name, ()):
                yield f"parameters.{argument['name']}", argument.get("value")
        elif name in created and created[name] != "":
            yield from _named(name, created[name])
    # A status that is the default is told too: it is what everybody looks for.
    yield "status", state.status
    yield "waiting_for", state.waiting_for
    for name, value in told.items():
        if name == "steps":
            yield from _steps(value)
        elif name not in _QUIET and name not in ("created", "status", "waiting_for"):
            yield from _named(name, value)


def _steps(steps: Any) -> Iterator[tuple[str, Any]]:
    for step in steps:
        plan = step["plan"]
        within = f"steps[{plan['index']}]"
        for name, value in plan.items():
            if name in _OF_STEP:
                yield f"{within}.{name}", value
        yield f"{within}.status", step.get("status", "pending")
        for name, value in step.items():
            if name not in ("plan", "status", "modified_at"):
                yield from _named(f"{within}.{name}", value)


def _named(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and name.rpartition(".")[2] in _BY_NAME:
        for inner, item in value.items():
            yield from _named(f"{name}.{inner}", item)
    else:
        yield name, value
