"""The Range header (RFC 9110 section 14), for one range of bytes."""

import re
from typing import Final, Literal

_FORM: Final = re.compile(
    r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE | re.ASCII
)


def parse_range(header: str | None, size: int) -> tuple[int, int] | Literal["none", "impossible"]:
    """Give the wanted bytes as first and last; none for anything but one range.

    >>> parse_range("bytes=5-", 10), parse_range("bytes=-3", 10), parse_range("bytes=10-", 10)
    ((5, 9), (7, 9), 'impossible')
    """
    match = _FORM.fullmatch(header) if header is not None else None
    if match is None or match[0].strip().endswith("=-") or not (match[1] or match[2]):
        return "none"
    if not match[1]:
        length = min(int(match[2]), size)
        return (size - length, size - 1) if length else "impossible"
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return "none"
    return (first, last) if first < size else "impossible"
