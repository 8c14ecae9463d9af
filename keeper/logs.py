"""Structured logs: one JSON object per line on stderr, with the correlation id of what it is about."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO, cast

import structlog

__all__ = ["Logger", "configure_logs", "get_logger"]

Logger = structlog.typing.FilteringBoundLogger

_MASK = "**********"


def configure_logs(level: str = "info", secrets: Iterable[str] = ()) -> None:
    """Every line: event, level, timestamp (ISO, UTC), bound context. Values are rendered by JSON, unknown types by repr.

    secrets: texts that no line may hold, whoever wrote it (settings hold them as SecretStr, but an error of a library may
    quote an address with a key in it). Libraries' own warnings and exceptions that nobody caught come as the same lines.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    mask = _Mask(secrets)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render = structlog.processors.JSONRenderer(default=repr)
    structlog.configure(
        processors=[*shared, mask, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Forgiving(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, mask, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def get_logger(name: str, **context: Any) -> Logger:
    return cast(Logger, structlog.get_logger(component=name, **context))


class _Forgiving:
    """A stream that cannot be written to (a full disk behind it) loses lines, not the keeper."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _Mask:
    """Replaces secrets in every value, however deep."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {secret for secret in secrets if secret}
        # Keys are written with and without 0x.
        self._secrets = sorted(
            found | {secret[2:] for secret in found if secret.startswith("0x") and len(secret) > 10}, key=len, reverse=True
        )

    def __call__(self, _logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {key: self._masked(value) for key, value in line.items()} if self._secrets else line

    def _masked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._masked(each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._masked(each) for each in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        text = value if isinstance(value, str) else repr(value)
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    get_logger("process").critical("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None and not isinstance(found.exc_value, SystemExit):
        name = None if found.thread is None else found.thread.name
        get_logger("process").critical("uncaught", thread=name, exc_info=(found.exc_type, found.exc_value, found.exc_traceback))
