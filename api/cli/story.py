"""What the demo shows: the example jobs, run one after the other, with their events."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Final

from rich.console import Console

from api.cli import printing
from api.cli.job import put_job, read_job
from api.cli.lines import event_line
from api.cli.show import print_execution, print_timeline
from api.cli.watching import until_closed
from api.client.errors import Conflict
from api.client.session import Ledger
from api.native.wire import EventPage, ExecutionView
from ledger.ids import execution_of

JOBS: Final = Path(__file__).parent.parent / "examples" / "jobs"
FOLLOWER_DEADLINE_S: Final = 30.0
MAX_TRIES: Final = 5


class StoryFailed(Exception):
    """The demo did not go as it should; the message says what is missing."""


async def tell(ledger: Ledger, out: Console) -> None:
    """Define the example jobs, run them, and show what happens.

    Raises:
        StoryFailed: an execution did not end as it should.
    """
    files = sorted(JOBS.glob("*.json"))
    for file in files:
        await put_job(ledger, read_job(file))
    out.print(f"defined: {', '.join(file.stem for file in files)}\n")

    _heading(out, "CustomerImportJob: three steps on 3000 rows, seven of them bad")
    imported = await _run(ledger, out, "CustomerImportJob", expected="ok")

    _heading(out, "PriceFeedJob, and PriceIndexJob, which follows by itself")
    await _chain(ledger, out)

    _heading(out, "BrokenImportJob: ends with an error that names the row")
    await _run(ledger, out, "BrokenImportJob", expected="error")

    _heading(out, f"Timeline of CustomerImportJob #{imported.number}")
    print_execution(await ledger.executions.get(imported.uuid))


def _heading(out: Console, words: str) -> None:
    out.print(f"\n[bold]{words}[/bold]")


async def _run(ledger: Ledger, out: Console, job_id: str, expected: str) -> ExecutionView:
    """Run a job; wait first for an execution that is still open from before."""
    for _ in range(MAX_TRIES):
        try:
            view = await ledger.executions.create(job_id)
        except Conflict as conflict:
            if conflict.problem.execution is None:
                raise
            earlier = await ledger.executions.get(conflict.problem.execution)
            out.print(f"#{earlier.number} is still open from before; waiting for its end")
            await _show(ledger, out, earlier)
            continue
        return await _show(ledger, out, view, expected)
    raise StoryFailed(f"{job_id} is being run by somebody else all the time")


async def _chain(ledger: Ledger, out: Console) -> None:
    before = await ledger.events.head()
    feed = await _run(ledger, out, "PriceFeedJob", expected="ok")
    try:
        async with asyncio.timeout(FOLLOWER_DEADLINE_S):
            index = await _created(ledger, "PriceIndexJob", before)
    except TimeoutError:
        raise StoryFailed(f"PriceIndexJob did not follow PriceFeedJob #{feed.number}") from None
    print_timeline(await _show(ledger, out, index, "ok"))


async def _created(ledger: Ledger, job_id: str, after: int) -> ExecutionView:
    """Wait for an execution that the ledger creates by itself."""
    pages = ledger.events.follow(after=after, types=("execution.created",), job_id=job_id)
    async with aclosing(pages):
        async for page in pages:
            for event in page.events:
                if (uuid := execution_of(event.stream)) is not None:
                    return await ledger.executions.get(uuid, min_position=event.position)
    raise StoryFailed("the log ended")


async def _show(
    ledger: Ledger, out: Console, view: ExecutionView, expected: str = ""
) -> ExecutionView:
    """Show an execution's events until it is closed; give it as it is then.

    Raises:
        StoryFailed: it did not end as *expected*.
    """
    subject = f"{view.job_id} #{view.number}"
    # From its first event on, also when it was created a while ago.
    history = (await ledger.executions.events(view.uuid, limit=1)).events
    after = history[0].position - 1 if history else view.position - 1

    def take(page: EventPage) -> None:
        for event in page.events:
            out.print(event_line(event, subject=subject), soft_wrap=True)

    ended = await until_closed(ledger, view, after=after, take=take)
    out.print(
        f"{printing.plain(subject)}: {printing.state(ended.status, ended.outcome)} "
        f"{printing.plain(ended.message)}"
    )
    if expected and ended.outcome != expected:
        raise StoryFailed(f"{subject} ended {ended.outcome or ended.status}: {ended.message}")
    return ended
