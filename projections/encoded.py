"""Folded states as bytes in a column, and values as PostgreSQL can keep them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

_MSGPACK: Final = msgspec.msgpack.Encoder(decimal_format="number")
_JSON: Final = msgspec.json.Encoder(decimal_format="number")
_BRACE: Final = 0x7B
"""First byte of a JSON object. In MessagePack it is the integer 123, which no struct begins with."""


def encode(state: msgspec.Struct) -> bytes:
    """Encode a state. Callers' documents may hold integers beyond 64 bits; then as JSON."""
    try:
        return _MSGPACK.encode(state)
    except OverflowError:
        return _JSON.encode(state)


class Decoder(Generic[T]):
    """Decodes what `encode` made of one type."""

    def __init__(self, cls: type[T]) -> None:
        self._msgpack = msgspec.msgpack.Decoder(cls)
        self._json = msgspec.json.Decoder(cls)

    def __call__(self, encoded: bytes) -> T:
        """Decode.

        Raises:
            msgspec.DecodeError: another version of the code wrote it.
        """
        decoder = self._json if encoded[0] == _BRACE else self._msgpack
        return decoder.decode(encoded)


def text(value: str) -> str:
    """Give a text as a column can hold it: PostgreSQL has no U+0000."""
    return value.replace("\x00", "\ufffd") if "\x00" in value else value


def array(values: Iterable[str]) -> str:
    r"""Write a `text[]` literal; arrays of arrays cannot be unnested row by row.

    >>> print(array(["a", 'b "c" \\']))
    {"a","b \"c\" \\"}
    """
    quoted = (text(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    items = ",".join(f'"{value}"' for value in quoted)
    return f"{{{items}}}"


def document(value: Mapping[str, Any]) -> str:
    """Write a `jsonb` literal."""
    if not value:
        return "{}"
    clean = {
        text(key): text(item) if isinstance(item, str) else item for key, item in value.items()
    }
    return _JSON.encode(clean).decode()
