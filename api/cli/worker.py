"""`jobledger worker`: claim executions and run their steps."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import click

from api.cli import connection, exits
from api.cli.lifeline import stop_with_stdin
from api.cli.logs import log_to_stderr
from api.client.session import Ledger
from api.worker.claiming import DEFAULT_CONCURRENCY, STOP_GRACE_S, Worker
from api.worker.steps.registry import BadHandlers, handlers

CREDENTIALS_WAIT_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.1


@click.command(short_help="Claim executions and run their steps.")
@connection.address_options
@click.option("--handlers", "module", default="", help="Module whose HANDLERS bind step types.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 50),
    default=DEFAULT_CONCURRENCY,
    show_default=True,
    help="Executions at the same time.",
)
@click.option("--name", default="", help="Shown as the owner of executions. [default: host:pid]")
@click.option(
    "--grace",
    "grace_s",
    type=click.FloatRange(0, 3600),
    default=STOP_GRACE_S,
    show_default=True,
    help="Seconds that running steps get when the worker is told to stop.",
)
@click.option("--stop-with-stdin", "lifeline", is_flag=True, hidden=True)
def worker(
    *,
    url: str | None,
    key: str | None,
    data: Path,
    module: str,
    concurrency: int,
    name: str,
    grace_s: float,
    lifeline: bool,
) -> None:
    """Claim executions and run their steps, until told to stop.

    SIGTERM or SIGINT: running steps get a short time, then their executions are handed back; a
    second signal stops at once.
    """
    log_to_stderr()
    try:
        bound = handlers(module)
    except BadHandlers as error:
        raise click.UsageError(str(error)) from error
    if lifeline:
        stop_with_stdin()
    files = data / "files"
    for folder in (data, files):  # what steps write there is nobody else's to read
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def work() -> int:
        address = await _await_address(url, key, data)
        async with Ledger(address.url, address.key) as ledger:
            await _work(
                Worker(
                    ledger,
                    name=name or f"{socket.gethostname()}:{os.getpid()}",
                    handlers=bound,
                    data_dir=files.resolve(),
                    concurrency=concurrency,
                    stop_grace_s=grace_s,
                )
            )
        return exits.DONE

    sys.exit(connection.run(work()))


async def _work(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    await worker.run()


async def _await_address(url: str | None, key: str | None, data: Path) -> connection.Address:
    """Find server and key; a server that starts at the same time may write them any moment."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CREDENTIALS_WAIT_S
    while True:
        address = connection.find_address(url, key, data)
        if address.key or loop.time() >= deadline:
            return address
        await asyncio.sleep(_LOOK_EVERY_S)
