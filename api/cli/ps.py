"""`jobledger ps`: executions, open ones by default."""

import click

from api.cli import printing
from api.cli.connection import connected, json_option
from api.cli.lines import bar
from api.client.session import Ledger
from api.native.wire import ActiveView, ExecutionView


@click.command(short_help="List executions.")
@click.option("-a", "--all", "everything", is_flag=True, help="Closed ones too, newest first.")
@click.option("--job", "job_id", help="Of this job only.")
@click.option("--status", help="In this status only.")
@click.option("--outcome", help="With this outcome only.")
@click.option("--tag", help="With this tag only.")
@click.option("--label", help="With this label only (name=value).")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--after", help="Go on from the `next` of an earlier page.")
@json_option
@connected
async def ps(
    ledger: Ledger,
    *,
    everything: bool,
    job_id: str | None,
    status: str | None,
    outcome: str | None,
    tag: str | None,
    label: str | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """List open executions, or with a filter or --all, any."""
    if not (everything or job_id or status or outcome or tag or label):
        active = await ledger.executions.active(limit=limit, after=after)
        if as_json:
            printing.print_json(active)
        else:
            _print_active(active.executions)
        return
    page = await ledger.executions.list(
        job_id=job_id,
        status=status,
        outcome=outcome,
        tag=tag,
        label=label,
        limit=limit,
        after=after,
    )
    if as_json:
        printing.print_json(page)
        return
    _print_executions(page.executions)
    if page.next:
        click.echo(f"more: --after {page.next}", err=True)


def _print_active(views: tuple[ActiveView, ...]) -> None:
    printing.print_table(
        ("#", "job", "state", "progress", "left", "worker", "next"),
        (
            (
                view.number,
                printing.plain(view.job_id),
                printing.styled(view.status)
                + (f" (waits for {view.waiting_for})" if view.waiting_for else ""),
                "" if view.progress.percent is None else bar(view.progress.percent),
                printing.seconds(view.seconds_left),
                printing.plain(view.worker),
                "" if view.next is None else f"{view.next.who} by {printing.instant(view.next.at)}",
            )
            for view in views
        ),
    )


def _print_executions(views: tuple[ExecutionView, ...]) -> None:
    printing.print_table(
        ("#", "job", "state", "exit code", "created", "duration", "message"),
        (
            (
                view.number,
                printing.plain(view.job_id),
                printing.state(view.status, view.outcome),
                printing.plain(view.exit_code),
                printing.instant(view.created_at),
                printing.duration(view.started_at, view.ended_at),
                printing.plain(view.message[:80]),
            )
            for view in views
        ),
    )
