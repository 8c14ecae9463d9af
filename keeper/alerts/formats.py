"""Messages in the formats of those who receive them. Pure: the same message gives the same bytes.

Slack: incoming webhooks with attachments of blocks. Telegram: Bot API, sendMessage. PagerDuty: Events API v2. Mail: RFC 5322.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from keeper.alerts.channel import Event, Message
from keeper.alerts.incidents import Incident
from keeper.bus import Severity

__all__ = ["email", "pagerduty", "signature", "slack", "telegram", "webhook"]

_COLOURS = {Severity.INFO: "#3a55d9", Severity.WARNING: "#ee9440", Severity.CRITICAL: "#d8453f"}
_RECOVERED = "#23936b"
_TELEGRAM_LIMIT = 4096
_SLACK_TEXT_LIMIT = 3000
_PAGERDUTY_SUMMARY_LIMIT = 1024
_PAGERDUTY_KEY_LIMIT = 255
_LISTED = 30
"""Incidents named in a summary; the rest is counted."""


def _title(event: Event, incident: Incident) -> str:
    name = incident.kind.replace("_", " ") + (f" ({incident.subject})" if incident.subject else "")
    state = {Event.RAISED: incident.severity.value, Event.RECOVERED: "over"}.get(event, event.value)
    return f"[{state}] {name}"


def _headline(message: Message) -> str:
    if message.event is not Event.SUMMARY:
        return _title(message.event, message.incident)
    return f"[{message.incident.severity.value}] {len(message.incidents)} alerts"


def _lines(message: Message) -> list[str]:
    if message.event is not Event.SUMMARY:
        [(event, incident)] = message.incidents
        lasted = "" if event is Event.RAISED else f" (since {_time(incident.since)}, {_duration(message.at - incident.since)})"
        return [incident.text + lasted]
    named = [f"{_title(event, incident)}: {incident.text}" for event, incident in message.incidents[:_LISTED]]
    rest = len(message.incidents) - _LISTED
    return named + ([f"and {rest} more"] if rest > 0 else [])


def webhook(message: Message, source: str) -> dict[str, Any]:
    """{"version": 1, "source", "event", "at", "incidents": [{"event", "key", "kind", "subject", "severity", "text", "since"}]}"""
    return {
        "version": 1,
        "source": source,
        "event": message.event.value,
        "at": message.at,
        "incidents": [
            {
                "event": event.value,
                "key": incident.key,
                "kind": incident.kind,
                "subject": incident.subject,
                "severity": incident.severity.value,
                "text": incident.text,
                "since": incident.since,
            }
            for event, incident in message.incidents
        ],
    }


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Of X-Keeper-Signature: HMAC-SHA256 over "timestamp.body", so that an old message cannot be sent again as a new one."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def slack(message: Message, source: str) -> dict[str, Any]:
    recovered = all(event is Event.RECOVERED for event, _ in message.incidents)
    title, body = _escaped(_headline(message)), _cut(_escaped("\n".join(_lines(message))), _SLACK_TEXT_LIMIT)
    return {
        "text": title,  # what notifications show
        "attachments": [
            {
                "color": _RECOVERED if recovered else _COLOURS[message.incident.severity],
                "blocks": [
                    {"type": "section", "text": {"type": "mrkdwn", "text": body or title}},
                    {"type": "context", "elements": [{"type": "plain_text", "text": f"{source}, {_time(message.at)}"}]},
                ],
            }
        ],
    }


def telegram(message: Message, source: str, chat: str) -> dict[str, Any]:
    """No parse_mode: text is text, nothing needs escaping. Recoveries and reminders arrive without a sound."""
    text = "\n".join([_headline(message), *_lines(message), f"{source}, {_time(message.at)}"])
    quiet = message.event in (Event.RECOVERED, Event.REMINDER) or message.incident.severity is Severity.INFO
    return {
        "chat_id": chat,
        "text": _cut(text, _TELEGRAM_LIMIT),
        "disable_notification": quiet,
        "link_preview_options": {"is_disabled": True},
    }


def pagerduty(message: Message, source: str, routing_key: str) -> dict[str, Any]:
    """One incident: PagerDuty opens and resolves each by its key."""
    incident = message.incident
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if message.event is Event.RECOVERED else "trigger",
        "dedup_key": _dedup_key(source, incident),
    }
    if message.event is Event.RECOVERED:
        return event
    return event | {
        "client": "DPRE keeper",
        "payload": {
            "summary": _cut(f"{_title(Event.RAISED, incident)}: {incident.text}", _PAGERDUTY_SUMMARY_LIMIT),
            "source": source,
            "severity": incident.severity.value,
            "timestamp": datetime.fromtimestamp(incident.since, UTC).isoformat(),
            "component": "keeper",
            "class": incident.kind,
            "custom_details": {"subject": incident.subject, "since": incident.since, "event": message.event.value},
        },
    }


def email(message: Message, source: str, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """Everything about one incident is one thread in the reader's program."""
    mail = EmailMessage()
    mail["Subject"] = _one_line(f"{_headline(message)} on {source}")
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.at, UTC))
    domain = sender.rpartition("@")[2].strip("> ") or "keeper.invalid"
    digest = hashlib.sha256(repr((source, message)).encode()).hexdigest()[:24]
    mail["Message-ID"] = f"<{digest}@{domain}>"
    if message.event is not Event.SUMMARY:
        thread = hashlib.sha256(f"{source} {message.incident.key} {message.incident.since}".encode()).hexdigest()[:24]
        mail["References"] = f"<{thread}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Priority"] = "1" if message.incident.severity is Severity.CRITICAL and message.event is not Event.RECOVERED else "3"
    runbook = f"Runbook: docs/operations.md, section {message.incident.kind}"
    mail.set_content("\n".join([*_lines(message), "", f"{source}, {_time(message.at)}", runbook]) + "\n")
    return mail


def _dedup_key(source: str, incident: Incident) -> str:
    key = f"{source}/{incident.key}"
    return key if len(key) <= _PAGERDUTY_KEY_LIMIT else hashlib.sha256(key.encode()).hexdigest()


def _escaped(text: str) -> str:
    """Slack's three characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _duration(seconds: float) -> str:
    if seconds < 120.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 7_200.0 else f"{seconds / 3_600.0:.1f} h"
