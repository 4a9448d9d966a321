"""`jobledger demo`, which `scripts/run` starts: what a newcomer sees, twice on the same directory."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from api.cli.connection import read_credentials
from api.client.session import Ledger
from tests.integration.worker_processes import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(240)


async def start(data: Path, port: int, *options: str) -> asyncio.subprocess.Process:
    """Start the demo."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "api.cli.main", "demo", "--port", str(port), "--data", str(data), *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )


async def test_once_runs_everything_and_leaves_nothing_running(tmp_path: Path) -> None:
    """Exit code 0, the timeline on screen, the port free again; and again on the same directory."""
    data, port = tmp_path / "data dir", free_port()
    for _ in range(2):
        process = await start(data, port, "--once")
        async with asyncio.timeout(110):
            out, _ = await process.communicate()
        text = out.decode()
        assert process.returncode == 0, text
        assert "IMPORT_DROPPED_RECORDS=7" in text
        assert "line 18" in text
        assert "PriceIndexJob" in text
        assert "Timeline of CustomerImportJob" in text
        assert f"http://127.0.0.1:{port}" in text
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_killed_demo_can_be_started_again(tmp_path: Path) -> None:
    """After kill -9, at once, on the same directory and port, with work left open."""
    data, port = tmp_path / "data", free_port()
    first = await start(data, port)
    async with Ledger(f"http://127.0.0.1:{port}", "") as ledger:

        async def runs() -> bool:
            key = read_credentials(data)
            if key is None or not await ledger.is_ready():
                return False
            async with Ledger(ledger.url, key.admin_key, timeout_s=5) as known:
                page = await known.events.page(types=("execution.started",), limit=1)
                return bool(page.events)

        await eventually(runs, deadline_s=60)
    first.kill()
    await first.communicate()
    second = await start(data, port)
    lines: list[str] = []
    assert second.stdout is not None
    async with asyncio.timeout(110):
        while raw := await second.stdout.readline():
            lines.append(raw.decode())
            if "Ctrl-C" in lines[-1]:
                break
    assert "Ctrl-C" in lines[-1], "".join(lines)
    second.send_signal(signal.SIGINT)
    async with asyncio.timeout(40):
        rest, _ = await second.communicate()
    assert second.returncode == 0, rest.decode()


async def test_a_child_that_dies_ends_the_demo(tmp_path: Path) -> None:
    """When the server is killed the demo says so, stops the worker and fails."""
    data, port = tmp_path / "data", free_port()
    process = await start(data, port)
    os.kill(await eventually(lambda: server_of(process.pid, data), deadline_s=60), signal.SIGKILL)
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 1
    assert "the server ended with status -9" in out.decode()


def server_of(demo: int, data: Path) -> int:
    """Find the demo's server process once it has written its credentials; 0 until then."""
    for pid in Path(f"/proc/{demo}/task/{demo}/children").read_text().split():
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"serve" in command and read_credentials(data) is not None:
            return int(pid)
    return 0
