"""From an event's record to its frame at a client, against the time that the create itself takes.

Writers create executions over HTTP, each as fast as it is answered, while a client follows the log.
The delay of an event is from `recorded_at`, which the append reads from the clock before its commit,
to when the frame has come: so the commit is in it, and the figure is an upper bound.
"""

import argparse
from datetime import datetime

from bulk import JOB
from frame import Report
from listener import listen, until_all_have
from load import drive, percentile, post
from processes import used
from running import server

from ledger.clock import system_clock

BODY = b'{"parameters":[{"name":"file","value":"customers.csv"}]}'
PATH = "/v1/jobs/bench/executions"
RECORDED = b'"recorded_at":"'


def options(of: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    of.add_argument("--writers", type=int, default=64)
    of.add_argument("--seconds", type=float, default=3)


class Delays:
    """Reads from frames how old their events are."""

    def __init__(self) -> None:
        """Begin with none."""
        self.seconds: list[float] = []

    def look_at(self, data: bytes) -> None:
        """Take in what came; a frame that lies across two pieces is left out."""
        now = system_clock().timestamp()
        for part in data.split(RECORDED)[1:]:
            text = part[:27]
            if len(text) == 27 and text.endswith(b"Z"):
                self.seconds.append(now - datetime.fromisoformat(text.decode()).timestamp())


async def run(told: argparse.Namespace, report: Report) -> None:
    """Measure."""
    report.ratio("record to frame", "create", at_most=1.0)
    with server() as at:
        at.call("PUT", "/v1/jobs/bench", JOB)
        create = post(PATH, at.key, BODY)
        await drive(at.port, told.writers, 1, lambda: create)
        at.until_caught_up()
        for _ in report.rounds(told.rounds, ("both",)):
            delays = Delays()
            head = at.call("GET", "/v1/events?limit=1")["head"]
            query = f"after={head}&types=execution.created"
            [listener] = await listen(at.port, at.key, 1, query, delays.look_at)
            with used(at.pid) as using:
                rate, latencies = await drive(at.port, told.writers, told.seconds, lambda: create)
                await until_all_have([listener], len(latencies))
            listener.transport.abort()
            seen = sorted(delays.seconds)
            words = f"p99 {percentile(seen, 99):.1f} ms"
            report.measured("record to frame", percentile(seen, 50), "ms, p50", words=words)
            words = f"p99 {percentile(latencies, 99):.1f} ms, {rate:,.0f} requests/s"
            report.measured(
                "create",
                percentile(latencies, 50),
                "ms, p50",
                used=using,
                operations=len(latencies),
                words=words,
            )
            at.until_caught_up()
