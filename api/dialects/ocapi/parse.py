"""From a creation's request document to what the ledger is asked to run."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from api.dialects.ocapi.errors import (
    bad_enum,
    bad_parameter,
    bad_property,
    bad_site_scope,
    missing_site_scope,
    unknown_property,
)
from api.dialects.ocapi.render import ATTRIBUTE, text_of
from ledger.events.definition import Definition, Parameter
from ledger.events.executions import Argument

REQUEST: Final = "job_execution_request"
PARAMETER: Final = "job_execution_parameter"
MAX_PARAMETERS: Final = 200
MAX_NAME: Final = 256
MAX_VALUE: Final = 1000
MAX_SITES: Final = 200
_ANY_DOCUMENT: Final = frozenset(("_v", "_type", "_resource_state"))
_FILE_NAME: Final = re.compile(r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,254}")
_SITE: Final = re.compile(r"[^/\\\x00-\x1f]{1,256}")
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)


class Requested(Struct, frozen=True, kw_only=True):
    """What a client wants run."""

    arguments: tuple[Argument, ...] = ()
    """Of the declared type; those that the job declares, or all if it declares none."""
    attributes: dict[str, Any] = {}
    """How the parameters were given, where the arguments do not say it."""


def parse_run(document: Mapping[str, Any] | None, definition: Definition) -> Requested:
    """Read the request document of a creation.

    A system job's own document fills its parameters by their `source`; every job takes
    `{"parameters": […]}`.

    Raises:
        Fault: a property is unknown, missing, or of no value that it can have.
    """
    told = {k: v for k, v in (document or {}).items() if k not in _ANY_DOCUMENT}
    sources = [parameter for parameter in definition.parameters if parameter.source is not None]
    if sources and "parameters" not in told:
        return Requested(arguments=_of_own_document(told, sources))
    for name in told:
        if name != "parameters":
            raise unknown_property(REQUEST, name[:100])
    given = _given(told.get("parameters"))
    if sources:
        return Requested(arguments=_in_order(_read(given, definition), definition))
    return _requested(given, definition)


def _given(value: Any) -> list[tuple[str, str | None]]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_PARAMETERS:
        raise bad_property(REQUEST, "parameters", f"is no list of at most {MAX_PARAMETERS}")
    given = [_parameter(item, f"parameters[{index}]") for index, item in enumerate(value)]
    names = [name for name, _ in given]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise bad_property(REQUEST, f"parameters[{index}].name", "is given twice")
    return given


def _parameter(item: Any, path: str) -> tuple[str, str | None]:
    if not isinstance(item, Mapping):
        raise bad_property(REQUEST, path, "is no object")
    for name in item:
        if name not in {"name", "value", "_type"}:
            raise unknown_property(PARAMETER, str(name)[:100])
    name, value = item.get("name"), item.get("value")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or name != name.strip():
        reason = f"must have 1 to {MAX_NAME} characters and no blank ends"
        raise bad_property(PARAMETER, f"{path}.name", reason)
    if isinstance(value, (bool, int, float)):
        value = text_of(value)
    if value is None:
        return name, None
    if not isinstance(value, str) or len(value) > MAX_VALUE or value != value.strip():
        reason = f"must be text of at most {MAX_VALUE} characters without blank ends"
        raise bad_property(PARAMETER, f"{path}.value", reason)
    return name, value


def _requested(given: Sequence[tuple[str, str | None]], definition: Definition) -> Requested:
    arguments = _read(given, definition)
    if len(arguments) == len(given):
        return Requested(arguments=arguments)
    kept = [{"name": name, "value": value} for name, value in given]
    return Requested(arguments=arguments, attributes={ATTRIBUTE: {"parameters": kept}})


def _read(given: Sequence[tuple[str, str | None]], definition: Definition) -> tuple[Argument, ...]:
    """Give those that the job declares, as it declares them; all if it declares none."""
    declared = {parameter.name: parameter for parameter in definition.parameters}
    return tuple(
        Argument(name=name, value=_typed(declared.get(name), value))
        for name, value in given
        if name in declared or not declared
    )


def _typed(parameter: Parameter | None, value: str | None) -> Any:
    """Read a value, which is text here, as its job declares it."""
    if parameter is None or value is None:
        return value
    match parameter.type:
        case "string" | "any":
            return value
        case "boolean" if value.lower() in {"true", "false"}:
            return value.lower() == "true"
        case "integer" if _INTEGER.fullmatch(value):
            return int(value)
        case "number":
            try:
                return msgspec.convert(value, float, strict=False)
            except msgspec.ValidationError:
                raise bad_parameter(parameter.name, value) from None
        case _:
            raise bad_parameter(parameter.name, value)


def _of_own_document(
    told: Mapping[str, Any], declared: Sequence[Parameter]
) -> tuple[Argument, ...]:
    known = {parameter.source: parameter for parameter in declared}
    for name in told:
        if name not in known:
            raise unknown_property(REQUEST, name[:100])
    arguments = []
    for parameter in declared:
        source = parameter.source or ""
        value = told.get(source)
        if value is None and parameter.required:
            raise _missing(source)
        if value is None:
            value = parameter.default
        if value is not None:
            read = _READERS.get(source, _plain)
            arguments.append(Argument(name=parameter.name, value=read(source, value)))
    return tuple(arguments)


def _in_order(arguments: Sequence[Argument], definition: Definition) -> tuple[Argument, ...]:
    """Put a system job's parameters in the order of their declaration, checked as its document."""
    values = {argument.name: argument.value for argument in arguments}
    told = {
        parameter.source: _unwrapped(parameter.source, values[parameter.name])
        for parameter in definition.parameters
        if parameter.source is not None and values.get(parameter.name) is not None
    }
    return _of_own_document(told, [p for p in definition.parameters if p.source is not None])


