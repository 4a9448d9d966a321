"""What workers and recorders call: claims, heartbeats and reports.

Nothing here is repeated by itself: a worker knows how long its lease lasts, and repeats within it.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec

from api.client.executions import ExecutionId
from api.client.transport import Transport, segment
from api.native.wire import (
    BulkLine,
    BulkOutcome,
    Claimed,
    ClaimPost,
    Heartbeat,
    ReportsPost,
    ReportsTaken,
)

_CLAIMED: Final = msgspec.json.Decoder(Claimed)
_HEARTBEAT: Final = msgspec.json.Decoder(Heartbeat)
_TAKEN: Final = msgspec.json.Decoder(ReportsTaken)
_OUTCOME: Final = msgspec.json.Decoder(BulkOutcome)
_LINES: Final = msgspec.json.Encoder()


class Work:
    """Take work and tell of it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def claim(self, post: ClaimPost) -> Claimed:
        """Ask for work, waiting for it as long as the request says."""
        return await self._transport.call(
            "POST", "/v1/work/claim", _CLAIMED, body=post, repeat=False, wait_s=post.wait_s
        )

    async def heartbeat(self, lease: UUID) -> Heartbeat:
        """Renew a lease.

        Raises:
            Conflict: the lease is lost.
        """
        return await self._transport.call(
            "POST", f"/v1/work/{lease}/heartbeat", _HEARTBEAT, repeat=False
        )

    async def report(self, execution: ExecutionId, post: ReportsPost) -> ReportsTaken:
        """Tell what happened, whole or not at all.

        Raises:
            Fenced: the hold on the execution has ended.
        """
        path = f"/v1/executions/{segment(str(execution))}/reports"
        return await self._transport.call("POST", path, _TAKEN, body=post, repeat=False)

    async def bulk(self, lines: Iterable[BulkLine]) -> tuple[BulkOutcome, ...]:
        """Send many commands in one request.

        Order: outcomes stand in the order of the lines; each line has its own.
        """
        raw = await self._transport.fetch(
            "POST",
            "/v1/reports",
            body=_LINES.encode_lines(list(lines)),
            headers={"Content-Type": "application/x-ndjson"},
            repeat=False,
        )
        return tuple(_OUTCOME.decode_lines(raw))
