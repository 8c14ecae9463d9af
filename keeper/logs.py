"""Structured logs: one JSON object per line on stderr, with the correlation id of what it is about."""

from __future__ import annotations

import logging
import sys
from typing import Any, cast

import structlog

__all__ = ["Logger", "configure_logs", "get_logger"]

Logger = structlog.typing.FilteringBoundLogger


def configure_logs(level: str = "info") -> None:
    """Every line: event, level, timestamp (ISO, UTC), bound context. Values are rendered by JSON, unknown types by repr;
    secrets never reach here, since the settings hold them as SecretStr."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=repr),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str, **context: Any) -> Logger:
    return cast(Logger, structlog.get_logger(component=name, **context))
