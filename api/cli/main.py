"""The entry point: names the commands, and imports the one that is asked for."""

import importlib
import logging
from collections.abc import Mapping
from typing import Final

import click
from typing_extensions import override

from api.cli.logs import log_to_stderr

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("api.cli.serve", "Run the server."),
    "worker": ("api.cli.worker", "Claim executions and run their steps."),
    "demo": ("api.cli.demo", "Run server, worker and the example jobs."),
    "job": ("api.cli.job", "Define, show, schedule and retire jobs."),
    "run": ("api.cli.run", "Run a job."),
    "ps": ("api.cli.ps", "List executions."),
    "show": ("api.cli.show", "Show one execution."),
    "tail": ("api.cli.tail", "Follow the log."),
    "replay": ("api.cli.replay", "Show an execution's life, event by event."),
    "cancel": ("api.cli.steer", "Ask an execution to stop for good."),
    "pause": ("api.cli.steer", "Ask an execution to pause."),
    "resume": ("api.cli.steer", "Let a paused execution go on."),
    "restart": ("api.cli.steer", "Run a closed execution again."),
    "delete": ("api.cli.steer", "Hide a closed execution."),
    "erase": ("api.cli.steer", "Remove for good what a closed execution was."),
    "verify": ("api.cli.verify", "Check a ledger, or an export of it."),
    "export": ("api.cli.export", "Put events and their proofs into a file."),
    "projections": ("api.cli.projections", "Look after the read models."),
    "consumers": ("api.cli.consumers", "Look after durable consumers, and read as one."),
    "keys": ("api.cli.keys", "Make and revoke access keys."),
}
"""By name: the module that has a command of that name, and the line that the help shows."""


class Commands(click.Group):
    """Commands that are imported when they are used."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{cmd_name} is no command")
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jobledger", prog_name="jobledger")
def main() -> None:
    """Work with a job ledger."""
    log_to_stderr(logging.WARNING)


if __name__ == "__main__":
    main(prog_name="jobledger")
