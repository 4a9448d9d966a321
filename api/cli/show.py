"""`jobledger show`: one execution with its steps."""

import click
import msgspec

from api.cli import printing
from api.cli.connection import connected, json_option
from api.client.session import Ledger
from api.native.wire import ExecutionView


@click.command(short_help="Show one execution.")
@click.argument("execution")
@click.option("--as-of", help="As it was at a position, or an instant (RFC 3339).")
@click.option("--log", "with_log", is_flag=True, help="With what the steps printed.")
@json_option
@connected
async def show(
    ledger: Ledger,
    *,
    execution: str,
    as_of: str | None,
    with_log: bool,
    as_json: bool,
) -> None:
    """Show one execution (by uuid, number or oid) with its steps."""
    view = await ledger.executions.get(execution, as_of=as_of)
    if as_json:
        printing.print_json(view)
        return
    print_execution(view, with_log=with_log)


def print_execution(view: ExecutionView, *, with_log: bool = False) -> None:
    """Print an execution and the timeline of its steps."""
    out = printing.console()
    out.print(
        f"[bold]#{view.number} {printing.plain(view.job_id)}[/bold] "
        f"{printing.state(view.status, view.outcome)} {printing.plain(view.exit_code)}  {view.uuid}"
    )
    for line in _words(view):
        out.print(f"  {line}")
    print_timeline(view)
    if view.output is not None:
        text = msgspec.json.format(msgspec.json.encode(view.output), indent=2).decode()
        out.print(f"output {printing.plain(text)}")
    for attachment in view.attachments:
        digest = f"  sha256 {attachment.sha256}" if attachment.sha256 else ""
        out.print(f"attachment {printing.plain(attachment.name)}{digest}")
    for step in view.steps if with_log else ():
        if step.log:
            out.print(f"[bold]log of {printing.plain(step.step_id)}[/bold]")
            out.print(printing.plain(step.log))


def _words(view: ExecutionView) -> list[str]:
    lines = []
    if view.message:
        lines.append(printing.plain(view.message))
    if view.cause:
        lines.append(f"cause: {view.cause}")
    if view.waiting_for:
        lines.append(f"waits for {view.waiting_for}")
    if view.next is not None:
        at = printing.instant(view.next.at)
        lines.append(f"next: {view.next.who} by {at}, else {view.next.otherwise}")
    if view.restart_of is not None:
        lines.append(f"restart of {view.restart_of}")
    if view.progress.counters:
        counters = view.progress.counters.items()
        lines.append("  ".join(f"{printing.plain(name)}={value}" for name, value in counters))
    return lines


def print_timeline(view: ExecutionView) -> None:
    """Print when each step ran, for how long, and how it ended."""
    printing.print_table(
        ("#", "step", "started", "duration", "state", "exit code", "message"),
        (
            (
                step.index,
                printing.plain(step.step_id),
                printing.clock_time(step.started_at),
                printing.duration(step.started_at, step.ended_at),
                printing.styled(step.outcome or step.status),
                printing.plain(step.exit_code),
                printing.plain(step.message[:80]),
            )
            for step in view.steps
        ),
    )
