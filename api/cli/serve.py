"""`jobledger serve`: the server, in this process."""

import sys
from pathlib import Path

import click

from api.cli import exits
from api.cli.connection import DEFAULT_DATA
from api.cli.lifeline import stop_with_stdin
from api.settings import MAX_PROCESSES


@click.command(short_help="Run the server.")
@click.option(
    "--host",
    default="127.0.0.1",
    envvar="JOBLEDGER_HOST",
    show_default=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    default=8080,
    envvar="JOBLEDGER_PORT",
    show_default=True,
    type=click.IntRange(0, 65535),
    help="TCP port.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    envvar="JOBLEDGER_DATA",
    show_default=True,
    help="Where the ledger keeps its files.",
)
@click.option(
    "--processes",
    envvar="JOBLEDGER_PROCESSES",
    type=click.IntRange(1, MAX_PROCESSES),
    default=1,
    show_default=True,
    help="Server processes on the one port.",
)
@click.option("--stop-with-stdin", "lifeline", is_flag=True, hidden=True)
def serve(*, host: str, port: int, data: Path, processes: int, lifeline: bool) -> None:
    """Run the server until it is told to stop."""
    import uvloop  # noqa: PLC0415 - other commands start faster without

    from api.server import serve as serve_api  # noqa: PLC0415 - the same
    from ledger.errors import Unavailable  # noqa: PLC0415 - the same
    from ledger.store.embedded import EmbeddedPostgresError  # noqa: PLC0415 - the same

    if lifeline:
        stop_with_stdin()
    try:
        uvloop.run(serve_api(host=host, port=port, data=data, processes=processes))
    except KeyboardInterrupt:
        sys.exit(exits.DONE)
    except (ValueError, OSError, EmbeddedPostgresError, Unavailable) as error:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)
        sys.exit(exits.FAILED)
