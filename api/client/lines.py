"""The body of an answer that does not end by itself, line by line as it comes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from api.client.errors import Unreachable

POSITION: Final = "Ledger-Position"


class LineStream:
    """An answer whose body is lines."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        told = response.headers.get(POSITION, "")
        self.position = int(told) if told.isdigit() else 0
        """The head when the answer began."""

    async def lines(self, quiet_s: float, silence_s: float) -> AsyncIterator[list[bytes]]:
        """Give lines as they come, without their newlines; none after each *quiet_s* of silence.

        What is cut off in the middle of a line is left out.

        Raises:
            Unreachable: nothing came for *silence_s*.
        """
        content, rest, silent_s = self._response.content, b"", 0.0
        while True:
            try:
                async with asyncio.timeout(quiet_s):
                    came = await content.readany()
            except TimeoutError:
                silent_s += quiet_s
                if silent_s >= silence_s:
                    raise Unreachable(str(self._response.url.origin()), "silence") from None
                yield []
                continue
            if not came:
                return
            silent_s = 0.0
            *whole, rest = (rest + came).split(b"\n")
            if whole:
                yield whole
