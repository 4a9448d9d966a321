"""Programs that are kept running: started, killed with -9, stopped, let go on, started again."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
MARKER: Final = "JOBLEDGER_CRASH_RUN"
"""In the environment of every process of a run, so that none is overlooked."""
STOP_PATIENCE_S: Final = 30.0


class Actor:
    """One program. What it says goes to a file; that it ended by itself is remembered."""

    def __init__(
        self, name: str, log: Path, arguments: tuple[str, ...], environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        self.arguments = arguments
        self.environment = dict(environment)
        self.gave_up: list[int] = []
        """Exit statuses of the times that nobody had ended it."""
        self.hung = 0
        """How often it had to be killed because it did not stop when told to."""
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._ours = False
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    async def start(self) -> None:
        """Start it, unless it runs."""
        async with self._turn:
            if not self.pid:
                await self._start()

    async def _start(self) -> None:
        self._ours = False
        with self.log.open("ab") as file:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
            )
        self._watch = asyncio.create_task(self._note_end(self._process))

    async def _note_end(self, process: asyncio.subprocess.Process) -> None:
        status = await process.wait()
        if not self._ours:
            self.gave_up.append(status)

    async def run(self, patience_s: float) -> str:
        """Run it to its end; give what it said if that was not a good one."""
        await self.start()
        self._ours = True
        if self._watch is not None:
            await asyncio.wait((self._watch,), timeout=patience_s)
        status = self._process.returncode if self._process is not None else None
        if status is None:
            await self.kill()
        return "" if status == 0 else f"status {status}: {self.log.read_text()[-500:]}"

    async def kill(self) -> None:
        """End it as the kernel ends a process that has no say."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it in good order; by force, and on record, when it takes too long."""
        self.signal(signal.SIGCONT)
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        async with self._turn:
            await self._end_now(number)

    async def _end_now(self, number: signal.Signals) -> None:
        process, watch = self._process, self._watch
        if process is None or watch is None:
            return
        self._ours = True
        self.signal(number)
        _, late = await asyncio.wait((watch,), timeout=STOP_PATIENCE_S)
        if late:
            self.hung += 1
            self.signal(signal.SIGKILL)
            await watch

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        # Not by the process's own method, which would reap it before its watcher does.
        if self.pid:
            send(self.pid, number)


def send(pid: int, number: signal.Signals) -> bool:
    """Signal a process that somebody else started; tell whether it was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def children(pid: int, word: str) -> list[int]:
    """List the processes that one started and that have a word in their command line."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and word.encode() in line:
            found.append(int(entry.name))
    return found


def marked(run: str) -> list[str]:
    """List what still lives of a run, by command line; zombies do not."""
    found: list[str] = []
    sought = f"{MARKER}={run}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if sought in (entry / "environ").read_bytes().split(b"\0"):
                line = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                )
                if line:
                    found.append(f"{entry.name} {line.strip()}")
        except OSError:
            continue
    return found


def resident_mb(pid: int) -> float:
    """Give a process's resident memory; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)
