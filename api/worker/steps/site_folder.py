"""Where the steps of system jobs keep their files, below the worker's data directory.

    impex/src/instance   archives: what exports write, and where imports look first
    site                 what imports brought, merged
    index                what the index steps made of it

An archive that is not below `impex/src/instance` is also looked for in the data directory itself and
in the folder around it, which is the server's `--data`.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from api.worker.steps.result import StepFailed

T = TypeVar("T")

SUFFIX: Final = ".zip"
_NAME: Final = re.compile(r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,254}")


class Stopped(Exception):
    """The step was told to stop; what it left is unfinished and unseen."""


class Stop:
    """Tells work in a thread that nobody waits for it any more."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the work to stop."""
        self._event.set()

    def check(self) -> None:
        """Leave if asked to.

        Raises:
            Stopped: nobody waits any more.
        """
        if self._event.is_set():
            raise Stopped


async def in_thread(work: Callable[[Stop], T]) -> T:
    """Run work that reads and writes files; when the caller is cancelled it stops soon after."""
    stop = Stop()
    try:
        return await asyncio.to_thread(work, stop)
    finally:
        stop.set()


def archives(data_dir: Path) -> Path:
    """Give the folder of archives."""
    return data_dir / "impex" / "src" / "instance"


def site(data_dir: Path) -> Path:
    """Give the folder of what was imported."""
    return data_dir / "site"


def archive_name(value: object) -> str:
    """Check an archive's name, which a caller chose.

    Raises:
        StepFailed: it is no simple name of a file.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise StepFailed("the archive must be named by a simple file name", input_at_fault=True)
    return value if value.lower().endswith(SUFFIX) else value + SUFFIX


def find_archive(data_dir: Path, name: str) -> Path:
    """Find an archive by its name.

    Raises:
        StepFailed: there is none.
    """
    for folder in (archives(data_dir), data_dir, data_dir.parent):
        path = folder / name
        if path.is_file() and not path.is_symlink():
            return path
    raise StepFailed(f"the archive {name!r} was not found", input_at_fault=True)


def files_below(folder: Path) -> Iterator[Path]:
    """Walk a folder's files in the order of their names; links are not followed."""
    if not folder.is_dir() or folder.is_symlink():
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            yield from files_below(path)
        elif path.is_file():
            yield path
