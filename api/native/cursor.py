"""Opaque cursors: a list's own sort key, marked with the list it belongs to."""

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from api.native.problems import malformed

_FORM: Final = re.compile(r"([a-z])(\d{1,19})")


def encode_cursor(kind: str, key: int | None) -> str | None:
    """Make the cursor that continues after *key*; None at the end of the list."""
    if key is None:
        return None
    return urlsafe_b64encode(f"{kind}{key}".encode()).decode().rstrip("=")


def decode_cursor(text: str | None, kind: str) -> int | None:
    """Read a cursor back.

    Raises:
        ProblemError: it is not one of this list's cursors.
    """
    if text is None:
        return None
    match = _FORM.fullmatch(_plain(text))
    if match is None or match[1] != kind:
        raise malformed("this is not a cursor that this list gave out", "?after")
    return int(match[2])


def encode_pair(key: tuple[str, str] | None) -> str | None:
    """Make the cursor of a list that is sorted by two words; None at its end."""
    if key is None:
        return None
    return urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_pair(text: str | None) -> tuple[str, str] | None:
    """Read such a cursor back.

    Raises:
        ProblemError: it is not one of this list's cursors.
    """
    if text is None:
        return None
    try:
        match json.loads(_plain(text)):
            case [str(first), str(second)]:
                return first, second
            case _:
                pass
    except ValueError:
        pass
    raise malformed("this is not a cursor that this list gave out", "?after")


def _plain(text: str) -> str:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
