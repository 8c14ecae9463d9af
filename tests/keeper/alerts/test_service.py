"""From the running engine to a receiver: the threads, the thresholds, and what survives a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.alerts import Incidents, Watch, alerting
from keeper.bus import Alarm, Bus, Severity
from keeper.chain import Block
from keeper.engine import Engine
from keeper.observation import AlertSettings, WatchSettings
from keeper.snapshot import SignerView, Snapshot
from tests.keeper.alerts.servers import Inbox, http_server
from tests.keeper.engine.test_engine import OWN, SIGNER, SYSTEM, Twin, config

NOW = 1_700_000_000.0
FINE = Snapshot(
    at=NOW, account=OWN, ready=True, cursor=Block(10, "0x0a", "0x09", 1_700_000_000), head=Block(10, "0x0a", "0x09", 1_700_000_000)
)
SIGNER_FINE = SignerView("0xabc", 10**18, 40, 1, 10**15, 10**18)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with http_server() as server:
        yield server


def kinds(snapshot: Snapshot, now: float = NOW, **limits: Any) -> set[str]:
    incidents = Incidents(settle=0.0)
    Watch(WatchSettings(**limits), incidents).look(snapshot, now)
    return set(incidents.standing(now))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"at": NOW - 16.0}, "engine_stalled"),
        ({"head": Block(16, "0x10", "0x0f", 1_700_000_006)}, "chain_lag"),
        ({"oracle_ages": {"ETH": 61.0, "BTC": 60.0}}, "oracle_stale/ETH"),
        ({"fund_balance": 99_999.0}, "fund_low"),
        ({"signers": (replace(SIGNER_FINE, balance=10**16),)}, "gas_low/0xabc"),
        ({"signers": (replace(SIGNER_FINE, gap=17),)}, "nonce_gap/0xabc"),
        ({"signers": (replace(SIGNER_FINE, spent_today=9 * 10**17),)}, "gas_cap_near/0xabc"),
    ],
)
def test_each_threshold_has_two_sides(change: dict[str, Any], expected: str) -> None:
    assert kinds(replace(FINE, signers=(SIGNER_FINE,), fund_balance=100_000.0, oracle_ages={"ETH": 60.0})) == set()
    assert kinds(replace(FINE, **change)) == {expected}


def test_a_queue_is_overdue_when_it_never_empties() -> None:
    incidents = Incidents(settle=0.0)
    watch = Watch(WatchSettings(queue_seconds=30.0), incidents)
    for second in range(60):
        now = NOW + second
        watch.look(replace(FINE, at=now, queue=0 if second == 20 else 3), now)
        assert ("liquidations_overdue" in incidents.standing(now)) is (second > 51), second
    watch.look(replace(FINE, at=NOW + 60, queue=0), NOW + 60)
    assert not incidents.standing(NOW + 60)


def test_alarms_of_the_engine_pass_through() -> None:
    incidents = Incidents(settle=0.0)
    watch = Watch(WatchSettings(), incidents)
    watch.hear(Alarm("node_trouble", Severity.CRITICAL, "node:8545", "no answer", NOW), NOW)
    [incident] = incidents.standing(NOW).values()
    assert (incident.key, incident.severity, incident.text) == ("node_trouble/node:8545", Severity.CRITICAL, "no answer")
    watch.hear(Alarm("node_trouble", Severity.INFO, "node:8545", "no answer", NOW, cleared=True), NOW)
    assert not incidents.standing(NOW)


def until(condition: Callable[[], bool], seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def test_a_fall_reaches_the_receiver_and_is_not_told_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inbox: Inbox) -> None:
    monkeypatch.chdir(tmp_path)
    chain, memory = Twin(), tmp_path / "told.json"
    chain.set_up({OWN: (10**7, 0), 2: (6_000, 100), 4: (50_000, 100)})
    settings = AlertSettings.model_validate({"sinks": [{"kind": "webhook", "url": inbox.address, "least": "info"}]})

    def told() -> set[tuple[str, str]]:
        return {(each["event"], each["key"]) for received in inbox.received for each in received.json["incidents"]}

    with Engine(config(tmp_path / "keeper.sqlite"), chain, SYSTEM, SIGNER) as engine:
        engine.start()
        with alerting(settings, engine, "test", memory) as service:
            time.sleep(0.1)  # the watching thread subscribes before the news
            chain.price(910)
            engine.step()
            expected = {("raised", "margin_call/account 2"), ("raised", "account_bankrupt/account 2")}
            until(lambda: expected <= told())
            assert service.figures()["keeper_alerts_sent_total"]["webhook",] >= 1.0
        until(memory.exists)
        inbox.received.clear()
        with alerting(settings, engine, "test", memory):
            time.sleep(1.5)
        assert told() & expected == set()


def test_an_engine_that_hangs_is_noticed_from_outside(tmp_path: Path, inbox: Inbox) -> None:
    class Hung:
        snapshot = replace(FINE, at=time.time() - 1.0)
        bus = Bus()

    settings = AlertSettings.model_validate({"sinks": [{"kind": "webhook", "url": inbox.address}], "watch": {"stalled": 2.0}})
    with alerting(settings, Hung(), "test", tmp_path / "told.json"):
        until(lambda: any(each["kind"] == "engine_stalled" for received in inbox.received for each in received.json["incidents"]))
