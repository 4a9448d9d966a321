"""A file system of limited size for PostgreSQL, so that it can be full.

Root mounts a file with ext4 in it, which syncs like any disk; where that does not work, memory.
Anybody else gets an ordinary folder, and what needs a full disk is left out, which the run says.
"""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

BALLAST: Final = "ballast"
_MB: Final = 1024 * 1024


class Disk:
    """A folder that can be filled to the last byte."""

    def __init__(self, folder: Path, size_mb: int) -> None:
        self.folder = folder
        self._image = folder.with_suffix(".img")
        self._size_mb = size_mb
        self.kind = "not limited: only root can mount one"

    @property
    def is_limited(self) -> bool:
        """Whether it can be filled without filling the machine's."""
        return self.kind in ("ext4", "tmpfs")

    def mount(self) -> None:
        """Make the folder, limited if this user may."""
        self.folder.mkdir(parents=True)
        if os.geteuid() != 0:
            return
        with self._image.open("wb") as image:
            image.truncate(self._size_mb * _MB)
        image_path, folder = str(self._image), str(self.folder)
        if _run("mkfs.ext4", "-q", "-m", "0", image_path) and _run(
            "mount", "-o", "loop", image_path, folder
        ):
            self.kind = "ext4"
        elif _run("mount", "-t", "tmpfs", "-o", f"size={self._size_mb}m", "tmpfs", folder):
            self.kind = "tmpfs"
        else:
            self.kind = "not limited: mounting is not allowed here"

    def unmount(self, *, keep: bool = False) -> None:
        """Let go of it; what was kept lies in the folder afterwards. Idempotent."""
        if self.is_limited:
            self.empty()
            kept = self.folder.with_name("postgres-kept")
            if keep:
                shutil.copytree(self.folder, kept, symlinks=True)
            if not _run("umount", str(self.folder)):
                _run("umount", "-l", str(self.folder))
            self.kind = "unmounted"
            if keep:
                self.folder.rmdir()
                kept.rename(self.folder)
        self._image.unlink(missing_ok=True)

    def fill(self, leave_bytes: int = 0) -> None:
        """Take all the space that is left."""
        handle = os.open(self.folder / BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            free = shutil.disk_usage(self.folder).free - leave_bytes
            piece = free
            offset = 0
            # What is free shrinks by what keeps the books, so the last pieces are tried small.
            while piece >= 4096:
                try:
                    os.posix_fallocate(handle, offset, piece)
                except OSError:
                    piece //= 2
                else:
                    offset += piece
        finally:
            os.close(handle)

    def empty(self) -> None:
        """Give the space back. Idempotent."""
        with suppress(FileNotFoundError):
            (self.folder / BALLAST).unlink()


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
