"""Durable create against no-op routes of the same process, with 64 connections.

Two routes to compare with, see `server.py`: one that does all that an API route does but for the
ledger (the ratio that counts), and one that only gives its bytes back. Create commits an event to
disk before it answers; all views are written meanwhile, and how long they took to catch up after the
last answer is told with each round, and counted in `in all views` and in the processor times.
"""

import argparse

from frame import Report
from load import drive, percentile, post
from processes import resident_mb, used
from running import server

JOB = {"steps": [{"step_id": "one", "step_type_id": "bench", "with": {"size": 10}}]}
BODY = b'{"parameters":[{"name":"file","value":"customers.csv"}]}'
ROUTES = {
    "bytes": "/echo",
    "echo": "/v1/echo",
    "create": "/v1/jobs/bench/executions",
}


def options(of: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    of.add_argument("--connections", type=int, default=64)
    of.add_argument("--seconds", type=float, default=3)


async def run(told: argparse.Namespace, report: Report) -> None:
    """Measure."""
    report.ratio("create", "bytes")
    report.ratio("create", "echo", at_least=0.6)
    report.ratio("create, in all views", "echo")
    with server() as at:
        report.memory("idle", resident_mb(at.pid))
        at.call("PUT", "/v1/jobs/bench", JOB)
        requests = {name: post(path, at.key, BODY) for name, path in ROUTES.items()}
        for request in requests.values():
            await drive(at.port, told.connections, 1, lambda request=request: request)
        at.until_caught_up()
        for sides in report.rounds(told.rounds, list(ROUTES)):
            for name in sides:
                request = requests[name]
                with used(at.pid) as using:
                    rate, latencies = await drive(
                        at.port, told.connections, told.seconds, lambda request=request: request
                    )
                    behind_s = at.until_caught_up() if name == "create" else None
                words = f"p50 {percentile(latencies, 50):.1f} ms, p99 {percentile(latencies, 99):.1f} ms"
                if behind_s is not None:
                    words += f", views {behind_s:.2f} s behind"
                report.measured(
                    name, rate, "requests/s", used=using, operations=len(latencies), words=words
                )
                if behind_s is not None:
                    seen = len(latencies) / using.seconds
                    report.measured("create, in all views", seen, "requests/s")
        report.memory("at the end", resident_mb(at.pid))
