"""Routes below `/v1/jobs`."""

from typing import Any, Final

import msgspec

from api.client.transport import Transport, segment
from api.native.wire import HistoryList, JobList, JobPost, JobView
from ledger.events.definition import Definition, Schedule

_JOB: Final = msgspec.json.Decoder(JobView)
_JOBS: Final = msgspec.json.Decoder(JobList)
_HISTORY: Final = msgspec.json.Decoder(HistoryList)


def _path(job_id: str, rest: str = "") -> str:
    return f"/v1/jobs/{segment(job_id)}{rest}"


class Jobs:
    """Define, read, schedule and retire jobs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, after: str | None = None, limit: int | None = None) -> JobList:
        """Read a page of jobs."""
        return await self._transport.call(
            "GET", "/v1/jobs", _JOBS, query={"after": after, "limit": limit}
        )

    async def create(self, post: JobPost) -> JobView:
        """Define a new job.

        Idempotent: a repetition with the same definition; another one raises `Conflict`.
        """
        return await self._transport.call("POST", "/v1/jobs", _JOB, body=post)

    async def put(self, job_id: str, definition: Definition) -> JobView:
        """Define a job, or replace its definition."""
        return await self._transport.call("PUT", _path(job_id), _JOB, body=definition)

    async def get(self, job_id: str) -> JobView:
        """Read one job."""
        return await self._transport.call("GET", _path(job_id), _JOB)

    async def patch(self, job_id: str, changes: dict[str, Any]) -> JobView:
        """Change parts of a definition (RFC 7396)."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return await self._transport.call(
            "PATCH", _path(job_id), _JOB, body=changes, headers=headers
        )

    async def retire(self, job_id: str) -> None:
        """Take a job out of use; its executions stay."""
        await self._transport.fetch("DELETE", _path(job_id))

    async def set_schedule(self, job_id: str, schedule: Schedule) -> None:
        """Say when the job runs by itself."""
        await self._transport.fetch("PUT", _path(job_id, "/schedule"), body=schedule)

    async def clear_schedule(self, job_id: str) -> None:
        """Let the job run on demand only."""
        await self._transport.fetch("DELETE", _path(job_id, "/schedule"))

    async def history(
        self, job_id: str, *, after: str | None = None, limit: int | None = None
    ) -> HistoryList:
        """Read a page of the job's executions, newest first."""
        return await self._transport.call(
            "GET", _path(job_id, "/history"), _HISTORY, query={"after": after, "limit": limit}
        )
