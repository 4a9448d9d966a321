"""Opaque cursors: a list's own sort key, marked with the list it belongs to."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from api.native.problems import ProblemError, malformed

_FORM: Final = re.compile(r"([a-z])([0-9]{1,18})")
_PAIR: Final = msgspec.json.Decoder(tuple[str, str])


def encode_cursor(kind: str, key: int | None) -> str | None:
    """Make the cursor that continues after *key*; None at the end of the list."""
    return None if key is None else _opaque(f"{kind}{key}".encode())


def decode_cursor(text: str | None, kind: str) -> int | None:
    """Read a cursor back.

    Raises:
        ProblemError: it is not one of this list's cursors.
    """
    if text is None:
        return None
    match = _FORM.fullmatch(_plain(text))
    if match is None or match[1] != kind:
        raise _foreign()
    return int(match[2])


def encode_pair(key: tuple[str, str] | None) -> str | None:
    """Make the cursor of a list that is sorted by two words; None at its end."""
    return None if key is None else _opaque(msgspec.json.encode(key))


def decode_pair(text: str | None) -> tuple[str, str] | None:
    """Read such a cursor back.

    Raises:
        ProblemError: it is not one of this list's cursors.
    """
    if text is None:
        return None
    try:
        pair = _PAIR.decode(_plain(text))
    except msgspec.DecodeError:
        raise _foreign() from None
    if any("\x00" in word for word in pair):
        raise _foreign()
    return pair


def _foreign() -> ProblemError:
    return malformed("this is not a cursor that this list gave out", "?after")


def _opaque(key: bytes) -> str:
    return urlsafe_b64encode(key).decode().rstrip("=")


def _plain(text: str) -> str:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
