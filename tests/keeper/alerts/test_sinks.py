"""Deliveries to real servers on this machine, held to what the vendors document, and what errors may say."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest

from keeper.alerts import Event, Incident, Message, sink_of, try_sinks
from keeper.bus import Severity
from keeper.errors import AlertError
from keeper.observation import AlertSettings, SinkSettings
from tests.keeper.alerts.servers import Inbox, MailBox, http_server, mail_server

SOURCE = "keeper 2 on chain 31337"
TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"  # noqa: S105 - the one of Telegram's documentation
ROUTING_KEY = "samplekeyhere0000000000000000000"
LOW = Incident("fund_low", "", Severity.CRITICAL, "the fund holds <5 & falls>", 1_700_000_000.0)
STALE = Incident("oracle_stale", "ETH", Severity.WARNING, "90 s old", 1_700_000_000.0)


def message(event: Event = Event.RAISED, incident: Incident = LOW) -> Message:
    return Message(event, ((event, incident),), 1_700_000_100.0)


SUMMARY = Message(Event.SUMMARY, ((Event.RAISED, STALE), (Event.RECOVERED, LOW)), 1_700_000_100.0)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with http_server() as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[MailBox]:
    with mail_server() as server:
        yield server


def settings(**values: Any) -> SinkSettings:
    return SinkSettings.model_validate({"timeout": 2.0, **values})


def test_webhook_is_signed_json(inbox: Inbox) -> None:
    sink = sink_of(settings(kind="webhook", url=f"{inbox.address}/hook", secret="s3cret"), SOURCE)  # noqa: S106
    sink.send(SUMMARY)
    [received] = inbox.received
    assert received.path == "/hook"
    assert received.headers["Content-Type"] == "application/json"
    stamp = received.headers["X-Keeper-Timestamp"]
    expected = hmac.new(b"s3cret", f"{stamp}.".encode() + received.body, hashlib.sha256).hexdigest()
    assert received.headers["X-Keeper-Signature"] == f"sha256={expected}"
    assert received.json["event"] == "summary"
    assert [(each["event"], each["key"], each["severity"]) for each in received.json["incidents"]] == [
        ("raised", "oracle_stale/ETH", "warning"),
        ("recovered", "fund_low", "critical"),
    ]
    unsigned = sink_of(settings(kind="webhook", url=inbox.address), SOURCE)
    unsigned.send(message())
    assert "X-Keeper-Signature" not in inbox.received[-1].headers


def test_slack_gets_text_and_blocks(inbox: Inbox) -> None:
    """https://docs.slack.dev: text falls back, section text at most 3,000 characters, & < > escaped and nothing else."""
    sink = sink_of(settings(kind="slack", url=f"{inbox.address}/services/T/B/x"), SOURCE)
    for each in (message(), message(Event.RECOVERED), SUMMARY):
        sink.send(each)
    raised, recovered, summary = (received.json for received in inbox.received)
    assert raised["text"] == "[critical] fund low"
    [attachment] = raised["attachments"]
    section, context = attachment["blocks"]
    assert section["type"] == "section"
    assert section["text"] == {"type": "mrkdwn", "text": "the fund holds &lt;5 &amp; falls&gt;"}
    assert context["elements"][0]["type"] == "plain_text"
    assert recovered["text"] == "[over] fund low"
    assert recovered["attachments"][0]["color"] != attachment["color"]
    assert summary["text"] == "[critical] 2 alerts"
    long = Incident("x", "", Severity.WARNING, "y" * 9_000, 0.0)
    sink.send(message(incident=long))
    assert len(inbox.received[-1].json["attachments"][0]["blocks"][0]["text"]["text"]) == 3_000


def test_telegram_gets_a_message_of_the_bot(inbox: Inbox) -> None:
    """https://core.telegram.org/bots/api#sendmessage: POST /bot<token>/sendMessage, text of 1 to 4,096 characters."""
    inbox.default = (200, {}, b'{"ok": true, "result": {}}')
    sink = sink_of(settings(kind="telegram", url=inbox.address, token=TOKEN, chat="-1001234"), SOURCE)
    sink.send(message())
    sink.send(message(Event.RECOVERED))
    raised, recovered = inbox.received
    assert raised.path == f"/bot{TOKEN}/sendMessage"
    assert set(raised.json) == {"chat_id", "text", "disable_notification", "link_preview_options"}
    assert raised.json["chat_id"] == "-1001234"
    assert raised.json["text"].startswith("[critical] fund low\nthe fund holds <5 & falls>")
    assert raised.json["disable_notification"] is False
    assert recovered.json["disable_notification"] is True
    sink.send(message(incident=Incident("x", "", Severity.WARNING, "y" * 9_000, 0.0)))
    assert len(inbox.received[-1].json["text"]) == 4_096
    inbox.answers = [
        (
            429,
            {},
            b'{"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 14", "parameters": {"retry_after": 14}}',
        )
    ]
    with pytest.raises(AlertError) as refused:
        sink.send(message())
    assert refused.value.retry_after == 14.0
    inbox.answers = [(200, {}, b'{"ok": false}')]
    with pytest.raises(AlertError, match="without ok"):
        sink.send(message())


