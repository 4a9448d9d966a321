"""`jobledger tail`, as a process of its own beside a server that is killed and comes back."""

import asyncio
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from ledger.events.definition import Definition, StepDefinition
from tests.api.serving import Caller
from tests.integration.worker_processes import Site, site, start
from tests.streams import NDJSON, streaming
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(180)

JOB = Definition(steps=(StepDefinition(step_id="one", step_type_id="nobody-does-this"),))


async def lines_of_the_log(here: Site) -> list[bytes]:
    """Read the log as the server tells it."""
    async with (
        aiohttp.ClientSession() as session,
        streaming(Caller(here.url, session, here.key), NDJSON) as stream,
    ):
        await stream.until_end()
        return stream.lines


def has_come(printed: Path, lines: list[bytes]) -> bool:
    """Tell whether so much was printed."""
    return printed.read_bytes().count(b"\n") >= len(lines)


async def test_the_tail_goes_on_through_a_kill(tmp_path: Path) -> None:
    """Every line of the log is printed once, in order, byte for byte, whatever becomes of the server."""
    async with site(tmp_path) as here:
        await here.run("Job", JOB)
        printed = tmp_path / "tail.log"
        tail = await start(
            printed,
            *("tail", "--after", "0", "--json"),
            *("--url", here.url, "--data", str(here.data / "ledger")),
        )
        try:
            lines = await lines_of_the_log(here)
            await eventually(partial(has_come, printed, lines), deadline_s=60)
            for _ in range(2):
                here.server.process.kill()
                await here.server.process.wait()
                await here.serve()
                await asyncio.gather(*(here.ledger.executions.create("Job") for _ in range(5)))
                lines = await lines_of_the_log(here)
                await eventually(partial(has_come, printed, lines), deadline_s=60)
            assert printed.read_bytes().splitlines() == lines
            assert len(lines) > 10
        finally:
            await tail.stop()
