"""Watch one execution to its end: its events, and a bar for how far it has come."""

import sys
from collections.abc import Callable, Iterable
from contextlib import aclosing, nullcontext
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from api.cli import printing
from api.cli.lines import event_line
from api.cli.show import print_execution
from api.client.executions import CLOSED
from api.client.session import Ledger
from api.native.wire import EventPage, EventView, ExecutionView
from ledger.events.codec import CLOSING_TYPES

QUIET_S: Final = 5.0


async def watch(
    ledger: Ledger, view: ExecutionView, *, quiet: bool = False, events: bool = False
) -> ExecutionView:
    """Show what happens to *view* until it is closed; give it as it is then."""
    with nullcontext() if quiet else _Bar(view) as bar:

        def take(page: EventPage) -> None:
            if bar is not None:
                bar.take(page.events, show=events)

        ended = await until_closed(ledger, view, after=view.position - 1, take=take)
    if not quiet:
        print_execution(ended)
    return ended


async def until_closed(
    ledger: Ledger, view: ExecutionView, *, after: int, take: Callable[[EventPage], None]
) -> ExecutionView:
    """Hand each page of an execution's events to *take* until it is closed; give it as it is then.

    The log may be ahead of the view, so the view is asked for at the page's position.
    """
    pages = ledger.events.follow(after=after, execution_id=str(view.uuid), quiet_s=QUIET_S)
    async with aclosing(pages):
        async for page in pages:
            take(page)
            if page.events and not any(event.type in CLOSING_TYPES for event in page.events):
                continue
            now = await ledger.executions.get(view.uuid, min_position=page.next_after)
            if now.status in CLOSED:
                return now
    raise AssertionError("following the log does not end by itself")


class _Bar:
    """A live bar on a terminal, plain lines elsewhere."""

    def __init__(self, view: ExecutionView) -> None:
        self._names = {step.index: step.step_id for step in view.steps}
        self._console: Console = printing.console()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f} %"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not sys.stdout.isatty(),
        )
        label = f"#{view.number} {printing.plain(view.job_id)}"
        self._label = label
        self._task: TaskID = self._progress.add_task(label, total=100)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def take(self, events: Iterable[EventView], *, show: bool) -> None:
        """Show a page of events."""
        for event in events:
            match event.type:
                case "execution.progressed":
                    percent = event.data.get("progress", {}).get("percent")
                    if percent is not None:
                        self._progress.update(self._task, completed=percent)
                case "step.started":
                    name = printing.plain(self._names.get(event.data.get("index"), ""))
                    self._progress.update(self._task, description=f"{self._label} · {name}")
                case _:
                    pass
            if show:
                self._console.print(event_line(event))
