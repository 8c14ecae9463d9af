"""Delivery. No error ever names an address or a token: both may open the channel to whoever reads the log."""

from __future__ import annotations

import json
import smtplib
import ssl
import time
from collections.abc import Callable
from typing import Any

import requests
from pydantic import SecretStr

from keeper.alerts import formats
from keeper.alerts.channel import Message, Sink
from keeper.errors import AlertError
from keeper.observation import SinkSettings

__all__ = ["sink_of"]

_TELEGRAM = "https://api.telegram.org"
_PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"


def sink_of(settings: SinkSettings, source: str) -> Sink:
    """source: how the keeper names itself."""
    makers: dict[str, Callable[[SinkSettings, str], Sink]] = {
        "webhook": _Webhook,
        "slack": _Slack,
        "telegram": _Telegram,
        "pagerduty": _PagerDuty,
        "email": _Mail,
    }
    return makers[settings.kind](settings, source)


class _Poster:
    """What all receivers over HTTP share."""

    summaries = True

    def __init__(self, settings: SinkSettings, source: str) -> None:
        self._settings = settings
        self._source = source
        self._session = requests.Session()

    def _post(self, url: str, content: Any, headers: dict[str, str] | None = None) -> requests.Response:
        """Raises AlertError for anything but 2xx."""
        body = json.dumps(content).encode() if not isinstance(content, bytes) else content
        named = {"Content-Type": "application/json", "User-Agent": "dpre-keeper"} | (headers or {})
        try:
            # A redirect would carry the message, and a secret in its address, to somebody else.
            answer = self._session.post(url, data=body, headers=named, timeout=self._settings.timeout, allow_redirects=False)
        except requests.RequestException as error:
            raise AlertError(f"no answer ({type(error).__name__})") from None
        if not 200 <= answer.status_code < 300:
            raise AlertError(f"answered {answer.status_code}", _retry_after(answer))
        return answer

    def _url(self, otherwise: str = "") -> str:
        return _secret(self._settings.url) or otherwise


class _Webhook(_Poster):
    def send(self, message: Message) -> None:
        body = json.dumps(formats.webhook(message, self._source)).encode()
        timestamp, headers = str(int(time.time())), {}
        if self._settings.secret is not None:
            sealed = formats.signature(self._settings.secret.get_secret_value(), timestamp, body)
            headers = {"X-Keeper-Timestamp": timestamp, "X-Keeper-Signature": sealed}
        self._post(self._url(), body, headers)


class _Slack(_Poster):
    def send(self, message: Message) -> None:
        self._post(self._url(), formats.slack(message, self._source))


class _Telegram(_Poster):
    def send(self, message: Message) -> None:
        address = f"{self._url(_TELEGRAM)}/bot{_secret(self._settings.token)}/sendMessage"
        answer = self._post(address, formats.telegram(message, self._source, self._settings.chat or ""))
        if answer.json().get("ok") is not True:
            raise AlertError("answered without ok")


class _PagerDuty(_Poster):
    summaries = False

    def send(self, message: Message) -> None:
        self._post(self._url(_PAGERDUTY), formats.pagerduty(message, self._source, _secret(self._settings.token)))


class _Mail:
    summaries = True

    def __init__(self, settings: SinkSettings, source: str) -> None:
        self._settings = settings
        self._source = source

    def send(self, message: Message) -> None:
        settings = self._settings
        mail = formats.email(message, self._source, settings.sender or "", settings.recipients)
        try:
            with self._connection() as connection:
                if settings.smtp_security == "starttls":
                    connection.starttls(context=ssl.create_default_context())
                if settings.smtp_user is not None:
                    connection.login(settings.smtp_user, _secret(settings.smtp_password))
                connection.send_message(mail)
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            # The texts of these errors may quote what was said, a password included.
            code = getattr(error, "smtp_code", "")
            raise AlertError(f"mail server: {type(error).__name__} {code}".strip()) from None

    def _connection(self) -> smtplib.SMTP:
        settings, host = self._settings, self._settings.smtp_host or ""
        if settings.smtp_security == "tls":
            return smtplib.SMTP_SSL(host, settings.smtp_port, timeout=settings.timeout, context=ssl.create_default_context())
        return smtplib.SMTP(host, settings.smtp_port, timeout=settings.timeout)


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()


def _retry_after(answer: requests.Response) -> float | None:
    """Seconds: Slack and PagerDuty say it in the header, Telegram in its answer."""
    text = answer.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return float(answer.json()["parameters"]["retry_after"])
    except (ValueError, KeyError, TypeError):
        return None
