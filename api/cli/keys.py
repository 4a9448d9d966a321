"""`jobledger keys …`: access keys."""

from typing import get_args
from uuid import UUID

import click

from api.cli import printing
from api.cli.connection import connected, json_option
from api.client.session import Ledger
from api.native.wire import KeyPost
from ledger.events.keys import Role


@click.group(short_help="Make and revoke access keys.")
def keys() -> None:
    """Make and revoke access keys."""


@keys.command("list")
@json_option
@connected
async def list_keys(ledger: Ledger, *, as_json: bool) -> None:
    """List keys, without their secrets."""
    found = await ledger.keys.list()
    if as_json:
        printing.print_json(found)
        return
    printing.print_table(
        ("key", "name", "public id", "roles", "organizations", "created", "revoked"),
        (
            (
                view.uuid,
                printing.plain(view.name),
                printing.plain(view.public_id),
                ", ".join(view.roles),
                printing.plain(", ".join(view.organizations)),
                printing.instant(view.created_at),
                printing.instant(view.revoked_at),
            )
            for view in found.keys
        ),
    )


@keys.command("create")
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice(get_args(Role)),
    help="May be repeated.",
)
@click.option("--organization", "organizations", multiple=True, default=("default",))
@click.option("--public-id", default="", help="Client id or user name. [default: made up]")
@json_option
@connected
async def create_key(
    ledger: Ledger,
    *,
    name: str,
    roles: tuple[Role, ...],
    organizations: tuple[str, ...],
    public_id: str,
    as_json: bool,
) -> None:
    """Make a key; its secret is shown this once."""
    made = await ledger.keys.create(
        KeyPost(name=name, roles=roles, organizations=organizations, public_id=public_id)
    )
    if as_json:
        printing.print_json(made)
        return
    out = printing.console()
    out.print(f"key {made.key.uuid} ({printing.plain(made.key.public_id)})")
    out.print(f"secret [bold]{printing.plain(made.secret)}[/bold]  (not shown again)")


@keys.command("revoke")
@click.argument("uuid", type=click.UUID)
@connected
async def revoke_key(ledger: Ledger, *, uuid: UUID) -> None:
    """Make a key open nothing any more."""
    await ledger.keys.revoke(uuid)
