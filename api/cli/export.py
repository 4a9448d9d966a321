"""`jobledger export`: events in a file, with all it takes to check them without a server."""

import gzip
import os
import secrets
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import IO, cast

import click

from api.cli.checking import tell
from api.cli.connection import connected, json_option
from api.client.session import Ledger
from ledger.audit.check import Checker


@click.command(short_help="Put events and their proofs into a file.")
@click.argument("execution", required=False)
@click.option("--stream", help="A stream by its name, for example job/default/Import.")
@click.option("--after", type=click.IntRange(min=0), help="Of the log: from behind this position.")
@click.option("--until", type=click.IntRange(min=0), help="Of the log: up to this position.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write; packed if it ends in .gz.",
)
@json_option
@connected
async def export(
    ledger: Ledger,
    *,
    execution: str | None,
    stream: str | None,
    after: int | None,
    until: int | None,
    output: Path,
    as_json: bool,
) -> int:
    """Write one execution's events (a dossier), or the log, to be checked by `jobledger verify`.

    EXECUTION is a uuid, number or oid; without it the whole log is exported, or a part of it, which
    takes an auditor's key for all organizations. What is written is checked on its way; the exit
    code is that of `jobledger verify`.
    """
    is_part = after is not None or until is not None
    if sum((execution is not None, stream is not None, is_part)) > 1:
        raise click.UsageError("name an execution, a stream, or a part of the log")
    checker = Checker()
    lines = _lines(ledger, execution, stream, after or 0, until)
    with _whole(output) as file:
        async with aclosing(lines) as source:
            async for line in source:
                checker.take(line)
                file.write(line + b"\n")
    code = tell(checker.report(), known_from="", as_json=as_json)
    if not as_json:
        click.echo(f"  written to   {output}")
    sys.stdout.flush()
    return code


def _lines(
    ledger: Ledger, execution: str | None, stream: str | None, after: int, until: int | None
) -> AsyncGenerator[bytes, None]:
    if execution is not None:
        return ledger.audit.dossier(execution)
    if stream is not None:
        return ledger.audit.stream(stream)
    return ledger.audit.log(after=after, until=until)


@contextmanager
def _whole(output: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of *output* once it is written whole, or not at all."""
    draft = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as opened:
            if output.suffix == ".gz":
                with gzip.open(opened, "wb") as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield opened
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(output)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
