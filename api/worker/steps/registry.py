"""Which step types this worker can run: ours, installed ones, and those of `--handlers`.

A binding is an async handler (`port.Handler`), a plain function or its name `module:function`; the
latter two run as a python step does, in a process of their own.
"""

import importlib
import inspect
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from api.worker.steps.command import run_command
from api.worker.steps.http import run_http
from api.worker.steps.port import Handler
from api.worker.steps.python import call_function, run_python
from api.worker.steps.site_export import run_site_export
from api.worker.steps.site_import import run_site_import
from api.worker.steps.site_index import run_site_index
from api.worker.steps.sleep import run_sleep
from ledger.jobs.system import EXPORT_STEP, IMPORT_STEP, INDEX_STEP

ENTRY_POINT_GROUP: Final = "jobledger.steps"

BUILT_IN: Final[Mapping[str, Handler]] = {
    "command": run_command,
    "http": run_http,
    "python": run_python,
    "sleep": run_sleep,
    IMPORT_STEP: run_site_import,
    EXPORT_STEP: run_site_export,
    INDEX_STEP: run_site_index,
}


class BadHandlers(Exception):
    """A module or entry point does not give handlers; mend it and start the worker again."""


def handlers(module: str = "") -> dict[str, Handler]:
    """Collect all handlers; later ones win: built in, installed, then *module*'s `HANDLERS`.

    Raises:
        BadHandlers: something named cannot be imported, or is no handler.
    """
    found = dict(BUILT_IN)
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            found[entry.name] = as_handler(entry.name, entry.load())
        except (ImportError, AttributeError) as error:
            raise BadHandlers(f"entry point {entry.name!r}: {error}") from error
    if module:
        found.update(_of_module(module))
    return found


def _of_module(module: str) -> dict[str, Handler]:
    # A program started by its console script does not see the current folder.
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        bound = importlib.import_module(module).HANDLERS
    except (ImportError, AttributeError) as error:
        raise BadHandlers(f"module {module!r}: {error}") from error
    if not isinstance(bound, Mapping):
        raise BadHandlers(f"module {module!r}: HANDLERS is not a dict")
    return {str(name): as_handler(str(name), value) for name, value in bound.items()}


def as_handler(name: str, value: Any) -> Handler:
    """Turn what was bound to a step type into a handler.

    Raises:
        BadHandlers: it is neither an async function, nor a function, nor the name of one.
    """
    if isinstance(value, str):
        return partial(call_function, function=value)
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(
        getattr(value, "__call__", None)  # noqa: B004 - asks for its kind, not for its presence
    ):
        handler: Handler = value
        return handler
    if inspect.isfunction(value) and "<" not in value.__qualname__:
        return partial(call_function, function=f"{value.__module__}:{value.__qualname__}")
    raise BadHandlers(f"{name!r} is bound to {value!r}, which is no handler")
