"""`jobledger cancel|pause|resume|restart|delete|erase`: what is asked of one execution."""

import click

from api.cli import printing
from api.cli.connection import connected, json_option
from api.client.session import Ledger
from api.native.wire import ExecutionView

reason_option = click.option("--reason", default="", help="Goes on record.")


def _print(view: ExecutionView, *, as_json: bool) -> None:
    if as_json:
        printing.print_json(view)
        return
    printing.console().print(
        f"#{view.number} {printing.plain(view.job_id)} {printing.state(view.status, view.outcome)}"
        f"  {view.uuid}"
    )


@click.command(short_help="Ask an execution to stop for good.")
@click.argument("execution")
@reason_option
@json_option
@connected
async def cancel(ledger: Ledger, *, execution: str, reason: str, as_json: bool) -> None:
    """Ask an execution to stop for good."""
    _print(await ledger.executions.cancel(execution, reason), as_json=as_json)


@click.command(short_help="Ask an execution to pause.")
@click.argument("execution")
@reason_option
@json_option
@connected
async def pause(ledger: Ledger, *, execution: str, reason: str, as_json: bool) -> None:
    """Ask an execution to pause after its current step."""
    _print(await ledger.executions.pause(execution, reason), as_json=as_json)


@click.command(short_help="Let a paused execution go on.")
@click.argument("execution")
@reason_option
@json_option
@connected
async def resume(ledger: Ledger, *, execution: str, reason: str, as_json: bool) -> None:
    """Let a paused execution go on."""
    _print(await ledger.executions.resume(execution, reason), as_json=as_json)


@click.command(short_help="Run a closed execution again.")
@click.argument("execution")
@json_option
@connected
async def restart(ledger: Ledger, *, execution: str, as_json: bool) -> None:
    """Run a closed execution again, as a new one."""
    _print(await ledger.executions.restart(execution), as_json=as_json)


@click.command(short_help="Hide a closed execution.")
@click.argument("execution")
@connected
async def delete(ledger: Ledger, *, execution: str) -> None:
    """Hide a closed execution from views; its history stays for auditors."""
    await ledger.executions.delete(execution)


@click.command(short_help="Remove for good what an execution was.")
@click.argument("execution")
@reason_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@connected
async def erase(ledger: Ledger, *, execution: str, reason: str, yes: bool, as_json: bool) -> None:
    """Remove for good what the events of a closed execution say; that it was stays on record."""
    if not yes:
        view = await ledger.executions.get(execution)
        told = f"Erase execution #{view.number} {view.job_id} for good?"
        click.confirm(told, abort=True, err=True)
        execution = str(view.uuid)
    _print(await ledger.executions.erase(execution, reason), as_json=as_json)
