"""Whether the values given for an execution fit what its job declares."""

from collections.abc import Sequence
from typing import Any, Final

from ledger.events.definition import Definition, Parameter
from ledger.events.executions import Argument
from ledger.rejection import ParameterInvalid

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def arguments(
    definition: Definition, given: Sequence[Argument]
) -> tuple[Argument, ...] | ParameterInvalid:
    """Check the given values, and put declared defaults after them.

    Order: as given, then defaults in the order of their declaration.
    A job that declares no parameters takes any; null stands for "no value" and fits any type.
    """
    names = [argument.name for argument in given]
    for name in names:
        if names.count(name) > 1:
            return ParameterInvalid(name=name, reason="is given twice")
    declared = {parameter.name: parameter for parameter in definition.parameters}
    if not declared:
        return tuple(given)
    for argument in given:
        parameter = declared.get(argument.name)
        if parameter is None:
            return ParameterInvalid(name=argument.name, reason="is not declared by the job")
        if not _fits(parameter, argument.value):
            return ParameterInvalid(name=argument.name, reason=f"is not of type {parameter.type}")
    missing = [p for p in definition.parameters if p.name not in names]
    for parameter in missing:
        if parameter.required:
            return ParameterInvalid(name=parameter.name, reason="is required")
    defaults = (Argument(name=p.name, value=p.default) for p in missing if p.default is not None)
    return (*given, *defaults)


def _fits(parameter: Parameter, value: Any) -> bool:
    if value is None or parameter.type == "any":
        return True
    if isinstance(value, bool) and parameter.type != "boolean":
        return False
    return isinstance(value, _TYPES[parameter.type])
