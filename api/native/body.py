"""Request bodies: JSON, decoded strictly, with the place of a fault named.

What is refused here never reaches the ledger: text that is not JSON or not UTF-8, nesting without
end, U+0000 (which PostgreSQL cannot keep), unknown fields, and instants without an offset or too far
away to be moved between time zones.
"""

import re
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from api.native.problems import malformed

T = TypeVar("T")

FIRST_YEAR: Final = 2
LAST_YEAR: Final = 9997

_DECODERS: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}
# A string that is never closed matches up to the end, so that no byte is looked at twice.
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")


def decode_body(raw: bytes, kind: type[T], max_depth: int) -> T:
    """Decode JSON strictly.

    Raises:
        ProblemError: it is not JSON, too deep, or not of that type; says where.
    """
    if too_deep(raw, max_depth):
        raise malformed(f"the JSON is nested deeper than {max_depth}", "$")
    if _NUL.search(raw):
        raise malformed("the character U+0000 is not allowed", "$")
    try:
        decoded: T = _decoder(kind).decode(raw)
        told = msgspec.json.decode(raw) if isinstance(decoded, Struct) else None
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `")
        raise malformed(text, path.rstrip("`") or "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"the body is not valid JSON: {error}", "$") from None
    if isinstance(decoded, Struct):
        _look_through(decoded, told, "$")
    return decoded


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    return decoder


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


def _look_through(value: Any, told: Any, path: str) -> None:
    """Refuse what decoding lets pass.

    Types that are also stored ignore fields they do not know, so that an older process reads what
    a newer one wrote. A caller's unknown field is a mistake.
    """
    match value:
        case Struct():
            names = _names(type(value))
            for name in told:
                if name not in names:
                    raise malformed(f"Object contains unknown field `{name[:100]}`", path)
                attribute = names[name]
                if attribute is not None:
                    _look_through(getattr(value, attribute), told[name], f"{path}.{name}")
        case tuple():
            for index, (item, said) in enumerate(zip(value, told, strict=True)):
                _look_through(item, said, f"{path}[{index}]")
        case datetime():
            require_placeable(value, path)
        case _:
            pass


@cache
def _names(kind: type[Struct]) -> dict[str, str | None]:
    """Map the names on the wire to attributes; the tag has none."""
    names: dict[str, str | None] = {
        field.encode_name: field.name for field in msgspec.structs.fields(kind)
    }
    tag_field = kind.__struct_config__.tag_field
    if tag_field is not None:
        names[tag_field] = None
    return names


def require_placeable(instant: datetime, path: str) -> None:
    """Refuse an instant that names no point in time, or one that no time zone can hold.

    Raises:
        ProblemError: it has no offset, or lies at the edge of what a datetime can say.
    """
    if instant.tzinfo is None:
        raise malformed("give the instant an offset, for example Z", path)
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise malformed(f"the year {instant.year} is too far away", path)
