"""Receivers on this machine: an HTTP server that keeps what it is sent, and a mail server that speaks RFC 5321."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

__all__ = ["Inbox", "MailBox", "http_server", "mail_server"]


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Inbox:
    """answers: (status, headers, body) for the next requests in turn; afterwards `default`."""

    address: str
    default: tuple[int, dict[str, str], bytes] = (200, {}, b"ok")
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)


@contextmanager
def http_server() -> Iterator[Inbox]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.received.append(Received(self.path, dict(self.headers.items()), body))
            status, headers, answer = inbox.answers.pop(0) if inbox.answers else inbox.default
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        inbox = Inbox(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield inbox
        finally:
            server.shutdown()


@dataclass
class MailBox:
    """refuse: recipients are refused with 550; user, password: AUTH PLAIN is asked for where they are set."""

    port: int
    user: str = ""
    password: str = ""
    refuse: bool = False
    mails: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)


class _Mail(socketserver.StreamRequestHandler):
    """One conversation. Commands are methods by their word."""

    box: MailBox

    def handle(self) -> None:
        self.sender, self.recipients, self.allowed = "", [], not self.box.user
        self.say("220 local ESMTP")
        while line := self.rfile.readline().decode().strip():
            word = line.split(":")[0].split(" ")[0].upper()
            if word == "QUIT":
                self.say("221 bye")
                return
            if word in ("MAIL", "RCPT", "DATA") and not self.allowed:
                self.say("530 5.7.0 authentication required")
            else:
                getattr(self, f"on_{word.lower()}", self.on_other)(line)

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def on_ehlo(self, _: str) -> None:
        self.say("250-local")
        self.say("250 AUTH PLAIN" if self.box.user else "250 8BITMIME")

    def on_auth(self, line: str) -> None:
        self.allowed = b64decode(line.split(" ")[2]).decode().split("\0")[1:] == [self.box.user, self.box.password]
        self.say("235 in" if self.allowed else "535 5.7.8 bad credentials")

    def on_mail(self, line: str) -> None:
        self.sender = line.partition("<")[2].partition(">")[0]
        self.say("250 ok")

    def on_rcpt(self, line: str) -> None:
        self.recipients.append(line.partition("<")[2].partition(">")[0])
        self.say("550 5.1.1 nobody here" if self.box.refuse else "250 ok")

    def on_data(self, _: str) -> None:
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b"..") else line)
        mail = cast(EmailMessage, email.message_from_bytes(b"".join(lines), policy=email.policy.default))
        self.box.mails.append((self.sender, list(self.recipients), mail))
        self.say("250 kept")

    def on_other(self, _: str) -> None:
        self.say("250 ok")


@contextmanager
def mail_server() -> Iterator[MailBox]:
    handler = type("Handler", (_Mail,), {})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        handler.box = box = MailBox(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield box
        finally:
            server.shutdown()
