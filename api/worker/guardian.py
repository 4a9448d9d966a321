"""Kill the process groups that a killed worker leaves behind.

A worker that is killed with -9 cannot stop what it started, and its execution is soon given to
another worker: both would work at the same time. So each worker starts this small program beside
itself and tells it, over a pipe, which groups live. The pipe's end is the worker's end.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import IO


class Guardian:
    """The worker's side: name the groups that must not outlive it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """Have *group* killed if this process ends before `release`."""
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """Forget a group that has ended."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let it end, killing what is still named."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _tell(self, line: str) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "api.worker.guardian"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        # A guardian that somebody killed must not stop the work.
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def guard(lines: IO[str]) -> None:
    """Read which groups live until the writer is gone, then kill those that are left."""
    groups: set[int] = set()
    for line in lines:
        if not line.endswith("\n"):
            break
        group = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(group)
    for group in groups:
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    guard(sys.stdin)
