"""Step type `command`: run a program from the operator's definition.

The argument list is the definition's, word for word, and no shell reads it. A line on standard
output that begins with `::progress` or `::output` and goes on with JSON is a report.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from api.worker.steps.port import StepContext, StepReporter, read_settings
from api.worker.steps.process import LogTail, environment, run_process
from api.worker.steps.result import StepResult
from ledger.events.executions import Outcome, Progress

PARAMETER_PREFIX: Final = "JOBLEDGER_PARAM_"
_NOT_IN_NAMES: Final = re.compile(r"[^A-Z0-9_]")
_PROGRESS: Final = msgspec.json.Decoder(Progress)


class ExitMeaning(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an exit status says."""

    outcome: Outcome = "ok"
    exit_code: str = ""
    message: str = ""


class CommandSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `with` of a command step."""

    argv: Annotated[tuple[str, ...], Meta(min_length=1)]
    env: dict[str, str] = {}
    """Variables set for the program."""
    env_allow: tuple[str, ...] = ()
    """Variables of the worker that the program may see, besides a few harmless ones."""
    cwd: str | None = None
    exit_codes: dict[str, ExitMeaning] = {}
    """By exit status; others mean ok for 0 and error for the rest."""


def parameter_variables(parameters: dict[str, Any]) -> dict[str, str]:
    """Name parameters as environment variables; values that are no text are JSON.

    >>> parameter_variables({"max-rows": 3, "source": "a b"})
    {'JOBLEDGER_PARAM_MAX_ROWS': '3', 'JOBLEDGER_PARAM_SOURCE': 'a b'}
    """
    return {
        PARAMETER_PREFIX + _NOT_IN_NAMES.sub("_", name.upper()): value
        if isinstance(value, str)
        else msgspec.json.encode(value).decode()
        for name, value in parameters.items()
    }


def take_report(line: str, report: StepReporter) -> bool:
    """Pass on a line that is a report; say whether it was one."""
    marker, _, content = line.partition(" ")
    try:
        match marker:
            case "::progress":
                report.progress(_PROGRESS.decode(content))
            case "::output":
                report.output(msgspec.json.decode(content))
            case _:
                return False
    except msgspec.DecodeError:
        return False
    return True


async def run_command(context: StepContext) -> StepResult:
    """Run the program and read its exit status.

    Raises:
        StepFailed: the settings are wrong, or the program could not be started.
    """
    settings = read_settings(context, CommandSettings)
    own = {
        **parameter_variables(context.parameters),
        "JOBLEDGER_EXECUTION": context.execution,
        "JOBLEDGER_JOB": context.job_id,
        "JOBLEDGER_STEP": context.step_id,
        "JOBLEDGER_DATA_DIR": str(context.data_dir),
    }
    log = LogTail()
    status = await run_process(
        settings.argv,
        env=environment(settings.env, settings.env_allow, own),
        cwd=None if settings.cwd is None else Path(settings.cwd),
        stdin=b"" if context.input is None else msgspec.json.encode(context.input),
        log=log,
        on_line=lambda line: take_report(line, context.report),
    )
    meaning = settings.exit_codes.get(str(status))
    if meaning is not None:
        return StepResult(
            outcome=meaning.outcome,
            exit_code=meaning.exit_code,
            message=meaning.message,
            log=log.text(),
        )
    if status == 0:
        return StepResult(log=log.text())
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    return StepResult(outcome="error", message=f"{settings.argv[0]} {how}", log=log.text())
