"""Whose fault a failure is: the event's, or the world's. Only the event's counts against it."""

from typing import Final

import asyncpg

from ledger.errors import Unavailable
from ledger.store.pool import LOST

_OF_THE_EVENT: Final = frozenset(("21", "22", "23", "2F", "38", "39", "44", "54", "P0"))
"""SQLSTATE classes that speak of values: cardinality, data, constraints, limits, raised by rule.
Everything else (lost connections, conflicts, full disks, missing tables, bugs in SQL) would strike
any event, and trying the next one instead would only set more aside."""


def is_poison(error: Exception) -> bool:
    """Tell whether this event, applied again, would fail again while others would not."""
    if isinstance(error, asyncpg.PostgresError):
        state: str = getattr(error, "sqlstate", "") or ""
        return state[:2] in _OF_THE_EVENT
    if isinstance(error, ValueError):
        return True  # the driver's refusal of a value is a ValueError and an InterfaceError
    return not isinstance(error, (*LOST, Unavailable, MemoryError))
