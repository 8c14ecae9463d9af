"""scripts/publisher.py as its own process on a real Anvil: it follows file and chain, and outlives both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.anvil import CHAIN_ID, private_key
from tests.contracts.oracle.conftest import BTC, ETH, FAR_EXPIRY, NEAR_EXPIRY, slice_at

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 20.0


def eventually(condition: Callable[[], Any]) -> Any:
    """The condition's first true value; fails after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)
    return found


class Process:
    """A publisher process with its market file."""

    def __init__(self, folder: Path, deployment: Path, rpc: str, environment: dict[str, str] | None = None) -> None:
        self.market = folder / "market.json"
        self.log = folder / "publisher.log"
        command = [sys.executable, "-m", "scripts.publisher", "--deployment", str(deployment), "--market", str(self.market), "--rpc", rpc]
        with self.log.open("wb") as output:
            self.popen = subprocess.Popen(command, cwd=ROOT, stderr=output, env={**os.environ, **(environment or {})})

    def write(self, market: dict[str, Any]) -> None:
        partial = self.market.with_suffix(".partial")
        partial.write_text(json.dumps(market))
        partial.replace(self.market)

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def get(self, path: str) -> Any:
        started = eventually(lambda: self.events("started"))[0]
        with urllib.request.urlopen(started["updates"].removesuffix("/updates") + path, timeout=5) as response:  # noqa: S310 - loopback
            return json.load(response)

    def end(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout=DEADLINE_S)


@pytest.fixture
def deployment(door_world: SimpleNamespace, tmp_path: Path) -> Path:
    contracts = {"PriceDoor": door_world.door, "InstrumentRegistry": door_world.registry}
    entries = {name: {"address": contract.address, "abi": contract.abi} for name, contract in contracts.items()}
    path = tmp_path / "deployment.json"
    path.write_text(
        json.dumps({"chain_id": CHAIN_ID, "block": 0, "contracts": entries, "tokens": {}, "underlyings": {"ETH": ETH, "BTC": BTC}})
    )
    return path


@pytest.fixture
def publisher(anvil: Any, deployment: Path, tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path, deployment, anvil.url)
    yield process
    if process.popen.poll() is None:
        process.popen.kill()
        process.popen.wait()


def market(spot: float, *expiries: dict[str, Any]) -> dict[str, Any]:
    btc = {"spot": 95_000.0, "mark": 95_010.0, "confidence": 1, "expiries": []}
    return {"time": 0, "underlyings": {"ETH": {"spot": spot, "mark": spot, "confidence": 0.99, "expiries": list(expiries)}, "BTC": btc}}


def stored_spot(door: Any, underlying: int) -> int:
    return int(door.read([underlying << 32])[0]) >> 160


def test_publishes_every_change(door: Any, publisher: Process) -> None:
    publisher.write(market(3_000.0, slice_at(NEAR_EXPIRY)))
    eventually(lambda: stored_spot(door, ETH) == 3_000 * 10**18)
    assert stored_spot(door, BTC) == 95_000 * 10**18
    assert door.read([(ETH << 32) | NEAR_EXPIRY])[0] >> 160 == 3_520 * 10**18
    publisher.write(market(2_900.0, slice_at(NEAR_EXPIRY)))
    eventually(lambda: stored_spot(door, ETH) == 2_900 * 10**18)
    assert publisher.end() == 0
    assert publisher.events("stopped")


def test_signs_again_as_the_chain_moves_on(anvil: Any, door: Any, publisher: Process) -> None:
    publisher.write(market(3_000.0))
    eventually(lambda: stored_spot(door, ETH))
    moved = anvil.time() + 30
    anvil.set_time(moved)
    eventually(lambda: publisher.events("published")[-1]["signed_at"] >= moved)  # it says so once its transaction is mined
    assert door.prices(ETH)[2] >= moved
    said = publisher.events("published")
    time.sleep(0.5)  # no new block but its own: nothing is due
    assert publisher.events("published") == said


def test_anyone_may_relay_what_it_serves(anvil: Any, door: Any, relayer: Any, publisher: Process) -> None:
    assert publisher.get("/updates") == []
    before = anvil.snapshot()
    publisher.write(market(3_000.0, slice_at(NEAR_EXPIRY)))
    eventually(lambda: stored_spot(door, ETH))
    served = publisher.get("/updates")
    assert publisher.end() == 0
    assert [entry["symbol"] for entry in served] == ["ETH", "BTC"]
    anvil.revert(before)
    eth = served[0]
    assert int(eth["update"][1]) == anvil.time()  # signed at the time of the block that was the latest
    door.submit(eth["update"], eth["signatures"], {"from": relayer})
    assert stored_spot(door, ETH) == 3_000 * 10**18
    assert stored_spot(door, BTC) == 0


def test_a_relay_of_one_underlying_does_not_hold_up_the_others(
    anvil: Any, door: Any, relayer: Any, update: Any, signed: Any, publisher: Process
) -> None:
    """Somebody stores a newer ETH price in the block whose time the publisher signs with."""
    eventually(lambda: publisher.events("started"))
    ahead = update(anvil.time() + 1)
    door.submit(ahead.as_tuple(), signed(ahead), {"from": relayer})  # stored with the very timestamp of its block
    assert door.prices(ETH)[2] == anvil.time()
    publisher.write(market(3_000.0))
    eventually(lambda: stored_spot(door, BTC))
    assert [event["underlyings"] for event in publisher.events("overtaken")] == [["ETH"]]
    # The block that stored BTC is newer: ETH follows at once, without waiting for the heartbeat.
    eventually(lambda: stored_spot(door, ETH) == 3_000 * 10**18)


