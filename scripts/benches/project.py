"""The views against the append rate that they follow: by themselves, and while it goes on.

`appended` is the bulk route with the views stopped and nobody waited for, five events an execution;
`by themselves` is all views together taking in what that left, with nobody else at work.
`appended, followed` is the route as it is served, which waits for views that are out of its reach, and
`followed` the same events by the time until all views had them.
"""

import argparse
import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from bulk import JOB, live
from frame import Report
from processes import pids, used
from running import Server, server


def options(of: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    of.add_argument("--executions", type=int, default=20_000, help="in one round")


async def run(told: argparse.Namespace, report: Report) -> None:
    """Measure."""
    report.ratio("by themselves", "appended", at_least=1.0)
    report.ratio("followed", "appended, followed", at_least=0.95)
    with (
        server(JOBLEDGER_VIEWS="beside", JOBLEDGER_BULK_REACH_EVENTS="0") as alone,
        server(JOBLEDGER_VIEWS="beside") as at,
    ):
        for one in (alone, at):
            one.call("PUT", "/v1/jobs/bench", JOB)
            await asyncio.to_thread(live, one, 500)
            one.until_caught_up()
        for _ in report.rounds(told.rounds, ("appended", "followed")):
            with used(alone.pid) as using, _stopped(alone):
                events = await asyncio.to_thread(live, alone, told.executions)
            report.measured(
                "appended", events / using.seconds, "events/s", used=using, operations=events
            )
            with used(alone.pid) as using:
                alone.until_caught_up()
            report.measured(
                "by themselves", events / using.seconds, "events/s", used=using, operations=events
            )
            with used(at.pid) as using:
                with used(at.pid) as appending:
                    await asyncio.to_thread(live, at, told.executions)
                at.until_caught_up()
            report.measured("appended, followed", events / appending.seconds, "events/s")
            report.measured(
                "followed", events / using.seconds, "events/s", used=using, operations=events
            )


@contextmanager
def _stopped(at: Server) -> Iterator[None]:
    """Stop the process that writes the views meanwhile; it writes nothing when this begins."""
    (views,) = pids(at.pid, "views")
    os.kill(views, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(views, signal.SIGCONT)
