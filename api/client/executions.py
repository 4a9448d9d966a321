"""Routes below `/v1/executions`, and the creation of one below its job."""

from typing import Final
from uuid import UUID

import msgspec

from api.client.transport import Transport, segment
from api.native.wire import (
    ActiveList,
    ChangePage,
    EventPage,
    ExecutionList,
    ExecutionPatch,
    ExecutionPost,
    ExecutionView,
    ReasonPost,
)
from ledger.executions.state import Status
from ledger.ids import new_uuid

ExecutionId = UUID | int | str
"""The uuid, the number or the oid."""

_EXECUTION: Final = msgspec.json.Decoder(ExecutionView)
_EXECUTIONS: Final = msgspec.json.Decoder(ExecutionList)
_ACTIVE: Final = msgspec.json.Decoder(ActiveList)
_CHANGES: Final = msgspec.json.Decoder(ChangePage)
_EVENTS: Final = msgspec.json.Decoder(EventPage)

CLOSED: Final[frozenset[Status]] = frozenset(("finished", "aborted"))


def _path(execution: ExecutionId, rest: str = "") -> str:
    return f"/v1/executions/{segment(str(execution))}{rest}"


class Executions:
    """Create, read and steer executions."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self, job_id: str, post: ExecutionPost | None = None, *, idempotency_key: str = ""
    ) -> ExecutionView:
        """Run a job.

        Idempotent: under one *idempotency_key*; one is made up when none is given, so that the
        repeats inside this call create one execution.
        """
        return await self._transport.call(
            "POST",
            f"/v1/jobs/{segment(job_id)}/executions",
            _EXECUTION,
            body=post or ExecutionPost(),
            headers={"Idempotency-Key": idempotency_key or str(new_uuid())},
        )

    async def list(
        self,
        *,
        job_id: str | None = None,
        status: str | None = None,
        outcome: str | None = None,
        tag: str | None = None,
        label: str | None = None,
        user: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        total: bool | None = None,
    ) -> ExecutionList:
        """Read a page of executions, newest first."""
        return await self._transport.call(
            "GET",
            "/v1/executions",
            _EXECUTIONS,
            query={
                "job_id": job_id,
                "status": status,
                "outcome": outcome,
                "tag": tag,
                "label": label,
                "user": user,
                "after": after,
                "limit": limit,
                "total": total,
            },
        )

    async def active(
        self,
        *,
        as_of: str | int | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> ActiveList:
        """Read a page of what is open, newest first, or was open at a position or an instant."""
        return await self._transport.call(
            "GET",
            "/v1/executions/active",
            _ACTIVE,
            query={"as_of": as_of, "after": after, "limit": limit},
        )

    async def get(
        self,
        execution: ExecutionId,
        *,
        as_of: str | int | None = None,
        min_position: int | None = None,
    ) -> ExecutionView:
        """Read one execution, as it is or as it was at a position or an instant (RFC 3339).

        With *min_position*, at least as new as that position of the log.
        """
        headers = {} if min_position is None else {"Ledger-Min-Position": str(min_position)}
        return await self._transport.call(
            "GET", _path(execution), _EXECUTION, query={"as_of": as_of}, headers=headers
        )

    async def patch(self, execution: ExecutionId, changes: ExecutionPatch) -> ExecutionView:
        """Change an execution's words (RFC 7396)."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return await self._transport.call(
            "PATCH", _path(execution), _EXECUTION, body=changes, headers=headers
        )

    async def delete(self, execution: ExecutionId) -> None:
        """Hide a closed execution from views."""
        await self._transport.fetch("DELETE", _path(execution))

    async def events(
        self, execution: ExecutionId, *, after: int | None = None, limit: int | None = None
    ) -> EventPage:
        """Read a page of one execution's events."""
        return await self._transport.call(
            "GET", _path(execution, "/events"), _EVENTS, query={"after": after, "limit": limit}
        )

    async def changes(
        self, execution: ExecutionId, *, after: int | None = None, limit: int | None = None
    ) -> ChangePage:
        """Read a page of an execution's life: each event, and what it changed."""
        return await self._transport.call(
            "GET", _path(execution, "/changes"), _CHANGES, query={"after": after, "limit": limit}
        )

    async def cancel(self, execution: ExecutionId, reason: str = "") -> ExecutionView:
        """Ask it to stop for good."""
        return await self._steer(execution, "/cancel", reason)

    async def pause(self, execution: ExecutionId, reason: str = "") -> ExecutionView:
        """Ask it to pause."""
        return await self._steer(execution, "/pause", reason)

    async def resume(self, execution: ExecutionId, reason: str = "") -> ExecutionView:
        """Let a paused one go on."""
        return await self._steer(execution, "/resume", reason)

    async def erase(self, execution: ExecutionId, reason: str = "") -> ExecutionView:
        """Remove for good what the events of a closed one say.

        Idempotent.
        """
        return await self._steer(execution, "/erase", reason)

    async def restart(
        self,
        execution: ExecutionId,
        post: ExecutionPost | None = None,
        *,
        idempotency_key: str = "",
    ) -> ExecutionView:
        """Run a closed execution again, as a new one, from the step where it ended.

        Idempotent: as `create`.
        """
        return await self._transport.call(
            "POST",
            _path(execution, "/restart"),
            _EXECUTION,
            body=post or ExecutionPost(),
            headers={"Idempotency-Key": idempotency_key or str(new_uuid())},
        )

    async def _steer(self, execution: ExecutionId, verb: str, reason: str) -> ExecutionView:
        return await self._transport.call(
            "POST", _path(execution, verb), _EXECUTION, body=ReasonPost(reason=reason)
        )
