"""`jobledger tail`: follow the log."""

import click

from api.cli import printing
from api.cli.connection import connected
from api.cli.lines import event_line
from api.client.events import EventLines
from api.client.session import Ledger
from api.native.wire import EventPage


@click.command(short_help="Follow the log.")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    help="Begin behind this position (0: the first event). [default: now]",
)
@click.option("--types", default="", help="Event types, separated by commas.")
@click.option("--job", "job_id", help="Of this job only.")
@click.option("--execution", help="Of this execution only.")
@click.option("--once", is_flag=True, help="Stop at the newest event instead of waiting for more.")
@click.option("--json", "as_json", is_flag=True, help="Print each event's own line, byte for byte.")
@connected
async def tail(
    ledger: Ledger,
    *,
    after: int | None,
    types: str,
    job_id: str | None,
    execution: str | None,
    once: bool,
    as_json: bool,
) -> None:
    """Show events as they are recorded, none left out, through restarts of the server."""
    # Asked first, so that a wrong key or address is an error and not waited for.
    head = await ledger.events.head()
    wanted = tuple(part.strip() for part in types.split(",") if part.strip())
    follow = ledger.events.follow_lines if as_json else ledger.events.follow
    out = printing.console()
    async for came in follow(
        after=head if after is None else after,
        types=wanted,
        job_id=job_id,
        execution_id=execution,
        once=once,
    ):
        match came:
            case EventLines(lines):
                for line in lines:
                    printing.print_line(line)
            case EventPage(events=events):
                for event in events:
                    out.print(event_line(event))
