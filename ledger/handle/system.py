"""Seeing to it that an organization has its system jobs, as this version of the ledger has them.

Organizations are nowhere listed, so they are not all known at start-up: the default one's jobs are
defined then, another's when a system job is first asked for there. Idempotent, and safe when several
processes do it at once: a job that somebody else has defined meanwhile is left as it is.
"""

from collections.abc import Sequence

from ledger.handle.jobs import Jobs
from ledger.handle.streams import Done
from ledger.ids import new_uuid
from ledger.jobs.commands import Change, Define
from ledger.jobs.system import SYSTEM_JOBS
from ledger.store.port import AnyRecorded, Context


async def ensure_system_jobs(
    jobs: Jobs, organization: str, job_ids: Sequence[str] = tuple(SYSTEM_JOBS)
) -> tuple[AnyRecorded, ...]:
    """Define the system jobs that are missing or outdated; give the events that led to.

    Raises:
        Unavailable: the store does not answer; try again.
    """
    context = Context(organization=organization, actor="ledger")
    records: list[AnyRecorded] = []
    for job_id in job_ids:
        wanted = SYSTEM_JOBS[job_id]
        state = (await jobs.read(organization, job_id, fresh=False)).state
        if state is not None and not state.retired and state.definition == wanted:
            continue
        done = await jobs.change(
            context,
            job_id,
            Define(uuid=new_uuid(), job_id=job_id, definition=wanted, by_ledger=True),
        )
        if not isinstance(done, Done):  # it is there with another definition
            done = await jobs.change(context, job_id, Change(definition=wanted, by_ledger=True))
        if isinstance(done, Done):
            records.extend(done.records)
    return tuple(records)
