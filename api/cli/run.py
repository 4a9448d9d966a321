"""`jobledger run`: create an execution, and watch it if asked."""

from pathlib import Path
from typing import Any

import click
import msgspec

from api.cli import exits, printing
from api.cli.connection import connected, json_option
from api.cli.watching import watch
from api.client.session import Ledger
from api.native.wire import ExecutionPost
from ledger.events.executions import Argument


def read_parameter(text: str) -> Argument:
    """Read `name=value`; a value that is JSON (a number, true, null, …) keeps its type.

    Raises:
        BadParameter: there is no `=`.

    >>> read_parameter("rows=12").value, read_parameter("name=a b").value
    (12, 'a b')
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not name=value", param_hint="-p")
    try:
        return Argument(name=name, value=msgspec.json.decode(value))
    except msgspec.DecodeError:
        return Argument(name=name, value=value)


def read_input(text: str | None) -> Any:
    """Read JSON, or with `@`, the file that holds it.

    Raises:
        BadParameter: it is not JSON, or the file cannot be read.
    """
    if text is None:
        return None
    try:
        raw = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
        return msgspec.json.decode(raw)
    except (OSError, msgspec.DecodeError) as error:
        raise click.BadParameter(str(error), param_hint="--input") from error


@click.command(short_help="Run a job.")
@click.argument("job_id")
@click.option("-p", "--parameter", "parameters", multiple=True, help="name=value; repeatable.")
@click.option("--input", "given", help="The input as JSON, or @file.")
@click.option("--name", default="", help="A name for the execution.")
@click.option("--tag", "tags", multiple=True, help="May be repeated.")
@click.option(
    "--idempotency-key", default="", help="Creates one execution however often it is sent."
)
@click.option("--wait", is_flag=True, help="Wait for the end; the exit code tells how it ended.")
@click.option("--follow", is_flag=True, help="As --wait, showing each event.")
@json_option
@connected
async def run(
    ledger: Ledger,
    *,
    job_id: str,
    parameters: tuple[str, ...],
    given: str | None,
    name: str,
    tags: tuple[str, ...],
    idempotency_key: str,
    wait: bool,
    follow: bool,
    as_json: bool,
) -> int:
    """Run a job.

    Exit codes with --wait: 0 it ended well, 1 with an error, 3 it was aborted.
    """
    post = ExecutionPost(
        parameters=tuple(read_parameter(text) for text in parameters),
        input=read_input(given),
        name=name,
        tags=tags or msgspec.UNSET,
    )
    view = await ledger.executions.create(job_id, post, idempotency_key=idempotency_key)
    if not wait and not follow:
        if as_json:
            printing.print_json(view)
        else:
            printing.console().print(
                f"#{view.number} {printing.plain(view.job_id)} {view.uuid} {view.status}"
            )
        return exits.DONE
    ended = await watch(ledger, view, quiet=as_json, events=follow)
    if as_json:
        printing.print_json(ended)
    return exits.code_of(ended)
