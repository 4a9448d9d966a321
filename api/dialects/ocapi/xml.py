"""Documents as XML and back; see the package's docstring for the form.

A document type, and with it every entity, is refused.
"""

from collections.abc import Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from api.dialects.ocapi.errors import bad_body

LISTS: Final = frozenset(
    (
        "parameters",
        "execution_scopes",
        "step_executions",
        "data",
        "hits",
        "sorts",
        "fields",
        "values",
        "must",
        "should",
        "must_not",
        "filters",
        "queries",
        "named_sites",
    )
)
"""Properties that hold a list, which XML alone cannot tell from an object."""
MAX_DEPTH: Final = 64
ITEM: Final = "item"


def to_xml(document: Mapping[str, Any]) -> bytes:
    """Write a document of plain values."""
    name = "fault_document" if "fault" in document else str(document.get("_type", "document"))
    root = Element(name)
    _fill(root, document)
    written: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return written


def _fill(element: Element, value: Any) -> None:
    match value:
        case Mapping():
            for name, inner in value.items():
                _fill(SubElement(element, *_named(str(name))), inner)
        case list() | tuple():
            for inner in value:
                name = inner.get("_type", ITEM) if isinstance(inner, Mapping) else ITEM
                _fill(SubElement(element, *_named(str(name))), inner)
        case bool():
            element.text = "true" if value else "false"
        case None:
            pass
        case _:
            element.text = "".join(c if _is_char(c) else "\ufffd" for c in str(value))


def _named(name: str) -> tuple[str, dict[str, str]]:
    """Name an element; a property that no element can be named after keeps its name beside."""
    plain = name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
    if plain and (name[0].isalpha() or name[0] == "_"):
        return name, {}
    return ITEM, {"name": "".join(c if _is_char(c) else "\ufffd" for c in name)}


def _is_char(character: str) -> bool:
    return character in "\t\n\r" or (character >= " " and character not in "\ufffe\uffff")


def from_xml(raw: bytes) -> dict[str, Any]:
    """Read a document: elements with children are objects or lists, others text.

    Raises:
        Fault: it is not well-formed, declares a document type, or nests too deep.
    """
    try:
        root = fromstring(raw, forbid_dtd=True)
    except DefusedXmlException:
        raise bad_body("it declares a document type") from None
    except (ParseError, ValueError, LookupError, RecursionError):
        raise bad_body("it is not well-formed XML") from None
    read = _read(root, 0)
    if isinstance(read, dict):
        return read
    if read:
        raise bad_body("the document is no object")
    return {}


def _read(element: Element, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise bad_body("it is nested too deep")
    name = _local(element)
    if name in LISTS and (len(element) or not (element.text or "").strip()):
        return [_read(child, depth + 1) for child in element]
    if not len(element):
        return element.text or ""
    read: dict[str, Any] = {}
    for child in element:
        told = _local(child)
        if told in read:
            raise bad_body("a property is given twice")
        read[told] = _read(child, depth + 1)
    return read


def _local(element: Element) -> str:
    told = element.get("name")
    tag = str(element.tag).rpartition("}")[2]
    return told if tag == ITEM and told is not None else tag
