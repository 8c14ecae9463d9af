"""What the small loopback services (maker, publisher) have in common: answers in JSON, requests in the log."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

import structlog

__all__ = ["JsonHandler"]

log = structlog.get_logger("http")


class JsonHandler(BaseHTTPRequestHandler):
    """A handler whose do_* methods end with `answer`."""

    def answer(self, status: int, content: Any) -> None:
        """content: anything that json writes."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        log.debug("http", request=format % args)
