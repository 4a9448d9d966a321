"""`serve --processes 2`: several server processes on one port."""

import os
import signal
from pathlib import Path

import aiohttp
import pytest

from ledger.events.definition import Definition, StepDefinition
from tests.integration.worker_processes import Site, children, is_alive, site
from tests.waiting import eventually

JOB = "Spread"
DEFINITION = Definition(steps=(StepDefinition(step_id="one", step_type_id="nobody"),))


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every server of these tests be two processes on its port."""
    monkeypatch.setenv("JOBLEDGER_PROCESSES", "2")


def _listening(pid: int, port: int) -> bool:
    """Whether a process listens on a port of the loopback."""
    names = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            names.add(descriptor.readlink().name)
        except FileNotFoundError:
            continue
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        listens = words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port
        if listens and f"socket:[{words[9]}]" in names:
            return True
    return False


async def _servers(here: Site) -> list[int]:
    """Wait until two processes listen, and give their ids."""

    def look() -> list[int]:
        found = children(here.server.process.pid, b"serve")
        listening = [pid for pid in found if _listening(pid, here.port)]
        return listening if len(listening) == 2 else []

    return list(await eventually(look, deadline_s=40))


async def _views(here: Site) -> None:
    """Wait for the views, whose process may take longer to start than a read waits for them."""

    async def caught_up() -> bool:
        headers = {"X-Api-Key": here.key}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{here.url}/v1/projections") as response,
        ):
            views = (await response.json())["projections"]
            return all(view["lag"] == 0 and view["state"] == "running" for view in views)

    await eventually(caught_up, deadline_s=40)


async def _ask(here: Site, method: str, path: str) -> int:
    """Make a request on a connection of its own, so that any of the processes may answer it."""
    headers = {"X-Api-Key": here.key}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{here.url}{path}") as response,
    ):
        body = await response.json()
        assert response.status < 300, body
        return int(body["number"])


async def test_every_process_answers_for_what_any_acknowledged(tmp_path: Path) -> None:
    """What one connection was told to be done is seen on every other, whoever answers there."""
    async with site(tmp_path) as here:
        await _servers(here)
        await _views(here)
        await here.ledger.jobs.put(JOB, DEFINITION)
        for _ in range(20):
            number = await _ask(here, "POST", f"/v1/jobs/{JOB}/executions")
            assert await _ask(here, "GET", f"/v1/executions/{number}") == number
        assert len(children(here.server.process.pid, b"api.beside")) == 1


async def test_a_killed_process_is_replaced(tmp_path: Path) -> None:
    """The others go on, and there are two again; reads cover what the killed one acknowledged."""
    async with site(tmp_path) as here:
        first, second = await _servers(here)
        await _views(here)
        await here.ledger.jobs.put(JOB, DEFINITION)
        made = [await _ask(here, "POST", f"/v1/jobs/{JOB}/executions") for _ in range(8)]
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: not is_alive(first))
        for number in made:
            assert await _ask(here, "GET", f"/v1/executions/{number}") == number
        again = await _servers(here)
        assert second in again
        assert first not in again


async def test_all_stop_together(tmp_path: Path) -> None:
    """SIGTERM stops every process in good order; kill -9 of the first one leaves none behind."""
    async with site(tmp_path) as here:
        servers = await _servers(here)
        assert await here.server.stop() == 0
        assert not [pid for pid in servers if is_alive(pid)]
        await here.serve()
        servers = await _servers(here)
        here.server.signal(signal.SIGKILL)
        await eventually(
            lambda: not [pid for pid in servers if is_alive(pid)],
            deadline_s=30,
        )
        await here.serve()


async def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    """A second server on the port does not take a part of the first one's connections."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with site(tmp_path / "one") as here:
        await _servers(here)
        other = Site(tmp_path / "two", here._stack)
        other.port, other.url = here.port, here.url
        with pytest.raises(RuntimeError, match="in use"):
            await other.serve()
