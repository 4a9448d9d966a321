"""`jobledger ps`: executions, open ones by default."""

from contextlib import suppress
from typing import Final, assert_never
from uuid import UUID

import click

from api.cli import printing
from api.cli.connection import connected, json_option
from api.cli.lines import bar
from api.client.errors import ClientError
from api.client.executions import CLOSED
from api.client.session import Ledger
from api.native.wire import ActiveView, ExecutionView

MAX_LOOKED_UP: Final = 20
SHOWN: Final = 3
"""Upstreams that are named in one line."""


@click.command(short_help="List executions.")
@click.option("-a", "--all", "everything", is_flag=True, help="Closed ones too, newest first.")
@click.option("--job", "job_id", help="Of this job only.")
@click.option("--status", help="In this status only.")
@click.option("--outcome", help="With this outcome only.")
@click.option("--tag", help="With this tag only.")
@click.option("--label", help="With this label only (name=value).")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--as-of", help="What was open at a position, or an instant (RFC 3339).")
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
    as_of: str | None,
    after: str | None,
    as_json: bool,
) -> None:
    """List open executions, or with a filter or --all, any."""
    filtered = bool(everything or job_id or status or outcome or tag or label)
    if as_of is not None and filtered:
        raise click.UsageError("--as-of shows what was open; it takes no filters")
    if not filtered:
        active = await ledger.executions.active(limit=limit, after=after, as_of=as_of)
        if as_json:
            printing.print_json(active)
        else:
            _print_active(active.executions, await _upstreams(ledger, active.executions))
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


async def _upstreams(ledger: Ledger, views: tuple[ActiveView, ...]) -> dict[UUID, str]:
    """Name the open executions that others wait for; those that ended are waited for no more."""
    names = {view.uuid: f"#{view.number} {view.job_id}" for view in views}
    wanted = {uuid for view in views for uuid in view.waits_for} - names.keys()
    for uuid in sorted(wanted)[:MAX_LOOKED_UP]:
        with suppress(ClientError):  # it may be gone, or on none of our pages
            found = await ledger.executions.get(uuid)
            if found.status not in CLOSED:
                names[uuid] = f"#{found.number} {found.job_id}"
    return names


def _waits(view: ActiveView, names: dict[UUID, str]) -> str:
    """Say what an execution waits for."""
    match view.waiting_for:
        case None:
            return ""
        case "dependency":
            known = [names[uuid] for uuid in view.waits_for if uuid in names]
            more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
            return printing.plain(", ".join(known[:SHOWN]) + more) or "its upstreams"
        case "capacity":
            return "a place: its job runs as often as it may"
        case "time":
            return f"{printing.instant(view.ready_at)}"
        case "worker":
            return "a worker"
        case _:
            assert_never(view.waiting_for)


def _print_active(views: tuple[ActiveView, ...], names: dict[UUID, str]) -> None:
    printing.print_table(
        ("#", "job", "state", "waits for", "progress", "left", "worker", "until"),
        (
            (
                view.number,
                printing.plain(view.job_id),
                printing.styled(view.status),
                _waits(view, names),
                "" if view.progress.percent is None else bar(view.progress.percent),
                printing.seconds(view.seconds_left),
                printing.plain(view.worker),
                "" if view.next is None else f"{printing.instant(view.next.at)} ({view.next.who})",
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
