"""Programs that a command starts beside itself, and stops again whatever happens.

Their standard input is a pipe from here: it closes when this process ends, even by kill -9, and
they stop by that. What they print goes to a file.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

STOP_DEADLINE_S: Final = 30.0
TAIL_LINES: Final = 30
TAIL_BYTES: Final = 16_384


class Child:
    """One started program."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, arguments: Sequence[str]) -> None:
        """Start `jobledger <arguments>`."""
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "api.cli.main",
                *arguments,
                "--stop-with-stdin",
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                # A terminal's Ctrl-C is for this process, which stops the others in order.
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def wait(self) -> int:
        """Wait for its end and give its exit status."""
        return 0 if self._process is None else await self._process.wait()

    @property
    def has_ended(self) -> bool:
        """Whether it was started and runs no more."""
        return self._process is not None and self._process.returncode is not None

    async def stop(self) -> int:
        """Stop it in good order, or by force when it takes too long; give its exit status."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_DEADLINE_S):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        return await self._process.wait()

    def tail(self) -> str:
        """Give the last lines that it printed."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(self.log.stat().st_size - TAIL_BYTES, 0))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-TAIL_LINES:])
