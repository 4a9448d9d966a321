"""`jobledger projections …`: the read models."""

import click

from api.cli import printing
from api.cli.connection import connected, json_option
from api.client.session import Ledger


@click.group(short_help="Look after the read models.")
def projections() -> None:
    """Look after the read models."""


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
        ("projection", "version", "position", "lag", "state", "owner", "quarantined"),
        (
            (
                printing.plain(view.name),
                view.version,
                view.position,
                view.lag,
                printing.plain(view.state),
                printing.plain(view.owner),
                ", ".join(printing.plain(item.stream) for item in view.quarantine),
            )
            for view in found.projections
        ),
    )


@projections.command("rebuild")
@click.argument("name")
@connected
async def rebuild_projection(ledger: Ledger, *, name: str) -> None:
    """Compute a projection anew beside the one in use, and swap them."""
    await ledger.projections.rebuild(name)
