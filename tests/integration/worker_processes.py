"""Real servers and workers, as the processes that users start, for tests to signal and kill."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from api.cli.connection import read_credentials
from api.client.session import Ledger
from api.native.wire import EventView, ExecutionView
from ledger.events.definition import Definition
from tests.waiting import eventually

START_DEADLINE_S = 45


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that is dead and not collected does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def children(pid: int, word: bytes) -> list[int]:
    """List the processes that one started whose command line has a word."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid and word in words:
            found.append(int(entry.name))
    return sorted(found)


class Program:
    """A started `jobledger` command."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def stop(self) -> int:
        """Stop in good order, or by force after a while; give the exit status."""
        if self.process.returncode is None:
            self.process.terminate()
            try:
                async with asyncio.timeout(20):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
        return await self.process.wait()


async def start(log: Path, *arguments: str, env: dict[str, str] | None = None) -> Program:
    """Start `jobledger <arguments>`."""
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "api.cli.main",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )
    return Program(process, log)


class Site:
    """One data directory with its server, and the workers that a test starts."""

    def __init__(self, data: Path, stack: AsyncExitStack) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._stack = stack
        self.server: Program
        self.ledger: Ledger

    async def serve(self) -> None:
        """Start the server, again after it was killed, and wait until it is ready."""
        self.server = await start(
            self.data / "server.log",
            "serve",
            "--port",
            str(self.port),
            "--data",
            str(self.data / "ledger"),
        )
        self._stack.push_async_callback(self.server.stop)
        async with Ledger(self.url, "", timeout_s=5) as ledger:
            await eventually(lambda: self._is_ready(ledger), deadline_s=START_DEADLINE_S)

    async def _is_ready(self, ledger: Ledger) -> bool:
        if self.server.process.returncode is not None:
            raise RuntimeError(self.server.log.read_text())
        return read_credentials(self.data / "ledger") is not None and await ledger.is_ready()

    @property
    def key(self) -> str:
        """The key with all rights."""
        found = read_credentials(self.data / "ledger")
        assert found is not None
        return found.admin_key

    async def worker(self, name: str, *options: str) -> Program:
        """Start a worker."""
        program = await start(
            self.data / f"{name}.log",
            "worker",
            "--url",
            self.url,
            "--data",
            str(self.data / "ledger"),
            "--name",
            name,
            *options,
        )
        self._stack.push_async_callback(program.stop)
        return program

    async def run(self, job_id: str, definition: Definition) -> ExecutionView:
        """Define a job and create an execution."""
        await self.ledger.jobs.put(job_id, definition)
        return await self.ledger.executions.create(job_id)

    async def until_step_runs(self, view: ExecutionView, fence: int = 1) -> ExecutionView:
        """Wait until a worker has begun with a step."""

        async def look() -> ExecutionView | None:
            now = await self.ledger.executions.get(view.uuid)
            running = any(step.status == "running" for step in now.steps)
            return now if running and now.fence >= fence else None

        found = await eventually(look, deadline_s=40)
        assert found is not None
        return found

    async def until_closed(self, view: ExecutionView) -> ExecutionView:
        """Wait for an execution's end."""

        async def look() -> ExecutionView | None:
            now = await self.ledger.executions.get(view.uuid)
            return now if now.status in {"finished", "aborted"} else None

        found = await eventually(look, deadline_s=40)
        assert found is not None
        return found

    async def events(self, view: ExecutionView) -> tuple[EventView, ...]:
        """Read all events of an execution."""
        return (await self.ledger.executions.events(view.uuid, limit=1000)).events


@asynccontextmanager
async def site(data: Path) -> AsyncIterator[Site]:
    """Start a server on a directory; stop it and all workers at the end, last started first."""
    async with AsyncExitStack() as stack:
        made = Site(data, stack)
        await made.serve()
        made.ledger = await stack.enter_async_context(Ledger(made.url, made.key))
        yield made


async def read_pids(path: Path, count: int) -> list[int]:
    """Wait until a step has written down its processes."""

    def look() -> list[int]:
        words = path.read_text().split() if path.exists() else []
        return [int(word) for word in words] if len(words) >= count else []

    found: Any = await eventually(look)
    return list(found)
