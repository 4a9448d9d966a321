"""The views' own process beside a server."""

import os
import signal
from pathlib import Path

import pytest

from api.client.errors import ClientError
from ledger.events.definition import Definition, StepDefinition
from tests.integration.worker_processes import Site, children, is_alive, site
from tests.unreachable import over_tcp
from tests.waiting import eventually

JOB = "Beside"
DEFINITION = Definition(steps=(StepDefinition(step_id="one", step_type_id="nobody"),))


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every server of these tests write its views in a process beside it."""
    monkeypatch.setenv("JOBLEDGER_VIEWS", "beside")


async def _child(here: Site) -> int:
    async def look() -> int:
        found = children(here.server.process.pid, b"api.beside")
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


async def test_a_killed_server_takes_its_child_along_without_a_database(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child ends after its server also when the database does not answer."""
    async with over_tcp(database_url) as (url, proxy):
        monkeypatch.setenv("JOBLEDGER_DATABASE_URL", url)
        async with site(tmp_path) as here:
            child = await _child(here)
            proxy.stall()
            here.server.signal(signal.SIGKILL)
            await here.server.process.wait()
            await eventually(lambda: not is_alive(child), deadline_s=45)
            proxy.heal()


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
