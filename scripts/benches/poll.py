"""What a poller costs others: callers that create executions, alone and beside a poller.

The poller reads one execution through OCAPI 100 times a second, as fast as a client does that never
pauses. Rounds alternate, so that a machine whose speed drifts favours neither; the ratio that counts
is the mean of the rounds'. The processor time that the poller costs is told too: it hardly depends
on what else the machine does.
"""

import argparse
import asyncio
import http.client
import statistics
import threading
import time

import uvloop
from load import drive, percentile, post
from run import call, cpu_s, server, until_caught_up

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


def polled(port: int, key: str) -> str:
    """Create the execution that is polled, and give its id."""
    call(port, key, "PUT", "/v1/jobs/polled", JOB)
    made = call(port, key, "POST", DATA)
    if not isinstance(made, dict):
        raise TypeError(made)
    return str(made["id"])


async def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--rounds", type=int, default=6)
    options.add_argument("--rate", type=float, default=100, help="Reads a second.")
    told = options.parse_args()
    with server() as (port, key, pid):
        call(
            port, key, "PUT", "/v1/jobs/bench", {"steps": [{"step_id": "one", "step_type_id": "x"}]}
        )
        number = polled(port, key)
        create = post("/v1/jobs/bench/executions", key, BODY)
        await drive(port, told.connections, 2, lambda: create)
        before = cpu_s(pid)
        poller = Poller(port, key, number, told.rate)
        poller.start()
        await asyncio.sleep(told.seconds)
        rate = await asyncio.to_thread(poller.stop)
        share = (cpu_s(pid) - before) / poller.seconds
        print(f"poller alone: {rate:.0f} reads/s take {share:.0%} of one core of the server")
        ratios = []
        for turn in range(1, told.rounds + 1):
            measured = {}
            # Every other round begins with the poller: a rate that drifts favours neither.
            for polls in (False, True) if turn % 2 else (True, False):
                poller = Poller(port, key, number, told.rate)
                if polls:
                    poller.start()
                measured[polls] = await drive(port, told.connections, told.seconds, lambda: create)
                if polls:
                    rate = await asyncio.to_thread(poller.stop)
                until_caught_up(port, key)
            (alone, quiet), (beside, busy) = measured[False], measured[True]
            ratios.append(beside / alone)
            print(
                f"round {turn}: alone {alone:,.0f}/s (p50 {percentile(quiet, 50):.1f} ms, "
                f"p99 {percentile(quiet, 99):.1f} ms), beside {rate:.0f} reads/s {beside:,.0f}/s "
                f"(p50 {percentile(busy, 50):.1f} ms, p99 {percentile(busy, 99):.1f} ms), "
                f"ratio {beside / alone:.2f}"
            )
        print(f"ratio beside/alone: {statistics.geometric_mean(ratios):.2f} (must be at least 0.8)")


if __name__ == "__main__":
    uvloop.run(main())
