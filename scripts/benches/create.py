"""Durable create against the same process's no-op echo route, with 64 connections.

Both go through the same web server, request names, log and measurements; echo reads its body and
gives it back, create authenticates, decides, commits an event to disk and renders the execution.
Rounds alternate, so that a machine whose speed drifts does not favour one of them.
"""

import argparse
import statistics

import uvloop
from load import drive, percentile, post
from run import call, cpu_s, memory_mb, server, until_caught_up

JOB = {"steps": [{"step_id": "one", "step_type_id": "bench", "with": {"size": 10}}]}
BODY = b'{"parameters":[{"name":"file","value":"customers.csv"}]}'


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
        echo, create = post("/echo", key, BODY), post("/v1/jobs/bench/executions", key, BODY)
        await drive(port, told.connections, 1, lambda: echo)
        await drive(port, told.connections, 2, lambda: create)
        ratios = []
        for number in range(1, told.rounds + 1):
            before = cpu_s(pid)
            echoed, echoes = await drive(port, told.connections, told.seconds, lambda: echo)
            between = cpu_s(pid)
            created, latencies = await drive(port, told.connections, told.seconds, lambda: create)
            after = cpu_s(pid)
            behind_s = until_caught_up(port, key)
            ratios.append(created / echoed)
            print(
                f"round {number}: echo {echoed:,.0f}/s, create {created:,.0f}/s "
                f"(p50 {percentile(latencies, 50):.1f} ms, p99 {percentile(latencies, 99):.1f} ms), "
                f"views caught up {behind_s:.2f} s later, ratio {created / echoed:.2f}"
            )
            print(
                f"         server processor time: echo {(between - before) / len(echoes) * 1e6:.0f} µs, "
                f"create {(after - between) / len(latencies) * 1e6:.0f} µs a request, views included"
            )
        print(f"resident: {idle_mb:.0f} MB idle, {memory_mb(pid):.0f} MB after")
        print(f"ratio create/echo: {statistics.median(ratios):.2f} (must be at least 0.5)")


if __name__ == "__main__":
    uvloop.run(main())
