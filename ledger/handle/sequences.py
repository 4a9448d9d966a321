"""Sequences: several jobs and all that follow them, as one plan that is created in one append.

The plan holds the jobs that were asked for, in that order, then every data-driven job that comes
after one of them, directly or through others. Each execution waits for those of the plan that its
job names in `after`. All jobs of a plan must be data-driven. Nothing is created unless all of it is.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from ledger.events.definition import Definition
from ledger.events.executions import Argument
from ledger.handle.executions import Executions, NewExecution, PlanCreated
from ledger.handle.jobs import Jobs, definition_of
from ledger.ids import new_uuid
from ledger.rejection import JobInvalid, JobUnknown, Rejection
from ledger.store.port import Context

MAX_JOBS: Final = 1000


class Sequences:
    """Plans of all organizations."""

    def __init__(self, jobs: Jobs, executions: Executions) -> None:
        self._jobs = jobs
        self._executions = executions

    async def create(
        self,
        context: Context,
        job_ids: Sequence[str],
        *,
        variables: dict[str, Any],
        like: NewExecution,
    ) -> PlanCreated | Rejection:
        """Create the executions of a sequence.

        *like* tells what all of them have in common (user, client, trigger). A job that declares
        parameters takes those of *variables* that it declares, another one takes all.

        Raises:
            Unavailable: nothing is known of the outcome.
        """
        members = await self._members(context.organization, job_ids)
        if not isinstance(members, dict):
            return members
        circle = _circle(members)
        if circle is not None:
            return JobInvalid(job_id=circle, path="after", reason="jobs wait for each other")
        uuids = {job_id: new_uuid() for job_id in members}
        plan = new_uuid()
        return await self._executions.create_plan(
            context,
            [
                replace(
                    like,
                    job_id=job_id,
                    uuid=uuids[job_id],
                    plan=plan,
                    waits_for=_upstreams(definition, uuids),
                    parameters=_arguments(definition, variables),
                )
                for job_id, definition in members.items()
            ],
        )

    async def _members(
        self, organization: str, job_ids: Sequence[str]
    ) -> dict[str, Definition] | Rejection:
        """Find the plan's jobs, in its order."""
        members: dict[str, Definition] = {}
        for job_id in job_ids:
            definition = definition_of(await self._jobs.read(organization, job_id, fresh=True))
            if definition is None:
                return JobUnknown(job_id=job_id)
            if not definition.data_driven:
                return JobInvalid(job_id=job_id, path="data_driven", reason="it is not data-driven")
            members[job_id] = definition
        looking = list(members)
        for upstream in looking:
            for job_id in await self._jobs.followers(organization, upstream):
                if job_id in members:
                    continue
                definition = definition_of(await self._jobs.read(organization, job_id, fresh=True))
                if definition is None or not definition.data_driven:
                    continue
                if len(members) >= MAX_JOBS:
                    reason = f"a sequence may have {MAX_JOBS} jobs"
                    return JobInvalid(job_id=job_id, path="after", reason=reason)
                members[job_id] = definition
                looking.append(job_id)
        return members


def _upstreams(definition: Definition, uuids: dict[str, UUID]) -> tuple[UUID, ...]:
    return tuple(uuids[up] for up in dict.fromkeys(definition.after) if up in uuids)


def _arguments(definition: Definition, variables: dict[str, Any]) -> tuple[Argument, ...]:
    declared = {parameter.name for parameter in definition.parameters}
    return tuple(
        Argument(name=name, value=value)
        for name, value in variables.items()
        if not declared or name in declared
    )


def _circle(members: dict[str, Definition]) -> str | None:
    """Give a job that waits for itself through others, if there is one."""
    left = {job_id: {up for up in d.after if up in members} for job_id, d in members.items()}
    while left:
        free = {job_id for job_id, upstreams in left.items() if not upstreams}
        if not free:
            return next(iter(left))
        left = {job_id: ups - free for job_id, ups in left.items() if job_id not in free}
    return None
