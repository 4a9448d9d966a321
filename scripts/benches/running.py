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

from msgspec import Struct


class Server(Struct, frozen=True):
    """A running server."""

    port: int
    key: str
    pid: int
    dsn: str

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Make one request and decode its answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            raw = answer.read()
        return json.loads(raw) if raw else None

    def lag(self) -> int:
        """Give how far the slowest projection is behind."""
        answer = self.call("GET", "/v1/projections")
        return max(view["lag"] for view in answer["projections"])

    def open_streams(self) -> int:
        """Give how many streams of events are open."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/metrics",
            headers={"Authorization": f"Bearer {self.key}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        told = (line for line in lines if line.startswith("jobledger_streams_open{"))
        return sum(int(float(line.rpartition(" ")[2])) for line in told)

    def until_caught_up(self) -> float:
        """Wait for all projections, and give the seconds it took."""
        begun = time.monotonic()
        while self.lag() > 0:
            time.sleep(0.05)
        return time.monotonic() - begun


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    """Start the bench's server on a fresh data directory, with settings as environment names them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="jobledger-bench-") as folder:
        data = Path(folder)
        here = Path(__file__).parent
        process = subprocess.Popen(
            [sys.executable, str(here / "server.py"), str(port), str(data)],
            env={**os.environ, "PYTHONPATH": str(here.parents[1]), **settings},
        )
        try:
            _ready(port, process)
            key = json.loads((data / "credentials.json").read_text())["admin_key"]
            yield Server(port, key, process.pid, (data / "dsn").read_text())
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
