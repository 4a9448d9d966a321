"""From a job's definition to the steps of one execution: inclusion expanded, once per scope."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from ledger.events.definition import DEFAULT_SCOPE, Definition, StepDefinition
from ledger.events.executions import PlannedStep
from ledger.rejection import JobInvalid

MAX_PLANNED_STEPS: Final = 2000
MAX_INCLUDE_DEPTH: Final = 20


class _Invalid(Exception):
    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(reason)


def included_jobs(definition: Definition) -> tuple[str, ...]:
    """Name the jobs whose steps this one includes directly."""
    return tuple(step.include for step in definition.steps if step.include is not None)


def expand(
    job_id: str, definition: Definition, jobs: Mapping[str, Definition]
) -> tuple[PlannedStep, ...] | JobInvalid:
    """Expand a definition into the steps that will be run.

    *jobs* holds every job that is included, directly or through others. An included step is called
    `<including step> - <included step>` and runs once for each scope of the including step.

    Order: as run: steps in definition order; an inclusion's whole list for one scope, then the
    next scope.
    """
    try:
        steps = tuple(_expand(definition, jobs, trail=(job_id,)))
    except _Invalid as invalid:
        return JobInvalid(job_id=job_id, path=invalid.path, reason=invalid.reason)
    if not steps:
        return JobInvalid(job_id=job_id, path="steps", reason="the job has no steps")
    return steps


def _expand(
    definition: Definition, jobs: Mapping[str, Definition], trail: tuple[str, ...]
) -> Iterator[PlannedStep]:
    index = 0
    for place, step in enumerate(definition.steps):
        for planned in _planned(step, jobs, trail, path=f"steps[{place}]"):
            index += 1
            if index > MAX_PLANNED_STEPS:
                raise _Invalid("steps", f"more than {MAX_PLANNED_STEPS} steps after expansion")
            yield replace(planned, index=index)


def _planned(
    step: StepDefinition, jobs: Mapping[str, Definition], trail: tuple[str, ...], path: str
) -> Iterator[PlannedStep]:
    if step.include is None:
        for scope in step.scopes or (DEFAULT_SCOPE,):
            yield PlannedStep(
                index=1,
                step_id=step.step_id,
                step_type_id=step.step_type_id,
                step_type_info=step.step_type_info,
                description=step.description,
                settings=step.settings,
                scope=scope,
                timeout_s=step.timeout_s,
                retry=step.retry,
            )
        return
    if step.include in trail:
        loop = " → ".join((*trail, step.include))
        raise _Invalid(f"{path}.include", f"jobs include each other in a circle: {loop}")
    if len(trail) > MAX_INCLUDE_DEPTH:
        raise _Invalid(f"{path}.include", f"inclusion is deeper than {MAX_INCLUDE_DEPTH}")
    included = jobs.get(step.include)
    if included is None:
        raise _Invalid(f"{path}.include", f"the included job {step.include!r} does not exist")
    scopes: tuple[str | None, ...] = step.scopes or (None,)
    for over in scopes:
        for inner in _expand(included, jobs, (*trail, step.include)):
            yield PlannedStep(
                index=1,
                step_id=f"{step.step_id} - {inner.step_id}",
                step_type_id=inner.step_type_id,
                step_type_info=inner.step_type_info,
                description=inner.description,
                settings=inner.settings,
                scope=inner.scope if over is None else over,
                included_from=inner.included_from or step.include,
                timeout_s=inner.timeout_s,
                retry=inner.retry,
            )