def _unwrapped(source: str, value: Any) -> Any:
    if source not in {"site_scope", "data_units"} or not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


def _missing(source: str) -> Exception:
    if source == "site_scope":
        return missing_site_scope()
    return bad_property(REQUEST, source, "is required")


def _plain(source: str, value: Any) -> str:
    if isinstance(value, str) and len(value) <= MAX_VALUE:
        return value
    raise bad_property(REQUEST, source, f"must be text of at most {MAX_VALUE} characters")


def _file_name(source: str, value: Any) -> str:
    if isinstance(value, str) and _FILE_NAME.fullmatch(value) and value == value.strip():
        return value
    raise bad_property(REQUEST, source, "must be the simple name of a file")


def _mode(_source: str, value: Any) -> str:
    if value == "merge":
        return "merge"
    if isinstance(value, str):
        raise bad_enum(REQUEST, value[:100])
    raise bad_property(REQUEST, "mode", "must be text")


def _flag(source: str, value: Any) -> str:
    match value:
        case True | "true":
            return "true"
        case False | "false":
            return "false"
        case _:
            raise bad_property(REQUEST, source, "must be true or false")


def _data_units(source: str, value: Any) -> str:
    if not isinstance(value, Mapping) or not value:
        raise bad_property(REQUEST, source, "must be an object that names data units")
    return msgspec.json.encode(value).decode()


def _site_scope(_source: str, value: Any) -> str:
    match value:
        case {"named_sites": list(sites), **rest} if not rest and _are_sites(sites):
            return msgspec.json.encode({"named_sites": sites}).decode()
        case {"all_storefront_sites": True | "true", **rest} if not rest:
            return '{"all_storefront_sites":true}'
        case _:
            raise bad_site_scope(text_of(value)[:MAX_VALUE])


def _are_sites(sites: list[Any]) -> bool:
    return 0 < len(sites) <= MAX_SITES and all(
        isinstance(site, str) and _SITE.fullmatch(site) and site not in {".", ".."}
        for site in sites
    )


_READERS: Final[Mapping[str, Callable[[str, Any], str]]] = {
    "file_name": _file_name,
    "export_file": _file_name,
    "mode": _mode,
    "overwrite_export_file": _flag,
    "data_units": _data_units,
    "site_scope": _site_scope,
}
