"""The process in which a python step's function runs: `python -m …python_child <fd>`.

The request comes on standard input; messages go to the descriptor that the argument names. The
function is `def step(context: Context) -> None | dict | StepResult`, or the same as `async def`.
"""

import asyncio
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from api.worker.steps.context import Context
from api.worker.steps.messages import REQUESTS, Ended, Message
from api.worker.steps.result import StepFailed, StepResult


def find(function: str) -> Callable[[Context], Any]:
    """Import `module:function`.

    Raises:
        StepFailed: there is none of that name.
    """
    module, _, path = function.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise StepFailed(f"{function} cannot be found: {error}", exit_code="INVALID") from error
    if not callable(found):
        raise StepFailed(f"{function} is not a function", exit_code="INVALID")
    function_found: Callable[[Context], Any] = found
    return function_found


def call(function: str, context: Context) -> StepResult:
    """Call the function; whatever it raises becomes an error result."""
    try:
        returned = find(function)(context)
        if inspect.iscoroutine(returned):
            returned = asyncio.run(returned)
        if isinstance(returned, StepResult):
            return returned
        return StepResult() if returned is None else msgspec.convert(returned, StepResult)
    except StepFailed as failed:
        return failed.result()
    except msgspec.ValidationError as error:
        return StepResult(
            outcome="error", message=f"{function} returned what is no result: {error}"
        )
    except Exception as error:  # noqa: BLE001 - the border to code that is not ours
        context.log(traceback.format_exc())
        return StepResult(outcome="error", message=f"{type(error).__name__}: {error}")


def main() -> None:
    """Serve one request, then end."""
    with os.fdopen(int(sys.argv[1]), "wb", buffering=0) as pipe:
        os.set_inheritable(pipe.fileno(), False)
        request = REQUESTS.decode(sys.stdin.buffer.read())

        def send(message: Message) -> None:
            remaining = memoryview(msgspec.json.encode(message, enc_hook=str) + b"\n")
            while remaining:
                remaining = remaining[pipe.write(remaining) :]

        result = call(request.function, Context(request, send))
        sys.stdout.flush()
        send(Ended(result))


if __name__ == "__main__":
    main()
