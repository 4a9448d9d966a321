"""From criteria to SQL: pieces from `sql/criteria.sql`, put together with numbered parameters.

Conditions that do not regard case look at folded columns, which are indexed; those that do look
there first and then compare the original, so that they are found by the same index.

Instants are compared as they are shown: in whole milliseconds, what is left of one cut off.

JSON paths are parameters too. What they hold of a caller's words is quoted as JSON strings are.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Final, assert_never

import msgspec

from ledger.store.queries import load
from projections.documents import criteria as k
from projections.instants import MILLISECOND, whole

_SQL: Final = load(Path(__file__).parent / "sql" / "criteria.sql")
_JSON: Final = msgspec.json.Encoder()
_TEXTS: Final[dict[k.TextColumn, tuple[str, str]]] = {
    # Object ids are lower-case hex: folded already.
    "oid": ("d.oid", "d.oid"),
    "job_id": ("d.job_key", "d.job_id"),
    "pipeline_id": ("d.pipeline_id", "d.pipeline_id"),
    "title": ("d.title_key", "d.title"),
}
"""Folded and original column."""
_INSTANTS: Final[dict[k.InstantColumn, str]] = {
    "created_at": "d.created_ms",
    "started_at": "d.started_ms",
    "ended_at": "d.ended_ms",
}
_DOCUMENTS: Final[dict[k.Document, tuple[str, str]]] = {
    "input": ("d.input_key", "d.input"),
    "output": ("d.output_key", "d.output"),
}
_SIGNS: Final[dict[k.Order, str]] = {
    "greater": ">",
    "greater_or_equal": ">=",
    "less": "<",
    "less_or_equal": "<=",
}


class Compiler:
    """Collects the parameters of one statement, numbered from *first*."""

    def __init__(self, first: int) -> None:
        self.parameters: list[Any] = []
        self._first = first

    def condition(self, wanted: k.Criterion) -> str:  # noqa: C901 - one case for each criterion
        """Give the condition's text; its parameters are collected."""
        match wanted:
            case k.InPhase():
                return self._piece("text_in", "d.phase", sorted(wanted.phases))
            case k.TextIn():
                return self._text_in(wanted)
            case k.TextHolds():
                column = _column(_TEXTS[wanted.column], exact=wanted.exact)
                return self._all("text_holds", column, _folded(wanted.pieces, wanted.exact))
            case k.TextOrder():
                column = _column(_TEXTS[wanted.column], exact=wanted.exact)
                (value,) = _folded((wanted.value,), wanted.exact)
                return self._piece(f"text_{wanted.order}", column, value)
            case k.InstantIn():
                shown = [whole(MILLISECOND, value) for value in wanted.values if _is_whole(value)]
                return self._piece("instant_in", _INSTANTS[wanted.column], shown)
            case k.InstantOrder():
                column = _INSTANTS[wanted.column]
                return self._piece(f"instant_{wanted.order}", column, _bound(wanted))
            case k.Missing():
                return _SQL["missing"].replace(":column", _INSTANTS[wanted.column])
            case k.PathIn():
                return self._path_in(wanted)
            case k.PathIs():
                text = self._path("path_is", _DOCUMENTS[wanted.document][1], wanted.keys)
                return text.replace(":value", self._parameter(wanted.json))
            case k.PathMissing():
                test = f"{_path_of(wanted.keys)} ? (@ != null)"
                inner = self._piece("path_matches", _DOCUMENTS[wanted.document][1], test)
                return _SQL["not"].replace(":inner", inner)
            case k.PathHolds():
                return self._path_holds(wanted)
            case k.PathOrder():
                column = _column(_DOCUMENTS[wanted.document], exact=wanted.exact)
                (value,) = _folded((wanted.value,), wanted.exact)
                test = f"{_path_of(wanted.keys)} ? (@ {_SIGNS[wanted.order]} {_scalar(value)})"
                return self._piece("path_matches", column, test)
            case k.Every():
                return self._joined(" and ", wanted.of, "always")
            case k.Some():
                return self._joined(" or ", wanted.of, "never")
            case k.Not():
                return _SQL["not"].replace(":inner", self.condition(wanted.of))
            case _:
                assert_never(wanted)

    def _joined(self, word: str, parts: Any, empty: str) -> str:
        texts = [self.condition(part) for part in parts]
        return f"({word.join(texts)})" if texts else _SQL[empty]

    def _text_in(self, wanted: k.TextIn) -> str:
        folded, original = _TEXTS[wanted.column]
        texts = [self._any_text(folded, _folded(wanted.values, exact=False))]
        if wanted.exact:
            texts.append(self._any_text(original, wanted.values))
        return f"({' and '.join(texts)})"

    def _any_text(self, column: str, values: tuple[Any, ...]) -> str:
        # The order of an index goes on behind one value, not behind one of several.
        if len(values) == 1:
            return self._piece("text_is", column, values[0])
        return self._piece("text_in", column, list(values))

    def _path_in(self, wanted: k.PathIn) -> str:
        folded, original = _DOCUMENTS[wanted.document]
        path = _path_of(wanted.keys)
        loose = _equals_any(path, _folded(wanted.values, exact=False))
        texts = [self._piece("path_matches", folded, loose)]
        if wanted.exact and any(isinstance(value, str) for value in wanted.values):
            texts.append(self._piece("path_matches", original, _equals_any(path, wanted.values)))
        return f"({' and '.join(texts)})"

    def _path_holds(self, wanted: k.PathHolds) -> str:
        column = _column(_DOCUMENTS[wanted.document], exact=wanted.exact)
        texts = [
            self._path("path_holds", column, wanted.keys).replace(":value", self._parameter(piece))
            for piece in _folded(wanted.pieces, wanted.exact)
        ]
        return f"({' and '.join(texts)})"

    def _path(self, name: str, column: str, keys: tuple[str, ...]) -> str:
        text = _SQL[name].replace(":column", column)
        return text.replace(":path", self._parameter(_path_of(keys)))

    def _all(self, name: str, column: str, values: tuple[Any, ...]) -> str:
        return f"({' and '.join(self._piece(name, column, value) for value in values)})"

    def _piece(self, name: str, column: str, value: Any) -> str:
        text = _SQL[name].replace(":column", column)
        return text.replace(":value", self._parameter(value))

    def _parameter(self, value: Any) -> str:
        self.parameters.append(value)
        return f"${self._first + len(self.parameters) - 1}"


def _is_whole(instant: datetime) -> bool:
    return instant.microsecond % 1000 == 0


def _bound(wanted: k.InstantOrder) -> int:
    """Give the millisecond to compare with, where the one asked about lies between two."""
    bound = whole(MILLISECOND, wanted.value)
    between = not _is_whole(wanted.value)
    return bound + 1 if between and wanted.order in ("greater_or_equal", "less") else bound


def _column(columns: tuple[str, str], *, exact: bool) -> str:
    return columns[1] if exact else columns[0]


def _folded(values: tuple[Any, ...], exact: bool) -> tuple[Any, ...]:  # noqa: FBT001 - private
    if exact:
        return values
    return tuple(value.casefold() if isinstance(value, str) else value for value in values)


def _path_of(keys: tuple[str, ...]) -> str:
    r"""Write a JSON path.

    >>> print(_path_of(("a", 'b"c')))
    $."a"."b\"c"
    """
    return "$" + "".join(f".{_scalar(key)}" for key in keys)


def _equals_any(path: str, values: tuple[k.Scalar, ...]) -> str:
    return f"{path} ? ({' || '.join(f'@ == {_scalar(value)}' for value in values)})"


def _scalar(value: k.Scalar) -> str:
    return _JSON.encode(value).decode()
