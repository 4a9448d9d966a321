"""Starts the bench's server on a fresh data directory, and stops it."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def server() -> Iterator[tuple[int, str, int]]:
    """Give port, admin key and process id of a running server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="jobledger-bench-") as folder:
        data = Path(folder)
        here = Path(__file__).parent
        process = subprocess.Popen(
            [sys.executable, str(here / "server.py"), str(port), str(data)],
            env={**os.environ, "PYTHONPATH": str(here.parents[1])},
        )
        try:
            _ready(port, process)
            key = json.loads((data / "credentials.json").read_text())["admin_key"]
            yield port, key, process.pid
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def call(port: int, key: str, method: str, path: str, body: object = None) -> Any:
    """Make one request and decode its answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        raw = answer.read()
    return json.loads(raw) if raw else None


def memory_mb(pid: int) -> float:
    """Give a process's resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


def cpu_s(pid: int) -> float:
    """Give the processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lag(port: int, key: str) -> int:
    """Give how far the slowest projection is behind."""
    answer = call(port, key, "GET", "/v1/projections")
    return max(view["lag"] for view in answer["projections"])


def until_caught_up(port: int, key: str) -> float:
    """Wait for all projections, and give the seconds it took."""
    begun = time.monotonic()
    while lag(port, key) > 0:
        time.sleep(0.02)
    return time.monotonic() - begun