def test_health_and_unknown_paths(door: Any, publisher: Process) -> None:
    assert publisher.get("/health") == {"signed_at": None, "stored_at": None}
    publisher.write(market(3_000.0))
    eventually(lambda: publisher.get("/health")["stored_at"])
    with pytest.raises(urllib.error.HTTPError, match="404"):
        publisher.get("/keys")


def test_leaves_out_expiries_that_are_not_listed(door: Any, publisher: Process) -> None:
    publisher.write(market(3_000.0, slice_at(NEAR_EXPIRY + 7), slice_at(FAR_EXPIRY)))
    eventually(lambda: stored_spot(door, ETH))
    assert door.read([(ETH << 32) | FAR_EXPIRY])[0] >> 160 == 3_520 * 10**18
    assert [e["expiry"] for e in publisher.events("expiry not listed, left out")] == [NEAR_EXPIRY + 7]


def test_a_market_that_cannot_be_signed_is_waited_out(door: Any, publisher: Process) -> None:
    publisher.market.write_text('{"underlyings": {"ETH": ')
    eventually(lambda: publisher.events("cannot publish, retrying"))
    publisher.write({"underlyings": {"ETH": {"spot": 1.0}}})
    publisher.write(market(3_000.0))
    eventually(lambda: stored_spot(door, ETH) == 3_000 * 10**18)
    assert publisher.popen.poll() is None


def test_a_refusal_is_logged_by_its_name(door: Any, publisher: Process) -> None:
    publisher.write(market(3_000.0, slice_at(NEAR_EXPIRY, rho=1.5)))
    refused = eventually(lambda: publisher.events("door refused"))[0]
    assert refused["error"] == "BadSlice"
    assert refused["values"] == [ETH, NEAR_EXPIRY]
    publisher.write(market(3_000.0, slice_at(NEAR_EXPIRY)))
    eventually(lambda: stored_spot(door, ETH) == 3_000 * 10**18)


def test_a_jump_is_signed_until_it_is_confirmed(door: Any, anvil: Any, publisher: Process) -> None:
    publisher.write(market(3_000.0))
    eventually(lambda: stored_spot(door, ETH))
    publisher.write(market(2_000.0))
    held = eventually(lambda: publisher.events("held"))[0]
    assert (held["underlying"], held["cause"]) == ("ETH", "JUMP")
    assert stored_spot(door, ETH) == 3_000 * 10**18

    def confirmed() -> bool:
        anvil.mine()
        return bool(stored_spot(door, ETH) == 2_000 * 10**18)

    eventually(confirmed)
    signed_at = [event["signed_at"] for event in publisher.events("held")]
    assert signed_at[-1] - signed_at[0] < 30 <= door.prices(ETH)[2] - signed_at[0]  # BREAKER_CONFIRM


def test_survives_a_node_that_goes_away(anvil: Any, door: Any, publisher: Process) -> None:
    publisher.write(market(3_000.0))
    eventually(lambda: stored_spot(door, ETH))
    # A stopped process keeps its port but answers nobody, as a node does while it restarts.
    os.kill(anvil._process.pid, signal.SIGSTOP)
    try:
        publisher.write(market(2_800.0))
        time.sleep(0.3)
    finally:
        os.kill(anvil._process.pid, signal.SIGCONT)
    eventually(lambda: stored_spot(door, ETH) == 2_800 * 10**18)


def test_starts_before_the_node(deployment: Path, tmp_path: Path) -> None:
    process = Process(tmp_path, deployment, "http://127.0.0.1:1")
    process.write(market(3_000.0))
    try:
        eventually(lambda: process.events("cannot publish, retrying"))
        time.sleep(0.5)
        assert len(process.events("cannot publish, retrying")) == 1  # once, not per try
        assert process.end() == 0
    finally:
        process.popen.kill()
        process.popen.wait()


def test_never_prints_keys(anvil: Any, door: Any, deployment: Path, tmp_path: Path) -> None:
    keys = [private_key(index) for index in (5, 6, 7)]
    environment = {"PUBLISHER_SIGNER_KEYS": ",".join(keys), "PUBLISHER_PAYER_KEY": private_key(13)}
    process = Process(tmp_path, deployment, anvil.url, environment)
    process.write(market(3_000.0))
    eventually(lambda: stored_spot(door, ETH))
    assert process.end() == 0
    text = process.log.read_text().lower()
    assert all(key.removeprefix("0x") not in text for key in [*keys, private_key(13)])


def test_refuses_to_start_with_a_broken_key(anvil: Any, deployment: Path, tmp_path: Path) -> None:
    broken = private_key(5)[:-2]
    process = Process(tmp_path, deployment, anvil.url, {"PUBLISHER_SIGNER_KEYS": broken})
    assert process.popen.wait(timeout=DEADLINE_S) == 1
    assert process.events("cannot start")
    assert broken.removeprefix("0x") not in process.log.read_text()


def test_refuses_to_start_without_a_deployment(anvil: Any, tmp_path: Path) -> None:
    process = Process(tmp_path, tmp_path / "none.json", anvil.url)
    assert process.popen.wait(timeout=DEADLINE_S) == 1
    assert "deploy first" in process.events("cannot start")[0]["reason"]
