"""Whether an execution meets a search's conditions, and which of these a database can check."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from api.dialects.ocapi import search as s
from api.dialects.ocapi.instants import MILLISECOND, truncated

Facts = Mapping[s.Field, s.Value | None]
"""An execution by its fields; None: it has none (yet)."""


class Narrowed(Struct, frozen=True, kw_only=True):
    """Conditions that must all hold; None: not asked for. Ranges include their beginning."""

    job_ids: tuple[str, ...] | None = None
    numbers: tuple[int, ...] | None = None
    words: tuple[str, ...] | None = None
    started_from: datetime | None = None
    started_before: datetime | None = None
    ended_from: datetime | None = None
    ended_before: datetime | None = None
    is_all: bool = True
    """Whether they say everything: what meets them is found."""


_LISTS: Final[Mapping[s.Field, str]] = {"id": "numbers", "job_id": "job_ids", "status": "words"}
_RANGES: Final[Mapping[s.Field, str]] = {"start_time": "started", "end_time": "ended"}


def narrow(condition: s.Condition) -> Narrowed:
    """Take out of a tree what must hold in any case, and can be said simply."""
    return _narrow(condition, Narrowed())


def _narrow(condition: s.Condition, known: Narrowed) -> Narrowed:
    match condition:
        case s.All():
            for part in condition.of:
                known = _narrow(part, known)
            return known
        case s.Term(operator="is" | "one_of") if condition.field in _LISTS:
            return _among(known, _LISTS[condition.field], condition.values)
        case s.Term(operator="is") if condition.field in _RANGES:
            (value,) = condition.values
            return _within(known, s.Between(field=condition.field, low=value, high=value))
        case s.Between() if condition.field in _RANGES:
            return _within(known, condition)
        case s.Term(operator="greater" | "less") if condition.field in _RANGES:
            (value,) = condition.values
            bound = "low" if condition.operator == "greater" else "high"
            told: dict[str, Any] = {bound: value, f"{bound}_included": False}
            return _within(known, s.Between(field=condition.field, **told))
        case _:
            return replace(known, is_all=False)


def _among(known: Narrowed, name: str, values: tuple[s.Value, ...]) -> Narrowed:
    before = getattr(known, name)
    both = values if before is None else tuple(value for value in values if value in before)
    return replace(known, **{name: both})


def _within(known: Narrowed, told: s.Between) -> Narrowed:
    """Narrow a range; one without bounds still asks for the field to be there."""
    name = _RANGES[told.field]
    changes: dict[str, Any] = {}
    if isinstance(told.low, datetime):
        low = told.low if told.low_included else told.low + MILLISECOND
        before = getattr(known, f"{name}_from")
        changes[f"{name}_from"] = low if before is None else max(low, before)
    if isinstance(told.high, datetime):
        high = told.high + MILLISECOND if told.high_included else told.high
        before = getattr(known, f"{name}_before")
        changes[f"{name}_before"] = high if before is None else min(high, before)
    return replace(known, **changes) if changes else replace(known, is_all=False)


def matches(condition: s.Condition, facts: Facts) -> bool:
    """Whether an execution meets a condition."""
    match condition:
        case s.All():
            return all(matches(part, facts) for part in condition.of)
        case s.Some():
            return any(matches(part, facts) for part in condition.of)
        case s.Neither():
            return not any(matches(part, facts) for part in condition.of)
        case s.Term():
            return _meets(condition, _shown(facts[condition.field]))
        case s.Words():
            value = facts[condition.field]
            text = "" if value is None else str(value).casefold()
            return all(word in text for word in condition.words)
        case s.Between():
            return _lies(condition, _shown(facts[condition.field]))
        case _:
            assert_never(condition)


def _shown(value: s.Value | None) -> Any:
    return truncated(value) if isinstance(value, datetime) else value


def _meets(term: s.Term, value: Any) -> bool:
    match term.operator:
        case "is" | "one_of":
            return value in term.values
        case "neq" | "not_in":
            return value not in term.values
        case "is_null":
            return value is None
        case "is_not_null":
            return value is not None
        case "less":
            return value is not None and value < term.values[0]
        case "greater":
            return value is not None and value > term.values[0]
        case _:
            assert_never(term.operator)


def _lies(told: s.Between, value: Any) -> bool:
    if value is None:
        return False
    if told.low is not None and (value < told.low or (value == told.low and not told.low_included)):
        return False
    return told.high is None or value < told.high or (value == told.high and told.high_included)
