"""What callers of the vendor's API send, into what is asked for. Pure; fuzzed."""

import re
from typing import Annotated, Any, Final
from urllib.parse import unquote
from uuid import UUID

from msgspec import Meta, Struct, field

from api.dialects.port import MalformedRequest
from api.dialects.strict_json import decode, without_trailing_commas
from ledger.events.executions import Argument

MAX_DEPTH: Final = 16
MAX_IDS: Final = 1000
MAX_PAGE: Final = 1000
MAX_NUMBER_DIGITS: Final = 18
_BARE_KEY: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|([A-Za-z_$][\w$]*+)(?=\s*+:)', re.DOTALL)
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


class ByNumber(Struct, frozen=True):
    """A job, by its number."""

    number: int


class ByUuid(Struct, frozen=True):
    """A job, by its uuid."""

    uuid: UUID


class ByPath(Struct, frozen=True):
    """A job, by one of the readings of a path, the most literal one first."""

    paths: tuple[str, ...]


FileName = ByNumber | ByUuid | ByPath


class Sequence(Struct, frozen=True, kw_only=True):
    """A sequence that is asked for."""

    files: tuple[FileName, ...]
    variables: dict[str, Any]


class _Body(Struct, frozen=True, kw_only=True):
    variables: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=256)], Any], Meta(max_length=200)
    ] = {}
    file_ids: Annotated[tuple[int | str, ...], Meta(max_length=MAX_IDS)] = field(
        name="fileIds", default=()
    )


def file_name(raw: str) -> FileName:
    """Read `<file-id>|<uuid>|<path>` as it stands in a URL's path, percent-encodings and all.

    Raises:
        MalformedRequest: it is nothing that can be looked for.
    """
    text = _text(unquote(raw))
    if _NUMBER.fullmatch(text):
        return ByNumber(int(text))
    if len(text) == 36:
        try:
            return ByUuid(UUID(text))
        except ValueError:
            pass
    readings: list[str] = []
    for reading in (text, _text(unquote(raw.replace("+", " ")))):
        bare = reading.lstrip("/")
        if bare:
            readings.extend(one for one in (reading, f"/{bare}", bare) if one not in readings)
    if not readings:
        raise MalformedRequest("path", "it names no file")
    return ByPath(tuple(readings))


def number(text: str | None, name: str) -> int | None:
    """Read an id; None when it is no number, so that there is no such thing."""
    if text is None:
        raise MalformedRequest(name, "it is missing")
    return int(text) if _NUMBER.fullmatch(text) else None


def page(start: str | None, length: str | None) -> tuple[int, int]:
    """Read where a history begins, from 0, and how many entries it may have.

    Raises:
        MalformedRequest: one is not a whole number.
    """
    told = []
    for name, text, default in (("start", start, 0), ("length", length, 10)):
        value = default if text is None else int(text) if _NUMBER.fullmatch(text) else None
        if value is None:
            raise MalformedRequest(name, "it is not a whole number")
        told.append(value)
    return told[0], min(told[1], MAX_PAGE)


def sequence(ids: str, body: bytes) -> Sequence:
    """Read a sequence: ids from the query and the body, in that order, each once.

    Bare keys and trailing commas are taken, as the document's own example has them.

    Raises:
        MalformedRequest: it cannot be understood, or names nothing.
    """
    told = _body(body)
    names = [name.strip() for name in ids.split(",") if name.strip()]
    names.extend(str(name) for name in told.file_ids)
    files = tuple(dict.fromkeys(file_name(name) for name in names))
    if not files:
        raise MalformedRequest("sequence", "it names no file")
    if len(files) > MAX_IDS:
        raise MalformedRequest("sequence", f"it names more than {MAX_IDS} files")
    return Sequence(files=files, variables=told.variables)


def variables(body: bytes) -> dict[str, Any]:
    """Read the variables of a trigger's body, which is mostly not there.

    Raises:
        MalformedRequest: it cannot be understood.
    """
    return _body(body).variables


def arguments(told: dict[str, Any]) -> tuple[Argument, ...]:
    """Make parameters of variables, in the caller's order."""
    return tuple(Argument(name=name, value=value) for name, value in told.items())


def _body(body: bytes) -> _Body:
    if not body.strip():
        return _Body()
    return decode(relaxed(body), _Body, max_depth=MAX_DEPTH)


def relaxed(body: bytes) -> bytes:
    """Make JSON of what has bare keys and trailing commas; other text is left as it is.

    >>> relaxed(b'{ variables : {"a b": 1}, "fileIds" : [4, ]}')
    b'{ "variables" : {"a b": 1}, "fileIds" : [4 ]}'
    """
    quoted = _BARE_KEY.sub(lambda m: b'"' + m[1] + b'"' if m[1] is not None else m[0], body)
    return without_trailing_commas(quoted)


def _text(text: str) -> str:
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise MalformedRequest("path", "it holds what no name can hold")
    if len(text) > 1100:
        raise MalformedRequest("path", "it is too long")
    return text
