"""A keeper that may use LiquidationBatch: accounts that fall together go together, and too old prices are brought along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from benchmarks.latency import LIQUIDATED
from benchmarks.venue import Plan, market
from scripts.anvil import ROOT, private_key
from scripts.chaos.ground import Ground
from scripts.market_feed import market_updates, sign
from scripts.roles import KEEPER, PUBLISHER_SIGNERS, address_of

UPDATED = "0x" + keccak(text="MarketUpdated(uint8,uint32,uint96,uint96,uint16)").hex()
SCOPE_TRADE = 1
TIMEOUT_S = 60.0
STALE_S = 60


@pytest.fixture(scope="module")
def ground(compiled: None, folder: Path) -> Iterator[Ground]:
    with Ground(folder / "batches", Plan(96, 2, 48, 0)) as made:
        yield made


def allow(ground: Ground, scopes: int) -> None:
    clearing = ground.deployment.contract(ground.chain, "Clearing").functions
    ground.chain.send(clearing.setOperator(ground.venue.keeper, ground.deployment.address("LiquidationBatch"), scopes), address_of(KEEPER))


def liquidated(ground: Ground, accounts: list[int], first: int) -> dict[str, list[int]]:
    """By transaction, once all of them are."""
    query = {"fromBlock": hex(first), "toBlock": "latest", "address": ground.deployment.address("Liquidator"), "topics": [LIQUIDATED]}
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for log in ground.chain.rpc("eth_getLogs", query) if next_block(ground) > first else []:
            found[log["transactionHash"]].append(int(log["topics"][1], 16))
        if set(accounts) <= {account for members in found.values() for account in members}:
            return dict(found)
        assert time.monotonic() < deadline, f"liquidated until now: {dict(found)}, wanted: {accounts}"
        time.sleep(0.05)


def next_block(ground: Ground) -> int:
    return int(ground.chain.rpc("eth_blockNumber"), 16) + 1


def sent_to(ground: Ground, transaction: str) -> str:
    return str(ground.chain.rpc("eth_getTransactionByHash", transaction)["to"]).lower()


def said_of_batches(ground: Ground, folder: Path) -> str:
    """By the doctor."""
    command = [sys.executable, "-m", "keeper.cli", "doctor", "--json"]
    answer = subprocess.run(
        command,
        env={**os.environ, **ground.environment(folder, {})},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return str(next(check["detail"] for check in json.loads(answer.stdout) if check["name"] == "batches"))


def test_the_doctor_says_how_to_allow_them(ground: Ground, tmp_path: Path) -> None:
    allow(ground, 0)
    operator = ground.deployment.address("LiquidationBatch")
    assert f"setOperator({ground.venue.keeper}, {operator}, {SCOPE_TRADE})" in said_of_batches(ground, tmp_path)
    allow(ground, SCOPE_TRADE)
    assert said_of_batches(ground, tmp_path) == "many liquidations per transaction"


def test_accounts_that_fall_together_go_together(ground: Ground) -> None:
    allow(ground, SCOPE_TRADE)
    with ground.keeper("together") as keeper:
        keeper.wait_for("assessed", TIMEOUT_S)
        first = next_block(ground)
        falling = ground.fall(6)
        [(transaction, members)] = liquidated(ground, falling, first).items()
        assert sorted(members) == sorted(falling)
        assert sent_to(ground, transaction) == ground.deployment.address("LiquidationBatch").lower()
        # One alone needs no batch.
        first = next_block(ground)
        [(alone, _)] = liquidated(ground, ground.fall(1), first).items()
        assert sent_to(ground, alone) == ground.deployment.address("Liquidator").lower()


def test_without_the_accounts_leave_each_goes_alone(ground: Ground) -> None:
    allow(ground, 0)
    with ground.keeper("alone") as keeper:
        keeper.wait_for("assessed", TIMEOUT_S)
        first = next_block(ground)
        falling = ground.fall(3)
        found = liquidated(ground, falling, first)
        assert len(found) == 3
        assert {sent_to(ground, transaction) for transaction in found} == {ground.deployment.address("Liquidator").lower()}


def test_a_dry_run_batches_and_sends_nothing(ground: Ground) -> None:
    allow(ground, SCOPE_TRADE)
    nonce = ground.chain.rpc("eth_getTransactionCount", address_of(KEEPER), "pending")
    with ground.keeper("dry", dry_run=True) as keeper:
        keeper.wait_for("assessed", TIMEOUT_S)
        falling = ground.fall(2)
        assert sorted(keeper.wait_for("would_send", TIMEOUT_S)["accounts"]) == sorted(falling)
    assert ground.chain.rpc("eth_getTransactionCount", address_of(KEEPER), "pending") == nonce
    first = next_block(ground)
    with ground.keeper("together"):
        [(_, members)] = liquidated(ground, falling, first).items()
    assert sorted(members) == sorted(falling)


class Feed(BaseHTTPRequestHandler):
    """The publisher's GET /updates: the market of now."""

    ground: Ground

    def do_GET(self) -> None:
        ground = self.ground
        now = int(ground.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        keys, deployment = [private_key(index) for index in PUBLISHER_SIGNERS], ground.deployment
        listed: list[dict[str, Any]] = []
        for update in market_updates(market(now, ground.price), deployment.underlyings, now):
            signatures = sign(update, keys, deployment.chain_id, deployment.address("PriceDoor"))
            listed.append({"update": update.as_tuple(), "signatures": ["0x" + bytes(one).hex() for one in signatures]})
        body = json.dumps(listed).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def feed(ground: Ground) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("FeedHere", (Feed,), {"ground": ground}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/updates"
    server.shutdown()
    server.server_close()
    thread.join(5.0)


def test_prices_too_old_come_in_the_same_transaction(ground: Ground, feed: str) -> None:
    """Nobody publishes any more: the liquidation brings the publisher's signed prices itself."""
    allow(ground, SCOPE_TRADE)
    falling = ground.fall(1)
    ground.pause()
    try:
        ground.anvil.advance(STALE_S)
        ground.anvil.mine()
        first = next_block(ground)
        with ground.keeper("bringer", updates_url=feed, relay_after=0.0, poll_interval=0.05):
            [(transaction, members)] = liquidated(ground, falling, first).items()
    finally:
        ground.go_on()
    assert members == falling
    receipt = ground.chain.rpc("eth_getTransactionReceipt", transaction)
    topics = [log["topics"][0] for log in receipt["logs"]]
    assert topics.index(UPDATED) < topics.index(LIQUIDATED)
    assert receipt["to"].lower() == ground.deployment.address("LiquidationBatch").lower()
