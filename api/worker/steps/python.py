"""Step type `python`: call a function, `module:function`, in a process of its own.

The function's reports travel over a pipe of their own, so that what it prints cannot be taken for
one, and lands in the log.
"""

import asyncio
import os
import re
import sys
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from api.worker.steps.messages import (
    MESSAGES,
    ChildRequest,
    Ended,
    LogLine,
    Message,
    OutputAdded,
    ProgressTold,
)
from api.worker.steps.port import StepContext, StepReporter
from api.worker.steps.process import LogTail, environment, run_process
from api.worker.steps.result import StepFailed, StepResult

FUNCTION_NAME: Final = r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z"
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_FUNCTION: Final = re.compile(FUNCTION_NAME)


class PythonSettings(Struct, frozen=True, kw_only=True):
    """The `with` of a python step; whatever else stands there is for the function."""

    function: Annotated[str, Meta(pattern=FUNCTION_NAME)]
    env: dict[str, str] = {}
    env_allow: tuple[str, ...] = ()


async def run_python(context: StepContext) -> StepResult:
    """Call the function that the definition names.

    Raises:
        StepFailed: the settings are wrong, or the function's process could not be started.
    """
    return await call_function(context, "")


async def call_function(context: StepContext, function: str) -> StepResult:
    """Call *function* (or the one that the definition names) in its own process.

    Raises:
        StepFailed: the settings are wrong, or the process could not be started.
    """
    named = {"function": function} if function else {}
    try:
        settings = msgspec.convert({**context.settings, **named}, PythonSettings)
    except msgspec.ValidationError as error:
        raise StepFailed(f"the step's settings are wrong: {error}", exit_code="INVALID") from error
    log = LogTail()
    ends: list[Ended] = []
    read_end, write_end = os.pipe()
    try:
        reading = asyncio.create_task(_read_messages(read_end, context.report, log, ends))
        try:
            status = await run_process(
                [sys.executable, "-m", "api.worker.steps.python_child", str(write_end)],
                env=environment(settings.env, settings.env_allow, {}),
                cwd=None,
                stdin=msgspec.json.encode(_request(context, settings.function)),
                log=log,
                on_line=lambda _: False,
                pass_fds=(write_end,),
            )
        finally:
            os.close(write_end)
        await asyncio.wait((reading,), timeout=2)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    if not ends:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return StepResult(
            outcome="error", message=f"{settings.function} {how} without a result", log=log.text()
        )
    return msgspec.structs.replace(ends[-1].result, log=log.text())


def _request(context: StepContext, function: str) -> ChildRequest:
    own: set[str] = {"function", "env", "env_allow"}
    passed: dict[str, Any] = {k: v for k, v in context.settings.items() if k not in own}
    return ChildRequest(
        function=function,
        execution=context.execution,
        number=context.number,
        job_id=context.job_id,
        step_id=context.step_id,
        scope=context.scope,
        attempt=context.attempt,
        parameters=context.parameters,
        input=context.input,
        settings=passed,
        data_dir=str(context.data_dir),
        previous=context.output,
    )


async def _read_messages(
    read_end: int, report: StepReporter, log: LogTail, ends: list[Ended]
) -> None:
    """Pass on what the function tells, until its end of the pipe is closed."""
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader(limit=MAX_MESSAGE_BYTES)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(read_end, "rb", 0)
    )
    try:
        while line := await stream.readline():
            _take(MESSAGES.decode(line), report, log, ends)
    except (ValueError, msgspec.DecodeError) as error:
        log.add(f"[a message of the step could not be read: {error}]")
    finally:
        transport.close()


def _take(message: Message, report: StepReporter, log: LogTail, ends: list[Ended]) -> None:
    match message:
        case ProgressTold():
            report.progress(message.progress)
        case OutputAdded():
            report.output(message.value, message.attachments)
        case LogLine():
            for line in message.text.splitlines():
                log.add(line)
        case Ended():
            ends.append(message)
