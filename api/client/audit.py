"""The tree, and exports of what it proves."""

from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from api.client.transport import Query, Transport, segment
from api.native.tree import TreeStateView

_TREE: Final = msgspec.json.Decoder(TreeStateView)
_NDJSON: Final = "application/x-ndjson"
QUIET_S: Final = 5.0
SILENCE_S: Final = 60.0
"""After so long without a line an export is given up."""


class Audit:
    """Read what can be checked."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def tree(self) -> TreeStateView:
        """Say how far the tree has grown and is signed."""
        return await self._transport.call("GET", "/v1/tree", _TREE)

    def log(self, *, after: int = 0, until: int | None = None) -> AsyncGenerator[bytes, None]:
        """Export the log, line by line; raises like `Transport.stream`."""
        return self._lines("/v1/export", {"after": after or None, "until": until})

    def stream(self, name: str) -> AsyncGenerator[bytes, None]:
        """Export one stream, line by line."""
        return self._lines("/v1/export", {"stream": name})

    def dossier(self, execution: str) -> AsyncGenerator[bytes, None]:
        """Export one execution by uuid, number or oid, line by line."""
        return self._lines(f"/v1/executions/{segment(execution)}/dossier", {})

    async def _lines(self, path: str, query: Query) -> AsyncGenerator[bytes, None]:
        async with self._transport.stream(path, query=query, accept=_NDJSON) as answer:
            async for lines in answer.lines(QUIET_S, SILENCE_S):
                for line in lines:
                    yield line
