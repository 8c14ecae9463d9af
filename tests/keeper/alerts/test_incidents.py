"""What stands, and what a receiver is told of it: dedup, escalation, reminders, recovery, rate. Time is the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.alerts import Channel, Event, Incident, Incidents, Message
from keeper.bus import Severity
from keeper.errors import AlertError
from keeper.observation import SinkSettings

WARNING, CRITICAL, INFO = Severity.WARNING, Severity.CRITICAL, Severity.INFO


class Reader:
    """A receiver that keeps what it is told, or is away."""

    def __init__(self, *, summaries: bool = True) -> None:
        self.summaries = summaries
        self.away: AlertError | None = None
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        if self.away is not None:
            raise self.away
        self.messages.append(message)

    def events(self) -> list[tuple[str, str]]:
        """(event, key) of every message since the last look."""
        found = [(message.event.value, message.incident.key) for message in self.messages]
        self.messages.clear()
        return found


def channel(reader: Reader, **settings: Any) -> Channel:
    return Channel(SinkSettings.model_validate({"kind": "webhook", "url": "http://x", "repeat": 0.0, **settings}), reader)


@pytest.fixture
def incidents() -> Incidents:
    return Incidents(settle=10.0)


def test_a_trouble_is_told_once_and_its_end_once(incidents: Incidents) -> None:
    reader = Reader()
    told = channel(reader)
    for now in range(100, 160):
        incidents.report("chain_lag", WARNING, f"{now} behind", now)
        told.step(incidents.standing(now), now)
    assert reader.events() == [("raised", "chain_lag")]
    incidents.over("chain_lag", 160)
    told.step(incidents.standing(160), 160)
    assert reader.events() == [], "it may come back at once"
    told.step(incidents.standing(171), 171)
    assert reader.events() == [("recovered", "chain_lag")]
    told.step(incidents.standing(400), 400)
    assert reader.events() == []


def test_what_comes_and_goes_is_one_incident(incidents: Incidents) -> None:
    reader = Reader()
    told = channel(reader)
    for now in range(0, 300, 3):
        (incidents.over("node_trouble", now) if now % 2 else incidents.report("node_trouble", WARNING, "gone", now))
        told.step(incidents.standing(now), now)
    assert reader.events() == [("raised", "node_trouble")]


def test_subjects_are_told_apart(incidents: Incidents) -> None:
    reader = Reader()
    told = channel(reader)
    for subject in ("ETH", "BTC", "ETH"):
        incidents.report("oracle_stale", CRITICAL, "old", 5, subject)
    told.step(incidents.standing(5), 5)
    assert sorted(reader.events()) == [("raised", "oracle_stale/BTC"), ("raised", "oracle_stale/ETH")]


def test_the_pager_hears_of_what_lasts_and_the_chat_at_once(incidents: Incidents) -> None:
    chat, pager = Reader(), Reader()
    first, second = channel(chat), channel(pager, least="critical", after=300.0)
    incidents.report("fund_low", CRITICAL, "low", 1_000)
    incidents.report("unimportant", WARNING, "x", 1_000)
    for now in (1_000, 1_299, 1_300):
        for each in (first, second):
            each.step(incidents.standing(now), now)
        if now == 1_299:
            assert pager.events() == []
    assert chat.events() == [("raised", "fund_low"), ("raised", "unimportant")]
    assert pager.events() == [("raised", "fund_low")]


def test_graver_than_told_is_told_again(incidents: Incidents) -> None:
    reader = Reader()
    told = channel(reader)
    incidents.report("gas_low", WARNING, "0.1", 0)
    told.step(incidents.standing(0), 0)
    incidents.report("gas_low", CRITICAL, "0.01", 1)
    told.step(incidents.standing(1), 1)
    incidents.report("gas_low", WARNING, "0.02", 2)
    told.step(incidents.standing(2), 2)
    assert reader.events() == [("raised", "gas_low"), ("escalated", "gas_low")]


def test_reminders_while_it_stands(incidents: Incidents) -> None:
    reader = Reader()
    told = channel(reader, repeat=60.0)
    incidents.report("chain_lag", WARNING, "behind", 0)
    for now in range(0, 181, 10):
        told.step(incidents.standing(now), now)
    assert [event for event, _ in reader.events()] == ["raised", "reminder", "reminder", "reminder"]


def test_a_flood_is_one_summary_and_each_recovers(incidents: Incidents) -> None:
    reader = Reader()
    told = channel(reader, per_minute=5)
    for account in range(40):
        incidents.report("account_bankrupt", CRITICAL if account == 7 else WARNING, "x", 0, str(account))
    told.step(incidents.standing(0), 0)
    assert [message.event for message in reader.messages] == [Event.RAISED] * 4 + [Event.SUMMARY]
    assert reader.messages[0].incident.subject == "7", "the gravest comes by itself"
    assert len(reader.messages[-1].incidents) == 36
    reader.events()
    told.step(incidents.standing(1), 1)
    assert reader.events() == [], "nothing is told twice"
    for account in range(40):
        incidents.over("account_bankrupt", 10, str(account))
    for now in range(20, 90):
        told.step(incidents.standing(now), now)
    recovered = [event for message in reader.messages for event, _ in message.incidents]
    assert recovered == [Event.RECOVERED] * 40
    assert len(reader.messages) <= 5 + 6, "5 per minute"


def test_a_receiver_without_summaries_gets_all_in_time(incidents: Incidents) -> None:
    reader = Reader(summaries=False)
    told = channel(reader, per_minute=6)
    for account in range(20):
        incidents.report("account_bankrupt", CRITICAL, "x", 0, str(account))
    told.step(incidents.standing(0), 0)
    assert len(reader.messages) == 6
    for now in range(1, 151):
        told.step(incidents.standing(now), now)
    assert sorted(int(message.incident.subject) for message in reader.messages) == list(range(20))


def test_who_was_away_learns_how_things_are_now(incidents: Incidents) -> None:
    reader = Reader()
    told = channel(reader)
    reader.away = AlertError("no answer")
    incidents.report("short", WARNING, "x", 0)
    incidents.report("long", WARNING, "x", 0)
    attempts = []
    for now in range(100):
        if now == 50:
            incidents.over("short", now)
        before = told.failed
        told.step(incidents.standing(now), now)
        if told.failed > before:
            attempts.append(now)
    assert attempts == [0, 1, 3, 7, 15, 31, 63], "twice the pause each time"
    reader.away = None
    for now in range(100, 400):
        told.step(incidents.standing(now), now)
    assert reader.events() == [("raised", "long")], "what is over and was never told needs no message"


def test_a_receiver_says_when_to_come_again(incidents: Incidents) -> None:
    reader = Reader()
    told = channel(reader)
    reader.away = AlertError("answered 429", retry_after=30.0)
    incidents.report("x", WARNING, "x", 0)
    told.step(incidents.standing(0), 0)
    reader.away = None
    told.step(incidents.standing(29), 29)
    assert reader.events() == []
    told.step(incidents.standing(30), 30)
    assert reader.events() == [("raised", "x")]


def test_after_a_restart_nothing_is_told_twice_and_ends_are_not_lost() -> None:
    incidents, reader = Incidents(settle=10.0, confirm_within=60.0), Reader()
    told = channel(reader)
    before = [Incident("fund_low", "", CRITICAL, "x", 5.0), Incident("chain_lag", "", WARNING, "x", 5.0)]
    told.restore(before, 1_000)
    incidents.restore(before, 1_000)
    for now in range(1_000, 1_100):
        incidents.report("fund_low", CRITICAL, "x", now)
        told.step(incidents.standing(now), now)
        if now == 1_055:
            assert reader.events() == []
    assert reader.events() == [("recovered", "chain_lag")]


def test_infos_stay_below_the_threshold(incidents: Incidents) -> None:
    reader = Reader()
    told = channel(reader, least="warning")
    incidents.report("margin_call", INFO, "x", 0, "account 3")
    told.step(incidents.standing(0), 0)
    assert reader.events() == []
