"""Routes of those who run a ledger: projections and keys."""

from typing import Final
from uuid import UUID

import msgspec

from api.client.errors import BadAnswer, refusal
from api.client.transport import Transport, segment
from api.native.wire import (
    KeyList,
    KeyMade,
    KeyPost,
    ProjectionList,
    ProjectionVerified,
    ReplayedList,
    ReplayPost,
    VerifyLine,
)

VERIFY_S: Final = 3600.0
_VERIFY_LINE: Final = msgspec.json.Decoder(VerifyLine)
_REPLAYED: Final = msgspec.json.Decoder(ReplayedList)
_PROJECTIONS: Final = msgspec.json.Decoder(ProjectionList)
_KEYS: Final = msgspec.json.Decoder(KeyList)
_MADE: Final = msgspec.json.Decoder(KeyMade)


class Projections:
    """Look after the read models."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> ProjectionList:
        """Say how far each projection has come."""
        return await self._transport.call("GET", "/v1/projections", _PROJECTIONS)

    async def rebuild(self, name: str) -> None:
        """Begin to compute a projection anew, beside the one in use."""
        await self._transport.fetch("POST", f"/v1/projections/{segment(name)}/rebuild")

    async def verify(self, name: str, *, limit: int | None = None) -> ProjectionVerified:
        """Compare a projection with a fresh fold of the log; takes as long as it takes.

        Raises:
            Refused: it could not be verified.
            BadAnswer: the answer ended before the result.
        """
        raw = await self._transport.fetch(
            "POST",
            f"/v1/projections/{segment(name)}/verify",
            query={"limit": limit},
            wait_s=VERIFY_S,
        )
        lines = raw.splitlines()
        last = _VERIFY_LINE.decode(lines[-1]) if lines else None
        if last is not None and last.problem is not None:
            raise refusal(last.problem)
        if last is None or last.result is None:
            raise BadAnswer(200, "the answer ended before the result")
        return last.result

    async def replay(self, name: str, stream: str | None = None) -> ReplayedList:
        """Take in again what a projection had set aside: one stream, or all."""
        return await self._transport.call(
            "POST",
            f"/v1/projections/{segment(name)}/replay",
            _REPLAYED,
            body=ReplayPost(stream=stream),
        )


class Keys:
    """Make and revoke access keys."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self) -> KeyList:
        """Read all keys, without their secrets."""
        return await self._transport.call("GET", "/v1/keys", _KEYS)

    async def create(self, post: KeyPost) -> KeyMade:
        """Make a key; its secret is in this answer and nowhere else.

        Idempotent: no, so a lost connection is not tried again.
        """
        return await self._transport.call("POST", "/v1/keys", _MADE, body=post, repeat=False)

    async def revoke(self, uuid: UUID) -> None:
        """Make a key open nothing any more."""
        await self._transport.fetch("DELETE", f"/v1/keys/{uuid}")
