"""Kill the process groups that a killed worker leaves behind.

A worker that is killed with -9 cannot stop what it started, and its execution is soon given to
another worker: both would work at the same time. So each worker starts this small program beside
itself and tells it, over a pipe, which groups live. The pipe's end is the worker's end.

A worker may be killed after a program began and before it could say so. So its programs also carry a
mark in their environment, and the guardian looks for those (where there is a /proc to look in).
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

MARK: Final = "JOBLEDGER_STEP_OF"
LOOKS: Final = 3
"""A program that was only just begun shows its own environment a moment later."""
LOOK_PAUSE_S: Final = 0.1


class Guardian:
    """The worker's side: name the groups that must not outlive it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._mark = secrets.token_hex(16)

    def start(self) -> dict[str, str]:
        """See that it runs; give the environment by which it knows this worker's programs."""
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "api.worker.guardian", self._mark],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return {MARK: self._mark}

    def watch(self, group: int) -> None:
        """Have *group* killed if this process ends before `release`."""
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """Forget a group that has ended."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let it end, killing what is still named or marked."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _tell(self, line: str) -> None:
        self.start()
        # A guardian that somebody killed must not stop the work.
        with suppress(OSError):
            if self._process is not None and self._process.stdin is not None:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def guard(lines: IO[str], mark: str) -> None:
    """Read which groups live until the writer is gone, then kill those that are left."""
    groups: set[int] = set()
    for line in lines:
        if not line.endswith("\n"):
            break
        group = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(group)
    for look in range(LOOKS):
        if look:
            time.sleep(LOOK_PAUSE_S)
        for group in groups | _marked(f"{MARK}={mark}".encode()):
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL)


def _marked(mark: bytes) -> set[int]:
    """Find the groups of the processes that carry a mark."""
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.add(os.getpgid(int(process.name)))
    return found


if __name__ == "__main__":
    guard(sys.stdin, sys.argv[1])
