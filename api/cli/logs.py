"""What a worker logs, on standard error: readable on a terminal, else JSON lines."""

import logging
import sys
from typing import Any

import structlog

from api.log import make_visible, tell_where


def log_to_stderr(level: int = logging.INFO) -> None:
    """Set structlog up for this process."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(sort_keys=False)
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
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
