"""How log lines look: for people on a terminal, JSON for machines. Never payloads or secrets.

Messages and local variables of unexpected errors may quote a request, so a line about one holds
its type and where it was raised, and no more. The same goes for what libraries log by
themselves: a malformed header, for example, would be quoted whole. What a line does quote is made
visible: a name that a caller chose cannot end the line or steer the terminal it is read on.
"""

import logging
import sys
import traceback
from typing import Any, Final

import structlog
from structlog.typing import EventDict, WrappedLogger
from typing_extensions import override

_LIBRARIES: Final = ("aiohttp", "asyncio", "asyncpg")
_NOT_HTTP: Final = "aiohttp.http_exceptions"
"""Whose errors say that a client's bytes are not HTTP; not imported, so that commands start fast."""
_MAX_FRAMES: Final = 30


def configure_logging(form: str, level: str) -> None:
    """Set up logging for this process: *form* is `console` or `json`.

    Raises:
        ValueError: the level is not one of debug, info, warning, error.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        message = f"log_level: {level!r} is none of debug, info, warning, error"
        raise ValueError(message)
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            tell_where,
            make_visible,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.handlers = [LibraryHandler(logging.WARNING)]
        logger.propagate = False


def tell_where(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and the places it came through, innermost last."""
    told = event.pop("exc_info", None)
    error = sys.exception() if told is True else told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        event["error"] = _name(error)
        frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
        event["where"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def make_visible(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what is no letter, so that no text can end a line, forge one, or steer a terminal."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = "".join(c if c.isprintable() else _escaped(c) for c in value)
    return event


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _name(error: BaseException) -> str:
    """Name an error and what caused it; the system's own words quote nobody."""
    name = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        name = f"{name} ({error.strerror})"
    cause = error.__cause__
    return name if cause is None else f"{name} from {_name(cause)}"


class LibraryHandler(logging.Handler):
    """Passes on what a library logs, without the values in it."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        # Anybody can send what is not HTTP, as often as they like: that must not fill the log.
        level = logging.DEBUG if type(error).__module__ == _NOT_HTTP else record.levelno
        message = record.msg if isinstance(record.msg, str) and record.args else "library trouble"
        structlog.get_logger(record.name).log(level, message, exc_info=record.exc_info or None)
