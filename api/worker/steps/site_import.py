"""Step type `site_import`: unpack a site archive and list what it brought.

The archive is unpacked beside the site and merged into it at the end, file by file, so that an
archive that is broken or too large changes nothing. Names that would leave the folder, links, and
archives that unpack to more than the limits are refused.
"""

import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from msgspec import Struct

from api.worker.steps.port import StepContext
from api.worker.steps.process import LogTail
from api.worker.steps.result import StepFailed, StepResult
from api.worker.steps.site_folder import Stop, archive_name, find_archive, in_thread, site

MAX_FILES: Final = 20_000
MAX_BYTES: Final = 2 * 1024**3
MAX_NAME: Final = 500
LISTED: Final = 200
"""Files that the output names; the log names all that it has room for."""
_CHUNK: Final = 256 * 1024


_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
)
"""What reading an archive that is damaged, encrypted or packed in an unknown way comes to."""


class _Entry(Struct, frozen=True):
    info: zipfile.ZipInfo
    path: PurePosixPath


async def run_site_import(context: StepContext) -> StepResult:
    """Unpack the archive that the execution's parameters name.

    Raises:
        StepFailed: there is no such archive, or it cannot be unpacked.
    """
    mode = context.parameters.get("ImportMode") or "merge"
    if mode != "merge":
        raise StepFailed(f"the import mode {mode!r} is not supported", input_at_fault=True)
    name = archive_name(context.parameters.get("ImportFile"))
    return await in_thread(lambda stop: _import(context, name, stop))


def _import(context: StepContext, name: str, stop: Stop) -> StepResult:
    archive = find_archive(context.data_dir, name)
    target = site(context.data_dir)
    staging = context.data_dir / "impex" / "working" / f"{context.execution}-{context.attempt}"
    log = LogTail()
    log.add(f"importing {name}, mode merge")
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _entries(opened)
            size = _unpack(opened, entries, staging, stop)
    except _BROKEN as error:
        reason = f"the archive {name!r} cannot be unpacked: {error}"
        raise StepFailed(reason, input_at_fault=True) from error
    else:
        _merge(entries, staging, target, stop)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    for entry in entries:
        log.add(f"{entry.path} ({entry.info.file_size} bytes)")
    return StepResult(
        message=f"{len(entries)} files imported from {name}",
        counters={"IMPORTED_FILES": len(entries), "IMPORTED_BYTES": size},
        output=_listing(name, entries, size),
        log=log.text(),
    )


def _listing(name: str, entries: Sequence[_Entry], size: int) -> dict[str, Any]:
    return {
        "archive": name,
        "file_count": len(entries),
        "bytes": size,
        "files": [str(entry.path) for entry in entries[:LISTED]],
    }


def _entries(opened: zipfile.ZipFile) -> tuple[_Entry, ...]:
    """Look the whole archive through before anything is written."""
    # The library cannot tell what an entry without a name is; it is refused below.
    infos = [info for info in opened.infolist() if not (info.filename and info.is_dir())]
    if len(infos) > MAX_FILES:
        raise StepFailed(f"the archive holds more than {MAX_FILES} files", input_at_fault=True)
    if sum(info.file_size for info in infos) > MAX_BYTES:
        raise StepFailed("the archive unpacks to more than is allowed", input_at_fault=True)
    paths = [_safe(info) for info in infos]
    # Archives are packed with one folder around everything, named like the archive.
    around = {path.parts[0] for path in paths}
    wrapped = len(around) == 1 and all(len(path.parts) > 1 for path in paths)
    inner = [PurePosixPath(*path.parts[1:]) if wrapped else path for path in paths]
    return tuple(_Entry(info, path) for info, path in zip(infos, inner, strict=True))


def _safe(info: zipfile.ZipInfo) -> PurePosixPath:
    name = info.filename.replace("\\", "/")
    path = PurePosixPath(name)
    kind = stat.S_IFMT(info.external_attr >> 16)
    bad = (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or ":" in path.parts[0]
        or len(name) > MAX_NAME
        or not name.isprintable()
        or kind not in {0, stat.S_IFREG}
    )
    if bad:
        raise StepFailed(f"the archive names {name[:100]!r}", input_at_fault=True)
    return path


def _unpack(opened: zipfile.ZipFile, entries: Sequence[_Entry], staging: Path, stop: Stop) -> int:
    """Write every entry; what an entry says of its size is not relied on."""
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    written = 0
    for entry in entries:
        path = staging / entry.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(entry.info) as source, path.open("wb") as target:
                while chunk := source.read(_CHUNK):
                    stop.check()
                    written += len(chunk)
                    if written > MAX_BYTES:
                        raise StepFailed(
                            "the archive unpacks to more than is allowed", input_at_fault=True
                        )
                    target.write(chunk)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            reason = f"the archive names {str(entry.path)[:100]!r} as a file and as a folder"
            raise StepFailed(reason, input_at_fault=True) from error
    return written


def _merge(entries: Sequence[_Entry], staging: Path, target: Path, stop: Stop) -> None:
    for entry in entries:
        stop.check()
        place = target / entry.path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if (staging / entry.path).exists():  # an archive may name a file twice
                (staging / entry.path).replace(place)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            reason = f"{str(entry.path)[:100]!r} is a file here and a folder there"
            raise StepFailed(reason, input_at_fault=True) from error
