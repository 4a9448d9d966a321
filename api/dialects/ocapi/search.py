"""The search request: its queries and filters as one tree of conditions, its sorts and its page.

Fields are `id`, `job_id`, `start_time`, `end_time` and `status`. Instants are compared to the
millisecond. A condition on a field that an execution does not have yet holds only if it asks for
that (`is_null`), or for another value (`neq`, `not_in`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from api.dialects.ocapi.errors import (
    Fault,
    bad_enum,
    bad_parameter,
    bad_property,
    unknown_property,
)
from api.dialects.ocapi.instants import read_instant

REQUEST: Final = "search_request"
DEFAULT_COUNT: Final = 25
MAX_COUNT: Final = 200
MAX_START: Final = 1_000_000
MAX_NODES: Final = 200
MAX_VALUES: Final = 200
MAX_SORTS: Final = 5

Field: TypeAlias = Literal["id", "job_id", "start_time", "end_time", "status"]
Operator: TypeAlias = Literal[
    "is", "one_of", "is_null", "is_not_null", "less", "greater", "not_in", "neq"
]
Value: TypeAlias = int | str | datetime

FIELDS: Final[Mapping[str, Field]] = {
    "id": "id",
    "job_id": "job_id",
    "start_time": "start_time",
    "end_time": "end_time",
    "status": "status",
}
OPERATORS: Final[Mapping[str, Operator]] = {
    "is": "is",
    "one_of": "one_of",
    "is_null": "is_null",
    "is_not_null": "is_not_null",
    "less": "less",
    "greater": "greater",
    "not_in": "not_in",
    "neq": "neq",
}


class Term(Struct, frozen=True):
    """A field against values."""

    field: Field
    operator: Operator
    values: tuple[Value, ...]


class Words(Struct, frozen=True):
    """A field that holds all of some words, in small letters."""

    field: Field
    words: tuple[str, ...]


class Between(Struct, frozen=True, kw_only=True):
    """A field within bounds; None is no bound."""

    field: Field
    low: Value | None = None
    high: Value | None = None
    low_included: bool = True
    high_included: bool = True


class All(Struct, frozen=True):
    """Every one of them; of none, always."""

    of: tuple["Condition", ...] = ()


class Some(Struct, frozen=True):
    """At least one of them."""

    of: tuple["Condition", ...]


class Neither(Struct, frozen=True):
    """None of them."""

    of: tuple["Condition", ...]


Condition: TypeAlias = Term | Words | Between | All | Some | Neither


class Sort(Struct, frozen=True):
    """What to sort by."""

    field: Field
    descending: bool


class Search(Struct, frozen=True, kw_only=True):
    """What is searched."""

    condition: Condition
    query: Any
    """The query as it is told back."""
    sorts: tuple[Sort, ...]
    start: int = 0
    count: int = DEFAULT_COUNT


def parse_search(document: Mapping[str, Any] | None) -> Search:
    """Read a search request.

    Raises:
        Fault: a property is unknown, missing, or of no value that it can have.
    """
    told = {k: v for k, v in (document or {}).items() if k not in {"_v", "_type"}}
    for name in told:
        if name not in {"query", "count", "start", "sorts", "select", "expand"}:
            raise unknown_property(REQUEST, name[:100])
    query = told.get("query")
    if query is None:
        raise bad_property(REQUEST, "query", "is required")
    select = told.get("select")
    if select is not None and not isinstance(select, str):
        raise bad_property(REQUEST, "select", "must be text")
    return Search(
        condition=_Reader().query(query),
        query=_typed(query),
        sorts=_sorts(told.get("sorts")),
        start=_whole(told, "start", 0, 0, MAX_START),
        count=_whole(told, "count", DEFAULT_COUNT, 1, MAX_COUNT),
    )


def parse_page(start: str | None, count: str | None) -> tuple[int, int]:
    """Read `start` and `count` of an address.

    Raises:
        Fault: one is no number, or out of bounds.
    """
    read = []
    for name, text, default, low, high in (
        ("start", start, 0, 0, MAX_START),
        ("count", count, DEFAULT_COUNT, 1, MAX_COUNT),
    ):
        if text is None:
            read.append(default)
        elif not (text.isascii() and text.isdigit() and len(text) < 9 and low <= int(text) <= high):
            raise bad_parameter(name, text[:50])
        else:
            read.append(int(text))
    return read[0], read[1]


def _typed(query: Any) -> Any:
    """Say of each named part of a query what it is, as answers do."""
    match query:
        case Mapping():
            return {
                name: {"_type": name, **_typed(value)}
                if _is_node(name) and isinstance(value, Mapping)
                else _typed(value)
                for name, value in query.items()
            }
        case list():
            return [_typed(item) for item in query]
        case _:
            return query


def _is_node(name: str) -> bool:
    return name.endswith(("_query", "_filter"))


def _whole(told: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = told.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9:
        value = int(value)  # XML knows no numbers
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise bad_property(REQUEST, name, f"must be a whole number from {low} to {high}")
    return value


def _sorts(told: Any) -> tuple[Sort, ...]:
    if told is None:
        return ()
    if not isinstance(told, list) or len(told) > MAX_SORTS:
        raise bad_property(REQUEST, "sorts", f"is no list of at most {MAX_SORTS}")
    return tuple(_sort(item) for item in told)


def _sort(item: Any) -> Sort:
    node = _object(item, "sort", {"field", "sort_order"})
    name, order = node.get("field"), node.get("sort_order", "asc")
    if not isinstance(name, str) or name not in FIELDS:
        told = str(name)[:100]
        raise Fault(
            400, "FieldNotSortableException", f"The field '{told}' is not sortable.", field=told
        )
    if order not in ("asc", "desc"):
        raise bad_enum("sort", str(order)[:100])
    return Sort(FIELDS[name], descending=order == "desc")


def _object(value: Any, document: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        if value == "":  # an empty element of XML
            return {}
        raise bad_property(document, document, "must be an object")
    for name in value:
        if name not in known and name != "_type":
            raise unknown_property(document, str(name)[:100])
    return value


class _Reader:
    """Reads one request's tree, counting its parts."""

    def __init__(self) -> None:
        self._left = MAX_NODES

    def query(self, told: Any) -> Condition:
        return self._node(
            told,
            "query",
            {
                "match_all_query": self._match_all,
                "term_query": self._term_query,
                "text_query": self._text,
                "bool_query": self._bool_query,
                "filtered_query": self._filtered,
                "nested_query": self._unsupported,
            },
        )

    def filter(self, told: Any) -> Condition:
        return self._node(
            told,
            "filter",
            {
                "term_filter": self._term_filter,
                "range_filter": self._range,
                "range2_filter": self._unsupported,
                "query_filter": self._query_filter,
                "bool_filter": self._bool_filter,
            },
        )

    def _node(
        self, told: Any, document: str, known: Mapping[str, Callable[[Any], Condition]]
    ) -> Condition:
        self._left -= 1
        if self._left < 0:
            raise bad_property(REQUEST, document, f"has more than {MAX_NODES} parts")
        node = _object(told, document, set(known))
        named = [name for name in node if name in known]
        if len(named) != 1:
            raise bad_property(document, document, f"must be one of {', '.join(known)}")
        return known[named[0]](node[named[0]])

    def _unsupported(self, _told: Any) -> Condition:
        raise bad_property(REQUEST, "query", "is of a kind that is not offered here")

    def _match_all(self, told: Any) -> Condition:
        _object(told, "match_all_query", set())
        return All()

    def _term_query(self, told: Any) -> Condition:
        node = _object(told, "term_query", {"fields", "operator", "values"})
        fields = _fields(node.get("fields"), "term_query")
        return _any_of([_term(field, node, "term_query") for field in fields])

    def _term_filter(self, told: Any) -> Condition:
        node = _object(told, "term_filter", {"field", "operator", "values"})
        (field,) = _fields([node.get("field")], "term_filter")
        return _term(field, node, "term_filter")

    def _text(self, told: Any) -> Condition:
        node = _object(told, "text_query", {"fields", "search_phrase"})
        phrase = node.get("search_phrase")
        if not isinstance(phrase, str) or not phrase.strip():
            raise bad_property("text_query", "search_phrase", "is required")
        words = tuple(phrase.casefold().split())[:MAX_VALUES]
        fields = _fields(node.get("fields"), "text_query")
        return _any_of([Words(field, words) for field in fields])

    def _bool_query(self, told: Any) -> Condition:
        node = _object(told, "bool_query", {"must", "should", "must_not"})
        must = self._several(node.get("must"), self.query)
        should = self._several(node.get("should"), self.query)
        must_not = self._several(node.get("must_not"), self.query)
        parts: list[Condition] = [*must]
        if should:
            parts.append(_any_of(should))
        if must_not:
            parts.append(Neither(tuple(must_not)))
        return All(tuple(parts))

    def _filtered(self, told: Any) -> Condition:
        node = _object(told, "filtered_query", {"query", "filter"})
        parts: list[Condition] = []
        if node.get("query") is not None:
            parts.append(self.query(node["query"]))
        if node.get("filter") is None:
            raise bad_property("filtered_query", "filter", "is required")
        return All((*parts, self.filter(node["filter"])))

    def _query_filter(self, told: Any) -> Condition:
        node = _object(told, "query_filter", {"query"})
        return self.query(node.get("query"))

    def _bool_filter(self, told: Any) -> Condition:
        node = _object(told, "bool_filter", {"operator", "filters"})
        parts = tuple(self._several(node.get("filters"), self.filter))
        match node.get("operator"):
            case "and":
                return All(parts)
            case "or":
                return Some(parts)
            case "not":
                return Neither(parts)
            case None:
                raise bad_property("bool_filter", "operator", "is required")
            case other:
                raise bad_enum("bool_filter", str(other)[:100])

    def _several(self, told: Any, read: Callable[[Any], Condition]) -> list[Condition]:
        match told:
            case None:
                return []
            case list():
                return [read(item) for item in told]
            case _:
                return [read(told)]

    def _range(self, told: Any) -> Condition:
        node = _object(
            told,
            "range_filter",
            {"field", "from", "to", "from_inclusive", "to_inclusive", "filter_mode"},
        )
        (field,) = _fields([node.get("field")], "range_filter")
        low, high = node.get("from"), node.get("to")
        return Between(
            field=field,
            low=None if low in (None, "") else _value(field, low),
            high=None if high in (None, "") else _value(field, high),
            low_included=_flag(node, "from_inclusive"),
            high_included=_flag(node, "to_inclusive"),
        )


