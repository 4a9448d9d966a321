"""`jobledger projections …`: the read models."""

import click

from api.cli import exits, printing
from api.cli.connection import connected, json_option
from api.client.session import Ledger
from api.native.wire import ProjectionVerified


@click.group(short_help="Look after the read models.", invoke_without_command=True)
@click.pass_context
def projections(context: click.Context) -> None:
    """Look after the read models; alone it lists them."""
    if context.invoked_subcommand is None:
        # Not `context.invoke`, which knows nothing of options that the environment gives.
        with list_projections.make_context("list", [], parent=context) as its_own:
            list_projections.invoke(its_own)


@projections.command("list")
@json_option
@connected
async def list_projections(ledger: Ledger, *, as_json: bool) -> None:
    """Say how far each projection has come, and what it could not take in."""
    found = await ledger.projections.list()
    if as_json:
        printing.print_json(found)
        return
    printing.print_table(
        ("projection", "version", "position", "lag", "state", "rebuild", "owner", "quarantined"),
        (
            (
                printing.plain(view.name),
                view.version,
                view.position,
                view.lag,
                printing.plain(f"{view.state}: {view.error}" if view.error else view.state),
                "" if view.rebuilding_at is None else f"at {view.rebuilding_at} of {found.head}",
                printing.plain(view.owner),
                view.quarantined or "",
            )
            for view in found.projections
        ),
    )
    aside = [(view.name, item) for view in found.projections for item in view.quarantine]
    if aside:
        printing.print_table(
            ("set aside in", "stream", "from position", "attempts", "error"),
            (
                (
                    printing.plain(name),
                    printing.plain(item.stream),
                    item.from_position,
                    item.attempts,
                    printing.plain(item.error[:200]),
                )
                for name, item in aside
            ),
        )


@projections.command("rebuild")
@click.argument("name")
@connected
async def rebuild_projection(ledger: Ledger, *, name: str) -> None:
    """Compute a projection anew beside the one in use, and swap them."""
    await ledger.projections.rebuild(name)


@projections.command("verify")
@click.argument("name", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), help="Differences shown of each table.")
@json_option
@connected
async def verify_projection(
    ledger: Ledger, *, name: str | None, limit: int | None, as_json: bool
) -> int:
    """Compare a projection, or all of them, with a fresh fold of the log.

    Ends with 1 if one is not what the log says.
    """
    names = (
        [name] if name else [view.name for view in (await ledger.projections.list()).projections]
    )
    sound = True
    for each in names:
        found = await ledger.projections.verify(each, limit=limit)
        sound = sound and found.sound
        if as_json:
            printing.print_json_line(found)
        else:
            _print_verified(found)
    return exits.DONE if sound else exits.FAILED


def _print_verified(found: ProjectionVerified) -> None:
    verdict = "is what the log says" if found.sound else "is NOT what the log says"
    click.echo(f"{found.name} at position {found.position} {verdict}")
    for stream in found.quarantined:
        click.echo(f"  set aside: {stream}")
    for stream in found.unreadable:
        click.echo(f"  cannot be folded: {stream}")
    if found.differences:
        printing.print_table(
            ("table", "row", "is"),
            (
                (
                    printing.plain(row.table),
                    printing.plain(", ".join(f"{k}={v}" for k, v in row.key.items())),
                    printing.plain(row.kind),
                )
                for row in found.differences
            ),
        )


@projections.command("replay")
@click.argument("name")
@click.argument("stream", required=False)
@json_option
@connected
async def replay_projection(ledger: Ledger, *, name: str, stream: str | None, as_json: bool) -> int:
    """Take in again what a projection had set aside: one stream, or all of them.

    Ends with 1 if one failed again.
    """
    found = await ledger.projections.replay(name, stream)
    if as_json:
        printing.print_json(found)
    else:
        for row in found.replayed:
            told = f"failed again: {row.error}" if row.error else f"{row.events} events taken in"
            click.echo(f"{row.stream}: {told}")
        if not found.replayed:
            click.echo("nothing is set aside", err=True)
    return exits.FAILED if any(row.error for row in found.replayed) else exits.DONE
