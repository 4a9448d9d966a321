"""What the processes of a server use: processor time and memory, from /proc, by group.

Groups: `server` (all that answer requests), `views` (the one that writes them, if it is apart),
`postgres` (all of PostgreSQL), and `bench`, this process.
"""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

_TICKS = os.sysconf("SC_CLK_TCK")


class Used(Struct):
    """What was used while something ran; filled in at its end."""

    seconds: float = 0.0
    cpu_s: dict[str, float] = {}


@contextmanager
def used(server: int) -> Iterator[Used]:
    """Measure what a server's processes and this one use meanwhile."""
    using = Used()
    before, begun = _cpu_s(server), time.monotonic()
    yield using
    using.seconds = time.monotonic() - begun
    after = _cpu_s(server)
    using.cpu_s = {group: after[group] - before[group] for group in after}


def cpu_s(server: int) -> float:
    """Give the processor time that a server used so far, PostgreSQL's included."""
    return sum(seconds for group, seconds in _cpu_s(server).items() if group != "bench")


def pids(server: int, group: str) -> list[int]:
    """Name the processes of one group."""
    return [pid for pid, of in _groups(server).items() if of == group]


def resident_mb(server: int) -> dict[str, float]:
    """Give the memory that a server holds; of PostgreSQL not, whose processes share most of it."""
    held: Counter[str] = Counter()
    for pid, group in _groups(server).items():
        if group in ("server", "views"):
            held[group] += _status_kb(pid, "VmRSS:")
    return {group: kilobytes / 1024 for group, kilobytes in held.items()}


def _cpu_s(server: int) -> dict[str, float]:
    used: Counter[str] = Counter()
    for pid, group in _groups(server).items():
        # With the time of children that have ended, which are not listed any more.
        used[group] += sum(int(_stat(pid)[field]) for field in (11, 12, 13, 14))
    times = os.times()
    return {
        **{group: ticks / _TICKS for group, ticks in used.items()},
        "bench": times.user + times.system,
    }


def _groups(server: int) -> dict[int, str]:
    """Name the group of each process of a server."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                children[int(_stat(int(folder.name))[1])].append(int(folder.name))
            except (OSError, IndexError):
                continue  # it has just ended
    groups: dict[int, str] = {}
    looked_at = [(server, "server")]
    while looked_at:
        pid, group = looked_at.pop()
        groups[pid] = group = _group(pid, group)
        looked_at.extend((child, group) for child in children[pid])
    return groups


def _group(pid: int, parents: str) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    if b"api.beside" in command:
        return "views"
    return "postgres" if b"postgres" in command.partition(b"\0")[0] else parents


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0
