r"""The find request: a tree of queries in the vendor's words, into criteria.

A node is `{type: and|or|not, queries: […]}` or `{type, field, value, caseSensitive}`. Unknown types,
fields and properties are refused by name; depth, nodes and values are bounded. `not` holds when none
of its queries does. `contains` looks for the value anywhere in the text, `search` for each of its
words. Case is disregarded unless `caseSensitive` is true.

`input.a.b` and `output.a.b` are paths into the documents; a list on the way stands for each of its
elements. A key that holds a dot is written with `\.`.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec

from api.dialects.port import MalformedRequest
from api.dialects.product_live.statuses import STATUS_OF
from api.dialects.strict_json import decode
from projections.documents import criteria as k

MAX_NODES: Final = 200
MAX_DEPTH: Final = 12
MAX_VALUES: Final = 500
MAX_TEXT: Final = 4000
MAX_KEYS: Final = 20

_GROUPS: Final = frozenset(("and", "or", "not"))
_ORDERS: Final[dict[str, k.Order]] = {
    "greater": "greater",
    "greaterOrEqual": "greater_or_equal",
    "less": "less",
    "lessOrEqual": "less_or_equal",
}
_OPERATORS: Final = frozenset(("eq", "in", "search", "contains", *_ORDERS))
_TEXTS: Final[dict[str, k.TextColumn]] = {
    "id": "oid",
    "jobId": "job_id",
    "pipelineId": "pipeline_id",
    "info.title": "title",
}
_INSTANTS: Final[dict[str, k.InstantColumn]] = {
    "createdAt": "created_at",
    "startedAt": "started_at",
    "endedAt": "ended_at",
}
_FIELDS: Final = ("id", "jobId", "pipelineId", "status", *_INSTANTS, "info.title")
_KEY: Final = re.compile(r"\.((?:[^.\\]|\\.)+)")


def parse_find(raw: bytes, *, max_depth: int) -> k.Criterion:
    """Read a find request; an empty body, or an empty object, finds everything.

    Raises:
        MalformedRequest: it cannot be understood; names the fault.
    """
    if not raw.strip():
        return k.Every()
    tree = decode(raw, dict[str, Any], max_depth=max_depth)
    return _Reader().node(tree, "$", 1) if tree else k.Every()


class _Reader:
    """Reads one tree, counting what it holds."""

    def __init__(self) -> None:
        self._nodes = 0
        self._values = 0

    def node(self, node: Any, path: str, depth: int) -> k.Criterion:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise MalformedRequest(path, f"there are more than {MAX_NODES} queries")
        if depth > MAX_DEPTH:
            raise MalformedRequest(path, f"queries are nested deeper than {MAX_DEPTH}")
        if not isinstance(node, dict):
            raise MalformedRequest(path, "a query is an object")
        kind = node.get("type")
        if kind in _GROUPS:
            return self._group(kind, node, path, depth)
        if kind in _OPERATORS:
            return self._leaf(kind, node, path)
        told = f"{kind[:50]!r}" if isinstance(kind, str) else "what is given"
        known = ", ".join(sorted(_GROUPS | _OPERATORS))
        raise MalformedRequest(f"{path}.type", f"{told} is none of {known}")

    def _group(self, kind: str, node: dict[str, Any], path: str, depth: int) -> k.Criterion:
        _only(node, path, ("type", "queries"))
        queries = node.get("queries")
        if not isinstance(queries, list) or not queries:
            raise MalformedRequest(f"{path}.queries", "give a list of queries")
        parts = tuple(
            self.node(query, f"{path}.queries[{index}]", depth + 1)
            for index, query in enumerate(queries)
        )
        match kind:
            case "and":
                return k.Every(parts)
            case "or":
                return k.Some(parts)
            case _:
                return k.Not(k.Some(parts))

    def _leaf(self, kind: str, node: dict[str, Any], path: str) -> k.Criterion:
        _only(node, path, ("type", "field", "value", "caseSensitive"))
        field = node.get("field")
        if not isinstance(field, str):
            raise MalformedRequest(f"{path}.field", "name a field")
        exact = node.get("caseSensitive", False)
        if not isinstance(exact, bool):
            raise MalformedRequest(f"{path}.caseSensitive", "it is neither true nor false")
        if "value" not in node:
            raise MalformedRequest(f"{path}.value", "give a value")
        values = self._all_of(kind, node["value"], f"{path}.value")
        at = f"{path}.value"
        if field in _TEXTS:
            return _text(kind, _TEXTS[field], [_word(v, at) for v in values], exact=exact)
        if field in _INSTANTS:
            return _instant(kind, _INSTANTS[field], values, path)
        if field == "status":
            return _status(kind, [_word(v, at) for v in values], exact=exact)
        document, _, _ = field.partition(".")
        if document in ("input", "output"):
            keys = _keys(field, document, f"{path}.field")
            return _in_document(kind, cast("k.Document", document), keys, values, at, exact=exact)
        known = ", ".join(_FIELDS)
        raise MalformedRequest(
            f"{path}.field", f"{field[:50]!r} is none of {known}, and no path into input or output"
        )

    def _all_of(self, kind: str, value: Any, path: str) -> list[Any]:
        values = value if kind == "in" else [value]
        if not isinstance(values, list):
            raise MalformedRequest(path, "give a list of values")
        self._values += len(values)
        if self._values > MAX_VALUES:
            raise MalformedRequest(path, f"there are more than {MAX_VALUES} values")
        return values


def _only(node: dict[str, Any], path: str, known: tuple[str, ...]) -> None:
    for name in node:
        if name not in known:
            raise MalformedRequest(path, f"there is no property {name[:50]!r} here")


def _word(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise MalformedRequest(path, "the field takes text")
    if len(value) > MAX_TEXT:
        raise MalformedRequest(path, f"it is longer than {MAX_TEXT} characters")
    return value


def _pieces(kind: str, value: str) -> tuple[str, ...]:
    return tuple(value.split()) or ("",) if kind == "search" else (value,)


def _text(kind: str, column: k.TextColumn, values: list[str], *, exact: bool) -> k.Criterion:
    if column in ("oid", "pipeline_id") and not exact:
        values = [value.casefold() for value in values]
    if kind in ("eq", "in"):
        return k.TextIn(column, tuple(values), exact) if values else k.Some()
    if kind in ("search", "contains"):
        return k.TextHolds(column, _pieces(kind, values[0]), exact)
    return k.TextOrder(column, _ORDERS[kind], values[0], exact)


def _instant(kind: str, column: k.InstantColumn, values: list[Any], path: str) -> k.Criterion:
    if kind == "eq" and values == [None]:
        return k.Missing(column)
    if kind in ("search", "contains"):
        raise MalformedRequest(f"{path}.type", f"{kind!r} does not apply to an instant")
    instants = tuple(_read_instant(value, f"{path}.value") for value in values)
    if kind in ("eq", "in"):
        return k.InstantIn(column, instants)
    return k.InstantOrder(column, _ORDERS[kind], instants[0])


def _read_instant(value: Any, path: str) -> datetime:
    try:
        instant = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        raise MalformedRequest(path, "it is not an ISO 8601 instant") from None
    if not 2 <= instant.year <= 9997:
        raise MalformedRequest(path, "the year is too far away")
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _status(kind: str, values: list[str], *, exact: bool) -> k.Criterion:
    """Answer for the few statuses there are, here and now."""
    folded = values if exact else [value.casefold() for value in values]
    phases = frozenset(
        phase
        for phase, status in STATUS_OF.items()
        if _compares(kind, status if exact else status.casefold(), folded)
    )
    return k.InPhase(phases)


def _compares(kind: str, status: str, values: list[str]) -> bool:
    match kind:
        case "eq" | "in":
            return status in values
        case "search" | "contains":
            return all(piece in status for piece in _pieces(kind, values[0]))
        case "greater":
            return status > values[0]
        case "greaterOrEqual":
            return status >= values[0]
        case "less":
            return status < values[0]
        case _:
            return status <= values[0]


def _keys(field: str, document: str, path: str) -> tuple[str, ...]:
    rest = field[len(document) :]
    keys = tuple(re.sub(r"\\(.)", r"\1", match[1]) for match in _KEY.finditer(rest))
    if _KEY.sub("", rest) or len(keys) > MAX_KEYS or len(field) > MAX_TEXT:
        raise MalformedRequest(path, f"{field[:50]!r} is not a path into {document}")
    return keys


def _in_document(
    kind: str,
    document: k.Document,
    keys: tuple[str, ...],
    values: list[Any],
    path: str,
    *,
    exact: bool,
) -> k.Criterion:
    if kind in ("search", "contains"):
        return k.PathHolds(document, keys, _pieces(kind, _word(values[0], path)), exact)
    if kind in _ORDERS:
        value = values[0]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise MalformedRequest(path, "it is neither a number nor text")
        return k.PathOrder(document, keys, _ORDERS[kind], value, exact)
    parts: list[k.Criterion] = []
    scalars = tuple(value for value in values if isinstance(value, str | int | float | bool))
    if scalars:
        parts.append(k.PathIn(document, keys, scalars, exact))
    for value in values:
        if value is None:
            parts.append(k.PathMissing(document, keys))
        elif isinstance(value, dict | list):
            parts.append(k.PathIs(document, keys, msgspec.json.encode(value).decode()))
    return parts[0] if len(parts) == 1 else k.Some(tuple(parts))
