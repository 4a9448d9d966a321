"""Routes of those who run a ledger: projections and keys."""

from typing import Final
from uuid import UUID

import msgspec

from api.client.transport import Transport, segment
from api.native.wire import KeyList, KeyMade, KeyPost, ProjectionList

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
