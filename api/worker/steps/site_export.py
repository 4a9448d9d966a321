"""Step type `site_export`: pack data units of what was imported into an archive.

Data units are named as in the request: `{"catalogs": {"storefront": true}}` takes the folder
`catalogs/storefront`, `{"catalogs": true}` or `{"catalogs": {"all": true}}` all of `catalogs`; without
data units everything is packed.
"""

import os
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from api.worker.steps.port import StepContext
from api.worker.steps.process import LogTail
from api.worker.steps.result import StepFailed, StepResult
from api.worker.steps.site_folder import (
    SUFFIX,
    Stop,
    archive_name,
    archives,
    files_below,
    in_thread,
    site,
)
from ledger.events.executions import Attachment

LISTED: Final = 200
_WHOLE: Final = frozenset(("all",))


async def run_site_export(context: StepContext) -> StepResult:
    """Write the archive that the execution's parameters name.

    Raises:
        StepFailed: the archive is there already, or the data units cannot be read.
    """
    name = archive_name(context.parameters.get("ExportFile"))
    units = _units(context.parameters.get("DataUnits"))
    overwrite = str(context.parameters.get("OverwriteExportFile")).lower() == "true"
    return await in_thread(lambda stop: _export(context, name, units, overwrite, stop))


def _units(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    try:
        units = msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, TypeError) as error:
        raise StepFailed(f"the data units cannot be read: {error}", input_at_fault=True) from error
    return units


def _export(
    context: StepContext,
    name: str,
    units: dict[str, Any] | None,
    overwrite: bool,  # noqa: FBT001 - a request's own word
    stop: Stop,
) -> StepResult:
    root = site(context.data_dir)
    folder = archives(context.data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / name
    if place.exists() and not overwrite:
        raise StepFailed(f"the archive {name!r} is there already", input_at_fault=True)
    log = LogTail()
    packed: list[str] = []
    draft = folder / f".{secrets.token_hex(8)}"
    around = name.removesuffix(SUFFIX)
    try:
        with zipfile.ZipFile(draft, "x", zipfile.ZIP_DEFLATED) as archive:
            for path in _chosen(root, units):
                stop.check()
                told = path.relative_to(root).as_posix()
                archive.write(path, f"{around}/{told}")
                packed.append(told)
                log.add(told)
        stop.check()
        _put(draft, place, overwrite=overwrite)
    finally:
        draft.unlink(missing_ok=True)
    size = place.stat().st_size
    return StepResult(
        message=f"{len(packed)} files exported to {name}",
        counters={"EXPORTED_FILES": len(packed)},
        output={"archive": name, "file_count": len(packed), "files": packed[:LISTED]},
        attachments=(
            Attachment(
                name=name, uri=place.as_uri(), media_type="application/zip", size_bytes=size
            ),
        ),
        log=log.text(),
    )


def _put(draft: Path, place: Path, *, overwrite: bool) -> None:
    if overwrite:
        draft.replace(place)
        return
    try:
        os.link(draft, place)
    except FileExistsError as error:
        reason = f"the archive {place.name!r} is there already"
        raise StepFailed(reason, input_at_fault=True) from error


def _chosen(root: Path, units: dict[str, Any] | None) -> Iterator[Path]:
    if units is None:
        yield from files_below(root)
        return
    seen: set[Path] = set()
    for unit, wanted in units.items():
        folders = {unit, unit.replace("_", "-")}
        for folder in sorted(folders):
            for part in _parts(root, folder, wanted):
                for path in files_below(part):
                    if path not in seen:
                        seen.add(path)
                        yield path


def _parts(root: Path, folder: str, wanted: Any) -> Iterator[Path]:
    if not _is_name(folder) or wanted in (None, False):
        return
    if not isinstance(wanted, dict) or _WHOLE & wanted.keys():
        yield root / folder
        return
    for name, told in wanted.items():
        if _is_name(name) and told not in (None, False):
            yield root / folder / name


def _is_name(text: str) -> bool:
    return text not in {"", ".", ".."} and not any(c in text for c in "/\\\x00")
