"""What to look for, as a tree of conditions. Pure; `query` turns it into parameterised SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

from ledger.executions.phase import Phase

TextColumn = Literal["oid", "job_id", "pipeline_id", "title"]
InstantColumn = Literal["created_at", "started_at", "ended_at"]
Document = Literal["input", "output"]
Order = Literal["greater", "greater_or_equal", "less", "less_or_equal"]
Scalar: TypeAlias = str | int | float | bool


class InPhase(Struct, frozen=True):
    """It stands at one of these."""

    phases: frozenset[Phase]


class TextIn(Struct, frozen=True):
    """A text is one of these; *exact* regards case."""

    column: TextColumn
    values: tuple[str, ...]
    exact: bool


class TextHolds(Struct, frozen=True):
    """A text holds all of these pieces."""

    column: TextColumn
    pieces: tuple[str, ...]
    exact: bool


class TextOrder(Struct, frozen=True):
    """A text stands before or after another, letter by letter."""

    column: TextColumn
    order: Order
    value: str
    exact: bool


class InstantIn(Struct, frozen=True):
    """An instant is one of these, as it is shown: in whole milliseconds."""

    column: InstantColumn
    values: tuple[datetime, ...]


class InstantOrder(Struct, frozen=True):
    """An instant, as it is shown in whole milliseconds, lies before or after another."""

    column: InstantColumn
    order: Order
    value: datetime


class Missing(Struct, frozen=True):
    """An instant is not known."""

    column: InstantColumn


class PathIn(Struct, frozen=True):
    """A value in a document is one of these; a list there stands for each of its elements."""

    document: Document
    keys: tuple[str, ...]
    values: tuple[Scalar, ...]
    exact: bool


class PathIs(Struct, frozen=True):
    """An object or list in a document equals this one."""

    document: Document
    keys: tuple[str, ...]
    json: str


class PathMissing(Struct, frozen=True):
    """There is nothing at that place of a document, or null."""

    document: Document
    keys: tuple[str, ...]


class PathHolds(Struct, frozen=True):
    """A value in a document, read as text, holds all of these pieces."""

    document: Document
    keys: tuple[str, ...]
    pieces: tuple[str, ...]
    exact: bool


class PathOrder(Struct, frozen=True):
    """A number or text in a document stands before or after another of its kind."""

    document: Document
    keys: tuple[str, ...]
    order: Order
    value: str | int | float
    exact: bool


class Every(Struct, frozen=True):
    """All hold; none given: always."""

    of: "Sequence[Criterion]" = ()


class Some(Struct, frozen=True):
    """At least one holds; none given: never."""

    of: "Sequence[Criterion]" = ()


class Not(Struct, frozen=True):
    """It does not hold; what is not known does not hold either."""

    of: "Criterion"


Criterion: TypeAlias = (
    InPhase
    | TextIn
    | TextHolds
    | TextOrder
    | InstantIn
    | InstantOrder
    | Missing
    | PathIn
    | PathIs
    | PathMissing
    | PathHolds
    | PathOrder
    | Every
    | Some
    | Not
)