def _flag(node: Mapping[str, Any], name: str) -> bool:
    match node.get(name):
        case None | True | "true":
            return True
        case False | "false":
            return False
        case _:
            raise bad_property("range_filter", name, "must be true or false")


def _any_of(parts: Sequence[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else Some(tuple(parts))


def _fields(told: Any, document: str) -> tuple[Field, ...]:
    names = told if isinstance(told, list) else [told]
    if not names or names == [None]:
        raise bad_property(document, "fields", "is required")
    for name in names:
        if not isinstance(name, str) or name not in FIELDS:
            text = str(name)[:100]
            raise Fault(
                400,
                "FieldNotSearchableException",
                f"The field '{text}' is not searchable.",
                field=text,
            )
    return tuple(FIELDS[name] for name in names[: len(FIELDS)])


def _term(field: Field, node: Mapping[str, Any], document: str) -> Term:
    operator = node.get("operator")
    if operator is None:
        raise bad_property(document, "operator", "is required")
    if not isinstance(operator, str) or operator not in OPERATORS:
        raise bad_enum(document, str(operator)[:100])
    told = node.get("values")
    values = told if isinstance(told, list) else [] if told is None else [told]
    if len(values) > MAX_VALUES:
        raise bad_property(document, "values", f"holds more than {MAX_VALUES}")
    known = OPERATORS[operator]
    nulls = known in {"is_null", "is_not_null"}
    if not nulls and not values:
        raise bad_property(document, "values", "is required")
    if known in {"is", "neq", "less", "greater"} and len(values) > 1:
        raise bad_property(document, "values", "must hold one value")
    return Term(field, known, () if nulls else tuple(_value(field, value) for value in values))


def _value(field: Field, told: Any) -> Value:
    """Read a value as its field has it."""
    text = str(told) if isinstance(told, (str, int)) and not isinstance(told, bool) else None
    read: Value | None = None
    match field:
        case "id":
            plain = text is not None and text.isascii() and text.isdigit() and len(text) <= 18
            read = int(text) if plain and text is not None else None
        case "start_time" | "end_time":
            read = read_instant(text) if text is not None else None
        case "job_id" | "status":
            read = text
    if read is None:
        raise Fault(
            400,
            "InvalidSearchFieldTypeException",
            f"The value does not fit the type of the field '{field}'.",
            field=field,
            value=str(told)[:100],
            type={"id": "Long", "start_time": "Date", "end_time": "Date"}.get(field, "String"),
        )
    return read
