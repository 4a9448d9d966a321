"""Executions as the bulk route makes them: created, worked on by a recorder, finished."""

import http.client
import json
from typing import Any

from running import Server

JOB = {"steps": [{"step_id": "one", "step_type_id": "recorded"}]}
REPORTS = [
    {"type": "step.started", "index": 1},
    {"type": "step.finished", "index": 1, "outcome": "ok"},
    {"type": "finished"},
]
EVENTS = 5
"""That a whole life leaves in the log: created, started, step started, step finished, finished."""


def send(at: Server, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send lines, and give their outcomes.

    Raises:
        RuntimeError: one of them was refused.
    """
    connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=300)
    body = b"\n".join(json.dumps(line).encode() for line in lines)
    headers = {"Authorization": f"Bearer {at.key}", "Content-Type": "application/x-ndjson"}
    connection.request("POST", "/v1/reports", body, headers)
    answer = connection.getresponse().read()
    connection.close()
    outcomes = [json.loads(line) for line in answer.splitlines()]
    bad = [outcome for outcome in outcomes if outcome["status"] >= 300]
    if bad or len(outcomes) != len(lines):
        raise RuntimeError(bad[:1] or "answers are missing")
    return outcomes


def live(at: Server, executions: int, portion: int = 2_000) -> int:
    """Make executions and let them live to their end, in portions; give how many events that made."""
    for done in range(0, executions, portion):
        count = min(portion, executions - done)
        created = send(at, [{"op": "create", "job_id": "bench"}] * count)
        send(
            at,
            [
                {"op": "report", "execution": row["execution"], "reports": REPORTS}
                for row in created
            ],
        )
    return executions * EVENTS
