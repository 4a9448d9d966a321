"""Running a check over lines from wherever they come, and telling what it found."""

import asyncio
import gzip
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from api.cli import printing
from ledger.audit.check import Checker
from ledger.audit.report import Report

SOUND: Final = 0
DAMAGED: Final = 1
UNCHECKED: Final = 2
_CODES: Final = {"sound": SOUND, "damaged": DAMAGED, "unchecked": UNCHECKED}
_YIELD_EVERY: Final = 2000


def file_lines(file: Path) -> Iterator[bytes]:
    """Read a file's lines without their newlines; a `.gz` is unpacked.

    Raises:
        OSError: it cannot be read.
        EOFError: its packing ends too early.
    """
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as opened:
        for line in opened:
            yield line.removesuffix(b"\n")


async def check_lines(checker: Checker, lines: AsyncIterator[bytes]) -> None:
    """Take in all lines, and let others have a turn now and then."""
    count = 0
    async for line in lines:
        checker.take(line)
        count += 1
        if count % _YIELD_EVERY == 0:
            await asyncio.sleep(0)


def tell(report: Report, *, known_from: str, as_json: bool) -> int:
    """Print what was found, and give the exit code."""
    if as_json:
        printing.print_json(report)
    else:
        _print(report, known_from, printing.console())
    sys.stdout.flush()
    return _CODES[report.verdict]


def _print(report: Report, known_from: str, out: Console) -> None:
    styles = {"sound": "green", "damaged": "red", "unchecked": "yellow"}
    word = f"[bold {styles[report.verdict]}]{report.verdict}[/]"
    out.print(f"{word}: {printing.plain(_summary(report))}")
    rows: list[tuple[str, Any]] = []
    for finding in report.findings:
        where = "somewhere" if finding.position is None else f"position {finding.position}"
        line = f" (line {finding.line})" if finding.line else ""
        rows.append((where, f"{finding.problem}{line}"))
    if report.size:
        rows.append(("tree", f"{report.size} events, root {report.root}"))
        trust = f"known from {known_from}" if report.key_is_known else "not known before"
        rows.append(("signed by", f"{report.public_key} ({trust})"))
        kept = f", among them yours of {report.kept_size} events" if report.kept_size else ""
        rows.append(("heads", f"{report.heads} held against the events{kept}"))
    if report.erased:
        some = ", ".join(str(position) for position in report.erased_positions[:20])
        more = ", …" if report.erased > 20 else ""
        rows.append(("erased", f"{report.erased} events, on record: positions {some}{more}"))
    rows.extend(("remark", remark) for remark in report.remarks)
    for name, text in rows:
        out.print(f"  {name:<12} {printing.plain(text)}", soft_wrap=True)


def _summary(report: Report) -> str:
    if report.verdict == "unchecked":
        return report.reason
    if report.verdict == "damaged":
        at = report.first_bad_position
        return "no event" if at is None else f"the first bad position is {at}"
    if report.stream is not None:
        if not report.exists:
            return f"{report.stream} does not exist as of position {report.size}"
        return f"all {report.events} events that {report.stream} has as of position {report.size}"
    return f"{report.events} events, positions {report.after + 1} to {report.until}"
