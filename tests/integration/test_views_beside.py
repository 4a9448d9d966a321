"""The views' own process beside a server."""

import os
import signal
from pathlib import Path

import pytest

from api.client.errors import ClientError
from ledger.events.definition import Definition, StepDefinition
from tests.integration.worker_processes import Site, is_alive, site
from tests.waiting import eventually

JOB = "Beside"
DEFINITION = Definition(steps=(StepDefinition(step_id="one", step_type_id="nobody"),))


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every server of these tests write its views in a process beside it."""
    monkeypatch.setenv("JOBLEDGER_VIEWS", "beside")


def _children(pid: int) -> list[int]:
    """List the processes that one started and that write views."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid and b"api.beside" in words:
            found.append(int(entry.name))
    return found


async def _child(here: Site) -> int:
    async def look() -> int:
        found = _children(here.server.process.pid)
        return found[0] if found else 0

    return await eventually(look)


async def test_a_killed_child_is_replaced(tmp_path: Path) -> None:
    """Reads cover writes again after the process that writes the views was killed."""
    async with site(tmp_path) as here:
        await here.ledger.jobs.put(JOB, DEFINITION)
        first = await here.ledger.executions.create(JOB)
        assert (await here.ledger.executions.get(first.number)).uuid == first.uuid
        child = await _child(here)
        os.kill(child, signal.SIGKILL)
        second = await here.ledger.executions.create(JOB)

        async def replaced() -> bool:
            try:
                listed = await here.ledger.executions.list(job_id=JOB)
            except ClientError:  # the view is behind, and says so
                return False
            return {row.uuid for row in listed.executions} == {first.uuid, second.uuid}

        await eventually(replaced, deadline_s=30)
        assert await _child(here) != child


async def test_a_killed_server_takes_its_child_along(tmp_path: Path) -> None:
    """Nothing stays behind when the server is killed, and the next start finds everything."""
    async with site(tmp_path) as here:
        await here.ledger.jobs.put(JOB, DEFINITION)
        made = await here.ledger.executions.create(JOB)
        child = await _child(here)
        here.server.signal(signal.SIGKILL)
        await here.server.process.wait()
        await eventually(lambda: not is_alive(child), deadline_s=30)
        await here.serve()
        assert (await here.ledger.executions.get(made.uuid)).number == made.number
