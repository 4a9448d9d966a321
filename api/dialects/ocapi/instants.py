"""Instants as documents and log file names have them: UTC, three decimals."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

_STAMP: Final = re.compile(r"[0-9]{17}")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MILLISECOND: Final = timedelta(milliseconds=1)
FIRST_YEAR: Final = 2
LAST_YEAR: Final = 9997


def shown(instant: datetime) -> str:
    """Write an instant.

    >>> from datetime import datetime, UTC
    >>> shown(datetime(2016, 5, 20, 11, 54, 46, 35000, UTC))
    '2016-05-20T11:54:46.035Z'
    """
    utc = instant.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z"


def stamp(instant: datetime) -> str:
    """Write the instant of a log file's name."""
    utc = instant.astimezone(UTC)
    return f"{utc:%Y%m%d%H%M%S}{utc.microsecond // 1000:03}"


def read_stamp(text: str) -> datetime | None:
    """Read the instant of a log file's name; None when it is none."""
    if not _STAMP.fullmatch(text):
        return None
    try:
        seconds = datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return seconds + timedelta(milliseconds=int(text[14:]))


def read_instant(text: str) -> datetime | None:
    """Read an instant that a client wrote, to the millisecond; None when it is none.

    A day stands for its beginning; without an offset it is taken as UTC.
    """
    try:
        told = f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text
        value = msgspec.convert(told, datetime)
    except msgspec.ValidationError:
        return None
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        return None
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.replace(microsecond=aware.microsecond // 1000 * 1000)


def span_ms(start: datetime, end: datetime) -> int:
    """Give the milliseconds between two instants as they are shown; never negative."""
    return max(0, (truncated(end) - truncated(start)) // MILLISECOND)


def truncated(instant: datetime) -> datetime:
    """Cut an instant to the millisecond."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
