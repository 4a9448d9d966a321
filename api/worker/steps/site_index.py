"""Step type `site_index`: build an index of the words in the files that imports brought.

The index is one JSON file: word to the numbers of the files that hold it. Sites that are not named
are left out; what belongs to no site is always in.
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import msgspec

from api.worker.steps.port import StepContext
from api.worker.steps.process import LogTail
from api.worker.steps.result import StepFailed, StepResult
from api.worker.steps.site_folder import Stop, files_below, in_thread, site

KINDS: Final = ("product", "content", "active-data")
_FOLDERS: Final = {
    "product": ("catalogs", "inventory-lists", "pricebooks", "sites"),
    "content": ("libraries", "sites"),
    "active-data": ("sites",),
}
MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_WORDS: Final = 200_000
_WORD: Final = re.compile(r"[^\W_]{2,40}")
_TAG: Final = re.compile(r"<[^>]*>")


async def run_site_index(context: StepContext) -> StepResult:
    """Build the index that the step's settings name, for the sites that the parameters name.

    Raises:
        StepFailed: the site scope cannot be read.
    """
    kind = context.settings.get("index")
    if kind not in KINDS:
        raise StepFailed(f"there is no index {kind!r}", exit_code="INVALID")
    sites = _sites(context.parameters.get("SiteScope"))
    return await in_thread(lambda stop: _build(context, str(kind), sites, stop))


def _sites(value: Any) -> frozenset[str] | None:
    """Give the named sites; None for all."""
    try:
        scope = msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, TypeError) as error:
        raise StepFailed(f"the site scope cannot be read: {error}", input_at_fault=True) from error
    named = scope.get("named_sites")
    return frozenset(map(str, named)) if isinstance(named, list) else None


def _build(context: StepContext, kind: str, sites: frozenset[str] | None, stop: Stop) -> StepResult:
    root = site(context.data_dir)
    log = LogTail()
    files: list[str] = []
    words: defaultdict[str, list[int]] = defaultdict(list)
    for path in _wanted(root, kind, sites):
        stop.check()
        told = path.relative_to(root).as_posix()
        number = len(files)
        files.append(told)
        found = _words(path)
        for word in found:
            if word in words or len(words) < MAX_WORDS:
                words[word].append(number)
        log.add(f"{told}: {len(found)} words")
    place = context.data_dir / "index" / f"{kind}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{kind}-{context.execution}")
    draft.write_bytes(msgspec.json.encode({"files": files, "words": dict(sorted(words.items()))}))
    stop.check()
    draft.replace(place)
    return StepResult(
        message=f"{len(files)} files indexed",
        counters={"INDEXED_FILES": len(files), "INDEXED_WORDS": len(words)},
        output={"index": kind, "file_count": len(files), "word_count": len(words)},
        log=log.text(),
    )


def _wanted(root: Path, kind: str, sites: frozenset[str] | None) -> list[Path]:
    wanted: list[Path] = []
    for folder in _FOLDERS[kind]:
        for path in files_below(root / folder):
            parts = path.relative_to(root).parts
            if folder == "sites" and sites is not None and parts[1] not in sites:
                continue
            wanted.append(path)
    return wanted


def _words(path: Path) -> set[str]:
    if path.stat().st_size > MAX_FILE_BYTES:
        return set()
    text = path.read_bytes().decode("utf-8", "ignore")
    if "\x00" in text:
        return set()
    return {word.casefold() for word in _WORD.findall(_TAG.sub(" ", text))}
