"""Wakes members that wait when shards become free; other processes are told by NOTIFY.

A ring is a hint: who waits looks again every second anyway.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ledger.store.tail import Tail

CHANNEL: Final = "jobledger_consumers"


class Bells:
    """One a process."""

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._listeners: dict[int, set[asyncio.Event]] = {}
        tail.hear(CHANNEL, self._told)

    @contextmanager
    def listen(self, consumer: int) -> Iterator[asyncio.Event]:
        """Give an event that is set when the consumer is rung for."""
        rung = asyncio.Event()
        others = self._listeners.setdefault(consumer, set())
        others.add(rung)
        try:
            yield rung
        finally:
            others.discard(rung)
            if not others and self._listeners.get(consumer) is others:
                del self._listeners[consumer]

    def ring(self, consumer: int) -> None:
        """Wake those of this process who wait."""
        for rung in self._listeners.get(consumer, ()):
            rung.set()

    async def wait(self, rung: asyncio.Event, position: int, timeout_s: float) -> bool:
        """Wait until rung for, until the log goes on behind a position, or for that long.

        Whether it was rung for.
        """
        waits = {
            asyncio.ensure_future(self._tail.wait_past(position, timeout_s)),
            asyncio.ensure_future(rung.wait()),
        }
        try:
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        was_rung = rung.is_set()
        rung.clear()
        return was_rung

    def _told(self, payload: str) -> None:
        if payload.isdigit():
            self.ring(int(payload))
