"""The bulk route: how fast it appends, whether the views keep up, and whether memory stays flat.

Each execution is created, worked on under no lease (a recorder's reports: step started, step
finished, finished), and so leaves five events. Creations and reports go through `POST /v1/reports`
in two requests for each portion.
"""

import argparse
import http.client
import json
import time

from run import call, lag, memory_mb, server, until_caught_up

JOB = {"steps": [{"step_id": "one", "step_type_id": "recorded"}]}
REPORTS = [
    {"type": "step.started", "index": 1},
    {"type": "step.finished", "index": 1, "outcome": "ok"},
    {"type": "finished"},
]


def send(port: int, key: str, lines: list[dict[str, object]]) -> list[dict[str, object]]:
    """Send lines, and give their outcomes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    body = b"\n".join(json.dumps(line).encode() for line in lines)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    connection.request("POST", "/v1/reports", body, headers)
    answer = connection.getresponse().read()
    connection.close()
    outcomes = [json.loads(line) for line in answer.splitlines()]
    bad = [outcome for outcome in outcomes if outcome["status"] >= 300]
    if bad or len(outcomes) != len(lines):
        raise RuntimeError(bad[:1] or "answers are missing")
    return outcomes


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--executions", type=int, default=20_000)
    options.add_argument("--portion", type=int, default=2_000)
    told = options.parse_args()
    with server() as (port, key, pid):
        call(port, key, "PUT", "/v1/jobs/bench", JOB)
        first_mb, events, begun, worst_lag = 0.0, 0, time.monotonic(), 0
        appending_s = 0.0
        for done in range(0, told.executions, told.portion):
            started = time.monotonic()
            created = send(
                port, key, [{"op": "create", "job_id": "bench"} for _ in range(told.portion)]
            )
            reports: list[dict[str, object]] = [
                {"op": "report", "execution": row["execution"], "reports": REPORTS}
                for row in created
            ]
            send(port, key, reports)
            appending_s += time.monotonic() - started
            events += told.portion * 5
            worst_lag = max(worst_lag, lag(port, key))
            memory = memory_mb(pid)
            if done + told.portion >= told.executions // 4 and not first_mb:
                first_mb = memory
            if (done // told.portion) % 10 == 9:
                print(f"{events:>9,} events, {memory:.0f} MB resident, lag {lag(port, key):,}")
        total_s = time.monotonic() - begun
        behind_s = until_caught_up(port, key)
        print(
            f"{events:,} events of {told.executions:,} executions in {appending_s:.1f} s: "
            f"{events / appending_s:,.0f} events/s appended"
        )
        print(
            f"views: worst lag seen {worst_lag:,} events, caught up {behind_s:.2f} s after the end: "
            f"{events / (total_s + behind_s):,.0f} events/s, "
            f"ratio views/append {appending_s / (total_s + behind_s):.2f}"
        )
        print(f"memory: {first_mb:.0f} MB after a quarter, {memory_mb(pid):.0f} MB at the end")


if __name__ == "__main__":
    main()
