"""A TCP proxy that breaks what passes through it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Final

CHUNK_BYTES: Final = 64 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Streams]]


class _Pair:
    """One connection and its continuation."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far

    def cut(self) -> None:
        """Reset both sides."""
        for writer in (self.near, self.far):
            if writer.transport is not None:
                writer.transport.abort()


class Proxy:
    """Listens on a port of its own for as long as it is open; what it leads to may come and go."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0
        self.delay_s = 0.0
        """Wait before each chunk, both ways."""
        self.refuses = False
        """Whether new connections are closed at once."""
        self.cut_requests = 0
        """How many of the next requests are cut in their middle."""
        self.cut_answers = 0
        """How many of the next answers are cut in their middle."""
        self.swallow_answers = 0
        """How many of the next answers are not passed on: the caller sees its connection reset."""
        self.swallowed = 0

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End every connection."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self, dice: Random | None = None, share: float = 1.0) -> int:
        """Reset connections, all or a share of them; give how many."""
        chosen = [pair for pair in self._pairs if dice is None or dice.random() < share]
        for pair in chosen:
            pair.cut()
        return len(chosen)

    def half_close(self) -> None:
        """Tell the far side that nothing more comes, on every connection."""
        for pair in self._pairs:
            with suppress(OSError, RuntimeError):
                pair.far.write_eof()

    def stall(self) -> None:
        """Let nothing pass, and keep every connection open."""
        self._flows.clear()

    def heal(self) -> None:
        """Let everything pass again."""
        self._flows.set()
        self.delay_s = 0.0
        self.refuses = False
        self.cut_requests = self.cut_answers = self.swallow_answers = 0

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        far: Streams | None = None
        try:
            if not self.refuses:
                await self._flows.wait()
                far = await self._dial()
        except OSError:
            pass  # nobody is there
        finally:
            if far is None:
                writer.transport.abort()
        if far is None:
            return
        far_reader, far_writer = far
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, far_writer, pair, is_answer=False))
                group.create_task(self._pump(far_reader, writer, pair, is_answer=True))
        except* (OSError, RuntimeError):
            pass  # reset, or closed for writing, by a fault
        finally:
            self._pairs.discard(pair)
            pair.cut()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        pair: _Pair,
        *,
        is_answer: bool,
    ) -> None:
        while chunk := await source.read(CHUNK_BYTES):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._flows.wait()
            half = self._broken(len(chunk), is_answer=is_answer)
            if half is not None:
                sink.write(chunk[:half])
                with suppress(OSError):
                    await sink.drain()
                pair.cut()
                return
            sink.write(chunk)
            await sink.drain()
        if not sink.is_closing() and sink.can_write_eof():
            with suppress(OSError, RuntimeError):
                sink.write_eof()

    def _broken(self, size: int, *, is_answer: bool) -> int | None:
        """Say how much of a chunk passes before the connection is cut; None when all of it may."""
        if is_answer and self.swallow_answers:
            self.swallow_answers -= 1
            self.swallowed += 1
            return 0
        if is_answer and self.cut_answers:
            self.cut_answers -= 1
            return size // 2
        if not is_answer and self.cut_requests:
            self.cut_requests -= 1
            return size // 2
        return None
