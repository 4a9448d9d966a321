"""Opaque cursors: a list's own sort key, marked with the list it belongs to."""

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
    try:
        decoded = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        decoded = ""
    match = _FORM.fullmatch(decoded)
    if match is None or match[1] != kind:
        raise malformed("this is not a cursor that this list gave out", "?after")
    return int(match[2])