def test_pagerduty_opens_and_resolves_by_one_key(inbox: Inbox) -> None:
    """Events API v2: trigger with summary (1,024), source, severity of critical|error|warning|info; resolve by dedup_key (255)."""
    inbox.default = (202, {}, b'{"status": "success", "message": "Event processed", "dedup_key": "x"}')
    sink = sink_of(settings(kind="pagerduty", url=f"{inbox.address}/v2/enqueue", token=ROUTING_KEY), SOURCE)
    assert not sink.summaries
    for event in (Event.RAISED, Event.REMINDER, Event.RECOVERED):
        sink.send(message(event))
    raised, reminded, resolved = (received.json for received in inbox.received)
    assert raised["routing_key"] == ROUTING_KEY
    assert (raised["event_action"], reminded["event_action"], resolved["event_action"]) == ("trigger", "trigger", "resolve")
    assert raised["dedup_key"] == reminded["dedup_key"] == resolved["dedup_key"]
    assert (
        {"summary", "source", "severity"}
        <= set(raised["payload"])
        <= {*("summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details")}
    )
    assert raised["payload"]["severity"] == "critical"
    assert raised["payload"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert "payload" not in resolved
    sink.send(message(incident=Incident("k" * 300, "s", Severity.INFO, "t" * 2_000, 0.0)))
    last = inbox.received[-1].json
    assert len(last["dedup_key"]) <= 255
    assert len(last["payload"]["summary"]) == 1_024
    sink.send(message(incident=STALE))
    assert inbox.received[-1].json["dedup_key"] not in (raised["dedup_key"], last["dedup_key"])


def test_mail_is_delivered_in_threads(mailbox: MailBox) -> None:
    mailbox.user, mailbox.password = "keeper", "password"
    values = {"kind": "email", "smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_security": "none"}
    people = {"sender": "Keeper <keeper@example.org>", "recipients": ["a@example.org", "b@example.org"]}
    sink = sink_of(settings(**values, **people, smtp_user="keeper", smtp_password="password"), SOURCE)  # noqa: S106
    sink.send(message())
    sink.send(message(Event.RECOVERED))
    (sender, recipients, raised), (_, _, recovered) = mailbox.mails
    assert (sender, recipients) == ("keeper@example.org", ["a@example.org", "b@example.org"])
    assert raised["Subject"] == f"[critical] fund low on {SOURCE}"
    assert raised["Auto-Submitted"] == "auto-generated"
    assert "the fund holds <5 & falls>" in raised.get_content()
    assert "section fund_low" in raised.get_content()
    assert raised["References"] == recovered["References"]
    assert raised["Message-ID"] != recovered["Message-ID"]
    wicked = Incident("x", "a\r\nBcc: thief@example.org", Severity.WARNING, "t", 0.0)
    sink.send(message(incident=wicked))
    assert mailbox.mails[-1][1] == ["a@example.org", "b@example.org"]
    assert mailbox.mails[-1][2]["Bcc"] is None


def test_mail_that_is_refused_says_so_without_secrets(mailbox: MailBox) -> None:
    values = {"kind": "email", "smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_security": "none"}
    people = {"sender": "k@example.org", "recipients": ["a@example.org"]}
    mailbox.refuse = True
    with pytest.raises(AlertError, match="SMTPRecipientsRefused"):
        sink_of(settings(**values, **people), SOURCE).send(message())
    mailbox.user, mailbox.password = "keeper", "right"
    with pytest.raises(AlertError, match="SMTPAuthenticationError 535") as refused:
        sink_of(settings(**values, **people, smtp_user="keeper", smtp_password="wrong-one"), SOURCE).send(message())  # noqa: S106
    assert "wrong-one" not in str(refused.value)
    with pytest.raises(AlertError, match="UnicodeEncodeError"):
        sink_of(settings(**values, **people, smtp_user="keeper", smtp_password="pässword"), SOURCE).send(message())  # noqa: S106
    # A server that offers no TLS gets no password where TLS is asked for.
    with pytest.raises(AlertError, match="SMTPNotSupportedError"):
        sink_of(settings(**{**values, "smtp_security": "starttls"}, **people), SOURCE).send(message())


@pytest.mark.parametrize(
    ("answer", "expected", "retry"),
    [
        ((500, {}, b"down"), "answered 500", None),
        ((429, {"Retry-After": "30"}, b""), "answered 429", 30.0),
        ((302, {"Location": "http://127.0.0.1:1/thief"}, b""), "answered 302", None),
    ],
)
def test_what_is_not_taken_is_an_error_without_the_address(inbox: Inbox, answer: Any, expected: str, retry: float | None) -> None:
    inbox.answers = [answer]
    with pytest.raises(AlertError, match=expected) as refused:
        sink_of(settings(kind="slack", url=f"{inbox.address}/services/SECRET"), SOURCE).send(message())
    assert refused.value.retry_after == retry
    with pytest.raises(AlertError) as unreachable:
        sink_of(settings(kind="slack", url="http://127.0.0.1:9/services/SECRET"), SOURCE).send(message())
    for error in (refused.value, unreachable.value):
        assert "SECRET" not in str(error)
        assert error.__suppress_context__ or error.__context__ is None


def test_every_receiver_can_be_tried(inbox: Inbox) -> None:
    sinks = [{"kind": "slack", "url": f"{inbox.address}/a"}, {"kind": "webhook", "url": "http://127.0.0.1:9", "name": "broken"}]
    found = try_sinks(AlertSettings.model_validate({"sinks": sinks}), SOURCE)
    assert found["slack"] == ""
    assert "no answer" in found["broken"]
    assert len(inbox.received) == 2
    assert json.loads(inbox.received[0].body)["text"] == "[info] test"
