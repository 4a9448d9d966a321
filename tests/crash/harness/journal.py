"""What an actor meant to do and what it was told, a line each, kept through its death.

A line is written whole by one system call before anything else happens, so a process that is killed
leaves at most nothing of its last line; the file outlives it as long as the machine does.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

Kind = Literal[
    "create", "describe", "cancel", "delete", "pause", "resume", "recorded", "finish", "schedule"
]
Told = Literal["intent", "acknowledged", "refused", "unknown", "late", "busy", "failed"]


class Line(Struct, frozen=True, omit_defaults=True):
    """One thing that happened to one intent; all lines of an intent carry its `id`."""

    told: Told
    id: str
    kind: Kind = "create"
    execution: str = ""
    fence: int = 0
    status: int = 0
    bulk: bool = False
    detail: str = ""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Line)


class Journal:
    """An actor's own; append only."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, line: Line) -> None:
        """Note what happened."""
        os.write(self._handle, _ENCODER.encode(line) + b"\n")


class Intents(Struct):
    """Everything that was told of one intent."""

    kind: Kind
    execution: str = ""
    acknowledged: set[str] = msgspec.field(default_factory=set)
    """The executions that answers named."""
    is_acknowledged: bool = False
    is_refused: bool = False
    late_fences: set[int] = msgspec.field(default_factory=set)
    fence: int = 0


def lines(folder: Path) -> Iterator[Line]:
    """Read all journals in a folder."""
    for path in sorted(folder.glob("*.journal")):
        with path.open("rb") as file:
            for raw in file:
                if raw.endswith(b"\n"):
                    yield _DECODER.decode(raw)


def intents(found: Iterator[Line]) -> dict[str, Intents]:
    """Put together what belongs to each intent."""
    known: dict[str, Intents] = {}
    for line in found:
        intent = known.setdefault(line.id, Intents(kind=line.kind))
        intent.execution = intent.execution or line.execution
        match line.told:
            case "acknowledged":
                intent.is_acknowledged = True
                if line.execution:
                    intent.acknowledged.add(line.execution)
            case "refused":
                intent.is_refused = True
            case "late":
                intent.late_fences.add(line.fence)
            case _:
                pass
    return known
