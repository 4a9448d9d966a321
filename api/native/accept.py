"""Which of the forms that there are a client likes best (RFC 9110 section 12.5.1)."""

from collections.abc import Sequence
from typing import Final

MAX_RANGES: Final = 50


def preferred(header: str, offered: Sequence[str]) -> str | None:
    """Choose a media type; None when none is acceptable.

    Order: by weight, then what is named over what a wildcard takes in, then as offered.

    >>> preferred("text/*;q=0.5, application/json", ["text/event-stream", "application/json"])
    'application/json'
    """
    if not header.strip():
        return offered[0]
    ranges = [_range(part) for part in header.split(",")[:MAX_RANGES]]
    weights = {kind: _weight(kind, ranges) for kind in offered}
    best = max(offered, key=lambda kind: weights[kind])  # the first of equals
    return best if weights[best][0] > 0 else None


def _weight(kind: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """Give a type the weight of the most specific range that it is in, and how specific that is."""
    family = f"{kind.partition('/')[0]}/*"
    for precision, wanted in ((2, kind), (1, family), (0, "*/*")):
        found = [weight for name, weight in ranges if name == wanted]
        if found:
            return max(found), precision
    return 0.0, 0


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0
