"""Run a program in a process group of its own, and leave none of it behind.

What it prints is read line by line for as long as it runs, however much that is; only the last part
is kept. When the caller is cancelled the whole group is told to end, and killed a moment later.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from api.worker.guardian import Guardian
from api.worker.steps.result import StepFailed

STOP_GRACE_S: Final = 1.0
LEFTOVER_S: Final = 1.0
MAX_LINE_BYTES: Final = 262_144
MAX_LOG_CHARS: Final = 32_768
_CHUNK_BYTES: Final = 65_536

ALWAYS_PASSED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH")

GUARDIAN: Final = Guardian()

LineReader = Callable[[str], bool]
"""Takes a line; true when it was a report and not for the log."""


class LogTail:
    """The last part of what was printed."""

    def __init__(self, limit: int = MAX_LOG_CHARS) -> None:
        self._limit = limit
        self._lines: list[str] = []
        self._size = 0
        self._dropped = False

    def add(self, line: str) -> None:
        """Take in one line without its end; control characters are made visible."""
        clean = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)
        self._lines.append(clean[-self._limit :])
        self._size += len(self._lines[-1]) + 1
        while self._size > self._limit and len(self._lines) > 1:
            self._size -= len(self._lines.pop(0)) + 1
            self._dropped = True

    def text(self) -> str:
        """Give what was kept; a first line of dots says that something came before."""
        kept = "\n".join(self._lines)
        return f"…\n{kept}" if self._dropped else kept


def environment(
    settings: Mapping[str, str], allowed: Sequence[str], own: Mapping[str, str]
) -> dict[str, str]:
    """Put together what a program may see: allowed names of ours, the definition's, then *own*."""
    names = (*ALWAYS_PASSED, *allowed)
    passed = {name: os.environ[name] for name in names if name in os.environ}
    return {**passed, **settings, **own}


async def run_process(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None,
    stdin: bytes,
    log: LogTail,
    on_line: LineReader,
    pass_fds: Sequence[int] = (),
) -> int:
    """Run *argv* to its end and give its exit status (negative: killed by that signal).

    Raises:
        StepFailed: it could not be started.
    """
    with ExitStack() as files:
        # Pipes of our own: the loop's would keep `wait` from seeing the program's end for as long
        # as a child of it holds them open.
        readers = [_Pipe(files), _Pipe(files)]
        given = files.enter_context(tempfile.TemporaryFile())
        given.write(stdin)
        given.seek(0)
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env={**env, **GUARDIAN.start()},
                cwd=cwd,
                stdin=given,
                stdout=readers[0].write_end,
                stderr=readers[1].write_end,
                pass_fds=tuple(pass_fds),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise StepFailed(f"{argv[0]} could not be started: {error}") from error
        GUARDIAN.watch(process.pid)
        reading = [
            asyncio.create_task(readers[0].read(log, on_line)),
            asyncio.create_task(readers[1].read(log, lambda _: False)),
        ]
        try:
            status = await process.wait()
            # What the program left in its group would hold the pipes open.
            _signal_group(process.pid, signal.SIGKILL)
            await asyncio.wait(reading, timeout=LEFTOVER_S)
            return status
        finally:
            await _end_group(process)
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            GUARDIAN.release(process.pid)


class _Pipe:
    """A pipe from a program to here."""

    def __init__(self, files: ExitStack) -> None:
        read_end, write_end = os.pipe()
        self._read_end = files.enter_context(os.fdopen(read_end, "rb", 0))
        self.write_end = files.enter_context(os.fdopen(write_end, "wb", 0))

    async def read(self, log: LogTail, on_line: LineReader) -> None:
        """Take lines until all other holders of the pipe have closed it."""
        self.write_end.close()
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), self._read_end
        )
        try:
            await _read_lines(stream, log, on_line)
        finally:
            transport.close()


async def _end_group(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        _signal_group(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_GRACE_S):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            _signal_group(process.pid, signal.SIGKILL)
        await process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


async def _read_lines(stream: asyncio.StreamReader, log: LogTail, on_line: LineReader) -> None:
    """Take lines until the end; an endless line is cut into pieces."""
    rest = b""
    while chunk := await stream.read(_CHUNK_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            lines.append(rest)
            rest = b""
        for line in lines:
            _take(line, log, on_line)
    if rest:
        _take(rest, log, on_line)


def _take(raw: bytes, log: LogTail, on_line: LineReader) -> None:
    line = raw.decode("utf-8", "replace").rstrip("\r")
    if not on_line(line):
        log.add(line)
