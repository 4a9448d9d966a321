"""The one reader that keeps a process's streams at the head."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import StoreUnavailable
from tests.api.serving import serving
from tests.streams import NDJSON, streaming
from tests.waiting import eventually


def readers() -> int:
    """Count the readers that run."""
    return sum(task.get_name() == "stream-reader" for task in asyncio.all_tasks())


async def test_a_reader_whose_cancellation_was_lost_reads_no_more(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody follows any more while the database breaks: later streams have one reader, no more."""
    async with serving(database_url, tmp_path) as server:
        await server.define()
        head = await server.head()
        step, began, breaks = server.node.hub._reader.step, asyncio.Event(), True

        async def breaking(*arguments: Any, **more: Any) -> Any:
            if not breaks:
                return await step(*arguments, **more)
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise StoreUnavailable("the connection broke meanwhile") from None

        monkeypatch.setattr(server.node.hub._reader, "step", breaking)
        async with streaming(server, NDJSON, after=head, follow="true"):
            await server.run()
            await asyncio.wait_for(began.wait(), 10)
        await eventually(lambda: readers() == 0)
        breaks = False
        async with streaming(server, NDJSON, after=head, follow="true") as stream:
            await server.run()
            await server.run()
            assert readers() == 1
            wanted = await server.head() - head
            await stream.until(lambda seen: len(seen.positions) >= wanted)
            assert stream.positions == list(range(head + 1, head + wanted + 1))
