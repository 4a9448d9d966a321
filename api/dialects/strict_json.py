"""JSON bodies, decoded strictly and with bounds; a fault is a `MalformedRequest` that names its place.

Refused: text that is not JSON or not UTF-8, nesting without end, and U+0000 (which PostgreSQL cannot
keep). Messages name what was expected and where, and quote at most a short name.
"""

import re
from typing import Any, Final, TypeVar

import msgspec

from api.dialects.port import MalformedRequest

T = TypeVar("T")

# A string that is never closed matches up to the end, so that no byte is looked at twice.
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_TRAILING: Final = re.compile(rb'("(?:[^"\\]++|\\.)*+"?)|,(?=\s*+[}\]])', re.DOTALL)
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_DECODERS: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}


def decode(raw: bytes, kind: type[T], *, max_depth: int) -> T:
    """Decode a body.

    Raises:
        MalformedRequest: it is not JSON, too deep, or not of that type.
    """
    if too_deep(raw, max_depth):
        raise MalformedRequest("$", f"the JSON is nested deeper than {max_depth}")
    if _NUL.search(raw):
        raise MalformedRequest("$", "the character U+0000 is not allowed")
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        decoded: T = decoder.decode(raw)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `")
        raise MalformedRequest(path.rstrip("`") or "$", text[:200]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest("$", f"the body is not valid JSON: {error}"[:200]) from None
    return decoded


def without_trailing_commas(raw: bytes) -> bytes:
    r"""Drop commas that stand before a closing bracket, as some documents' examples have them.

    >>> without_trailing_commas(b'{"a": ",}", }')
    b'{"a": ",}" }'
    """
    return _TRAILING.sub(lambda match: match[1] or b"", raw)


def too_deep(raw: bytes, limit: int) -> bool:
    """Whether JSON text nests deeper than *limit*."""
    if raw.count(b"[") + raw.count(b"{") <= limit:
        return False
    depth = 0
    for match in _BRACKETS.finditer(raw):
        token = match[0]
        if token in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif token in b"]}":
            depth -= 1
    return False
