"""Rebuilding every view from the beginning of the log, against the append rate that filled it.

The bulk route fills the log, five events an execution. Then each round has all views rebuilt at once,
from position 0, each swapped in when it has caught up; its rate is the log's length by the time until
the last of them was.
"""

import argparse
import asyncio
import time

from bulk import JOB, live
from frame import Report
from processes import used
from running import Server, server


def options(of: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    of.add_argument("--executions", type=int, default=4_000, help="that every round adds")


async def run(told: argparse.Namespace, report: Report) -> None:
    """Measure."""
    report.ratio("rebuilt", "appended", at_least=2.0)
    with server() as at:
        at.call("PUT", "/v1/jobs/bench", JOB)
        await asyncio.to_thread(live, at, 500)
        at.until_caught_up()
        for _ in report.rounds(told.rounds, ("appended", "rebuilt")):
            with used(at.pid) as using:
                events = await asyncio.to_thread(live, at, told.executions)
            report.measured(
                "appended", events / using.seconds, "events/s", used=using, operations=events
            )
            at.until_caught_up()
            with used(at.pid) as using:
                length = _rebuilt(at)
            report.measured(
                "rebuilt", length / using.seconds, "events/s", used=using, operations=length
            )


def _rebuilt(at: Server) -> int:
    """Have every view rebuilt, and wait; give how long the log was."""
    found = at.call("GET", "/v1/projections")
    for view in found["projections"]:
        at.call("POST", f"/v1/projections/{view['name']}/rebuild")
    while any(
        view.get("rebuilding_at") is not None
        for view in at.call("GET", "/v1/projections")["projections"]
    ):
        time.sleep(0.05)
    return int(found["head"])
