"""Standard output: JSON for programs, tables and coloured words for people."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ledger.executions.state import Status

_STYLES = {
    "ok": "green",
    "finished": "green",
    "warning": "yellow",
    "pending": "cyan",
    "running": "blue",
    "pausing": "yellow",
    "paused": "yellow",
    "aborting": "red",
    "aborted": "red",
    "error": "red",
}


def console() -> Console:
    """Give a console on standard output; never cuts lines when it is not a terminal."""
    width = None if sys.stdout.isatty() else 200
    return Console(width=width, highlight=False, soft_wrap=not sys.stdout.isatty())


def print_json(value: Any) -> None:
    """Print *value* as JSON: indented on a terminal, else on one line."""
    raw = msgspec.json.encode(value)
    if sys.stdout.isatty():
        click.echo(_unsteered(msgspec.json.format(raw, indent=2).decode()))
        return
    click.echo(raw.decode())


def _unsteered(document: str) -> str:
    """Escape in a JSON document what a terminal would obey; of that, JSON escapes only a part."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in document)


def print_line(line: bytes) -> None:
    """Print a line of JSON at once: byte for byte, but for what a terminal would obey."""
    if sys.stdout.isatty():
        click.echo(_unsteered(line.decode(errors="replace")))
    else:
        click.echo(line)
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """Print *value* as JSON on one line, at once."""
    click.echo(msgspec.json.encode(value).decode())
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows below headings; cells may hold markup made by `styled`."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        right = column.startswith("#") or column in {"duration", "lag", "position"}
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console().print(table)


def plain(text: object) -> str:
    """Make text that came from elsewhere safe to print: no markup, no control characters."""
    shown = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in str(text))
    return escape(shown)


def styled(word: str) -> str:
    """Colour a status or an outcome."""
    style = _STYLES.get(word)
    return f"[{style}]{word}[/{style}]" if style else plain(word)


def state(status: Status, outcome: str | None) -> str:
    """Say how an execution stands: its outcome once it has one."""
    return styled(outcome) if status == "finished" and outcome else styled(status)


def instant(value: datetime | None) -> str:
    """Show an instant in local time, to the second."""
    return "" if value is None else value.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock_time(value: datetime | None) -> str:
    """Show the time of day of an instant, to the millisecond."""
    return "" if value is None else value.astimezone().strftime("%H:%M:%S.%f")[:-3]


def duration(start: datetime | None, end: datetime | None) -> str:
    """Show how long something took."""
    return "" if start is None or end is None else seconds((end - start).total_seconds())


def seconds(value: float | None) -> str:
    """Show a length of time.

    >>> [seconds(value) for value in (0.0421, 3.14159, 75, 7322)]
    ['42 ms', '3.1 s', '1 min 15 s', '2 h 2 min']
    """
    if value is None:
        return ""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
