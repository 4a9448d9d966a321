"""What a poller costs others: callers that create executions, alone and beside a poller.

The poller reads one execution through OCAPI 100 times a second, as fast as a client does that never
pauses. The processor time that the poller costs by itself is told too: it hardly depends on what else
the machine does.
"""

import argparse
import asyncio
import http.client
import threading
import time

from frame import Report
from load import drive, percentile, post
from processes import used
from running import Server, server

JOB = {"steps": [{"step_id": "one", "step_type_id": "sleep", "with": {"seconds": 60}}]}
BODY = b'{"parameters":[{"name":"file","value":"customers.csv"}]}'
DATA = "/s/-/dw/data/v19_5/jobs/polled/executions"


class Poller(threading.Thread):
    """Reads one execution again and again, at a rate."""

    def __init__(self, port: int, key: str, number: str, rate: float) -> None:
        """Poll until `stop`."""
        super().__init__(daemon=True)
        self._port, self._path, self._rate = port, f"{DATA}/{number}", rate
        self._headers = {"Authorization": f"Bearer {key}"}
        self._over = threading.Event()
        self.reads = 0
        self.seconds = 0.0

    def run(self) -> None:
        """Poll."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        begun = time.monotonic()
        while not self._over.is_set():
            connection.request("GET", self._path, headers=self._headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != http.client.OK:
                raise RuntimeError(body[:300])
            self.reads += 1
            ahead = begun + self.reads / self._rate - time.monotonic()
            if ahead > 0:
                self._over.wait(ahead)
        self.seconds = time.monotonic() - begun

    def stop(self) -> float:
        """End; give the reads a second."""
        self._over.set()
        self.join(30)
        return self.reads / self.seconds


def options(of: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    of.add_argument("--connections", type=int, default=16)
    of.add_argument("--seconds", type=float, default=3)
    of.add_argument("--rate", type=float, default=100, help="reads a second")


async def run(told: argparse.Namespace, report: Report) -> None:
    """Measure."""
    report.ratio("beside", "alone", at_least=0.8)
    with server() as at:
        at.call("PUT", "/v1/jobs/bench", {"steps": [{"step_id": "one", "step_type_id": "x"}]})
        number = polled(at)
        create = post("/v1/jobs/bench/executions", at.key, BODY)
        await drive(at.port, told.connections, 2, lambda: create)
        at.until_caught_up()
        for sides in report.rounds(told.rounds, ("poller", "alone", "beside")):
            for side in sides:
                poller = Poller(at.port, at.key, number, told.rate)
                if side != "alone":
                    poller.start()
                words, operations = "", 0
                with used(at.pid) as using:
                    if side == "poller":
                        await asyncio.sleep(told.seconds)
                    else:
                        rate, latencies = await drive(
                            at.port, told.connections, told.seconds, lambda: create
                        )
                        operations = len(latencies)
                        words = (
                            f"p50 {percentile(latencies, 50):.1f} ms, "
                            f"p99 {percentile(latencies, 99):.1f} ms"
                        )
                    if side != "alone":
                        reads = await asyncio.to_thread(poller.stop)
                        words = f"{words} {reads:.0f} reads/s".strip()
                if side == "poller":
                    rate, operations = reads, poller.reads
                report.measured(
                    side,
                    rate,
                    "requests/s",
                    used=using,
                    operations=operations,
                    words=words,
                )
                at.until_caught_up()


def polled(at: Server) -> str:
    """Create the execution that is polled, and give its id."""
    at.call("PUT", "/v1/jobs/polled", JOB)
    made = at.call("POST", DATA)
    if not isinstance(made, dict):
        raise TypeError(made)
    return str(made["id"])
