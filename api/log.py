"""How log lines look: for people on a terminal, JSON for machines. Never payloads or secrets."""

import logging
import sys
from typing import Any

import structlog


def configure_logging(form: str, level: str) -> None:
    """Set up structlog for this process: *form* is `console` or `json`.

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
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The pretty ones print local variables, which hold secrets and payloads.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    exceptions = [structlog.processors.format_exc_info] if form == "json" else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *exceptions,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
