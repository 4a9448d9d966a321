"""Durable create against no-op routes of the same process, with 64 connections.

Two routes to compare with, see `server.py`: one that does all that an API route does but for the
ledger (the ratio that counts), and one that only gives its bytes back. Create commits an event to
disk before it answers; the views are written in the same process meanwhile.

Rounds alternate, so that a machine whose speed drifts does not favour one of them.
"""

import argparse
import statistics

import uvloop
from load import drive, percentile, post
from run import call, cpu_s, memory_mb, server, until_caught_up

JOB = {"steps": [{"step_id": "one", "step_type_id": "bench", "with": {"size": 10}}]}
BODY = b'{"parameters":[{"name":"file","value":"customers.csv"}]}'
ROUTES = {
    "bytes": "/echo",
    "echo": "/v1/echo",
    "create": "/v1/jobs/bench/executions",
}


async def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--connections", type=int, default=64)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--rounds", type=int, default=4)
    told = options.parse_args()
    with server() as (port, key, pid):
        idle_mb = memory_mb(pid)
        call(port, key, "PUT", "/v1/jobs/bench", JOB)
        requests = {name: post(path, key, BODY) for name, path in ROUTES.items()}
        for request in requests.values():
            await drive(port, told.connections, 1, lambda request=request: request)
        ratios: dict[str, list[float]] = {"bytes": [], "echo": []}
        for number in range(1, told.rounds + 1):
            print(f"round {number}")
            rates: dict[str, float] = {}
            for name, request in requests.items():
                before = cpu_s(pid)
                rates[name], latencies = await drive(
                    port, told.connections, told.seconds, lambda request=request: request
                )
                cpu_us = (cpu_s(pid) - before) / len(latencies) * 1e6
                print(
                    f"  {name:6} {rates[name]:8,.0f}/s   p50 {percentile(latencies, 50):6.1f} ms"
                    f"   p99 {percentile(latencies, 99):6.1f} ms"
                    f"   server processor time {cpu_us:4.0f} µs a request"
                )
            print(f"  views caught up {until_caught_up(port, key):.2f} s later")
            for name, seen in ratios.items():
                seen.append(rates["create"] / rates[name])
        print(f"resident: {idle_mb:.0f} MB idle, {memory_mb(pid):.0f} MB after")
        print(f"ratio create/bytes: {statistics.median(ratios['bytes']):.2f}")
        print(f"ratio create/echo:  {statistics.median(ratios['echo']):.2f} (must be at least 0.5)")


if __name__ == "__main__":
    uvloop.run(main())
