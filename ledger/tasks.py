"""Ending a task, so that it has ended."""

import asyncio
from typing import Any, Final

import structlog

AGAIN_S: Final = 0.5
PATIENCE_S: Final = 60.0

_log = structlog.get_logger(__name__)


async def end(task: "asyncio.Task[Any]") -> None:
    """Cancel a task until it has ended; what it ended with is only logged.

    Asking once is not enough. A cancellation that meets a breaking database connection can be lost:
    the driver's rollback fails with an error of its own, which takes the cancellation's place, and a
    loop that outlives such errors goes on for ever while somebody waits for its end.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while not task.done() and loop.time() < deadline:
        task.cancel()
        await asyncio.wait((task,), timeout=AGAIN_S)
    if not task.done():
        _log.error("a task does not end", task=task.get_name())
    elif not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a task had failed", task=task.get_name(), exc_info=error)
