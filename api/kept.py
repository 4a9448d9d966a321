"""A child process that is kept running: started again when it ends, stopped in good order.

It stops when its standard input is closed, so it does not outlive a server that was killed.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

STOP_S: Final = 10.0
RESTART_PAUSES_S: Final = (0.1, 0.5, 2.0, 5.0)
LONG_LIFE_S: Final = 30.0

_log = structlog.get_logger(__name__)


class Kept:
    """Owns the child for as long as the server runs."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        inherited: Collection[int] = (),
        stop_s: float = STOP_S,
    ) -> None:
        """Run `python <arguments>`, with *environment* added to ours.

        Units: *stop_s* in seconds, from when it is told to stop until it is killed.
        """
        self._name = name
        self._arguments = arguments
        self._environment = environment
        self._inherited = inherited
        self._stop_s = stop_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the child, and see that there is one. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"keep-{self._name}")

    async def stop(self) -> None:
        """Stop the child in good order. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            try:
                code = await self._run_once()
            except OSError as error:  # no memory, or no room for another process, for now
                name = type(error).__name__
                _log.error("process cannot be started", process=self._name, error=name)
            else:
                _log.warning("process ended", process=self._name, code=code)
            failures = 0 if loop.time() - started > LONG_LIFE_S else failures + 1
            await asyncio.sleep(RESTART_PAUSES_S[min(failures, len(RESTART_PAUSES_S) - 1)])

    async def _run_once(self) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, **self._environment},
            pass_fds=tuple(self._inherited),
            # A terminal's Ctrl-C is for this process, which stops the others in order.
            start_new_session=True,
        )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                if process.stdin is not None:
                    process.stdin.close()
                try:
                    await asyncio.wait_for(process.wait(), self._stop_s)
                except TimeoutError:
                    process.kill()
