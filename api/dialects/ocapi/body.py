"""Bytes to plain values and back, in the two formats that the documents name."""

import re
from typing import Any, Final, Literal, TypeAlias

import msgspec

from api.dialects.ocapi.errors import bad_body, bad_media_type
from api.dialects.ocapi.xml import MAX_DEPTH, from_xml, to_xml

Format: TypeAlias = Literal["json", "xml"]

CONTENT_TYPES: Final[dict[Format, str]] = {
    "json": "application/json;charset=UTF-8",
    "xml": "application/xml;charset=UTF-8",
}
_JSON: Final = re.compile(r"(?:application|text)/(?:json|[a-z0-9.+-]+\+json)")
_XML: Final = re.compile(r"(?:application|text)/(?:xml|[a-z0-9.+-]+\+xml)")
_ANY: Final = frozenset(("*/*", "application/*"))
_ENCODER: Final = msgspec.json.Encoder()


def decode(raw: bytes, media_type: str) -> dict[str, Any] | None:
    """Read a request document; None when there is no content.

    *media_type* is the content type without its parameters, empty when the request names none.

    Raises:
        Fault: it is of another media type, cannot be read, or is no object.
    """
    told = media_type.strip().lower()
    if not raw.strip():
        return None
    if not told or _JSON.fullmatch(told):
        return _of_json(raw)
    if _XML.fullmatch(told):
        document = from_xml(raw)
        _check(document, "it is nested too deep")
        return document
    raise bad_media_type(media_type[:100])


def _of_json(raw: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_body("it is not valid JSON") from None
    if not isinstance(document, dict):
        raise bad_body("it is no object")
    _check(document, "it is nested too deep")
    return document


def _check(document: dict[str, Any], too_deep: str) -> None:
    """Refuse what cannot be kept: nesting without end, U+0000, halves of surrogate pairs."""
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            match value:
                case dict():
                    below.extend(value)
                    below.extend(value.values())
                case list():
                    below.extend(value)
                case str() if not is_text(value):
                    raise bad_body("it holds a character that is not allowed")
                case _:
                    pass
        if not below:
            return
        level = below
    raise bad_body(too_deep)


def is_text(value: str) -> bool:
    """Whether a text can be stored: no U+0000, and no half of a surrogate pair."""
    return "\x00" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def encode(document: Any, form: Format, *, pretty: bool = False) -> bytes:
    """Write a document."""
    if form == "xml":
        return to_xml(msgspec.to_builtins(document))
    raw = _ENCODER.encode(document)
    return msgspec.json.format(raw, indent=3) if pretty else raw


def choose_format(extension: str, parameter: str | None, accept: str) -> Format:
    """Choose the format of the answer: by the path's extension, `?format=`, or Accept.

    >>> choose_format("", None, "text/html, application/xml;q=0.9, */*;q=0.8")
    'xml'
    """
    for told in (extension, (parameter or "").lower()):
        if told == "json":
            return "json"
        if told == "xml":
            return "xml"
    best: tuple[float, Format] = (0.0, "json")
    for part in accept.split(","):
        kind, _, parameters = part.partition(";")
        told = kind.strip().lower()
        form: Format | None = None
        if _JSON.fullmatch(told) or told in _ANY:
            form = "json"
        elif _XML.fullmatch(told) and not told.endswith("xhtml+xml"):
            form = "xml"
        if form is not None and (quality := _quality(parameters)) > best[0]:
            best = (quality, form)
    return best[1]


def _quality(parameters: str) -> float:
    match = re.search(r"(?:^|;)\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", parameters, re.ASCII)
    return float(match[1]) if match else 1.0
