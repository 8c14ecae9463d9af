"""An expiry from its last half hour to the last account, sent by the keeper alone, which is killed in the middle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_utils.crypto import keccak

from keeper.model import Instrument, MarginMode
from scripts.demo.fall import fall
from scripts.demo.story import Story, Trader
from scripts.demo.world import World
from scripts.market_path import OPENING_SPOTS, market_at
from scripts.parameter_list import governed_parameters
from scripts.processes import Child
from scripts.roles import KEEPER, address_of
from scripts.seed_local import fund_account, mark, open_account, trade, wait_for_fresh_prices

WAD = 10**18
ETH = 0
PAIRS = 22  # 44 accounts: three batches
BATCH = 20
WINDOW = 1_800
PATH = ((-2_400, 3_400.0), (-1_500, 3_520.0), (-400, 3_300.0))  # seconds to the expiry, spot
WAIT_S = 60.0
QUICK = {"KEEPER_JOBS__SETTLEMENT_EVERY": "0.5", "KEEPER_JOBS__FUNDING_EVERY": "0.5", "KEEPER_JOBS__POKE_EVERY": "0"}


@pytest.fixture(scope="module")
def story(compiled: None) -> Story:
    traders = (
        Trader("Lea", MarginMode.CROSS, 1_000, (), "owns every long account"),
        Trader("Sam", MarginMode.PORTFOLIO, 1_000, (), "owns every short one"),
    )
    return replace(fall(), name="expiry", markets=(), traders=traders)


@pytest.fixture(scope="module")
def expired(story: Story, folder: Path) -> Iterator[SimpleNamespace]:
    """All accounts hold legs of the first expiry, which is over; nobody has fixed or settled anything. No keeper runs."""
    expiry = story.expiries[0]
    legs = (Instrument.future(ETH, expiry), Instrument.call(ETH, expiry, 3_300), Instrument.put(ETH, expiry, 3_600))
    with World(story, folder, with_keeper=False) as world:
        chain, deployment = world.chain, world.deployment
        lea, sam = world.traders["Lea"].index, world.traders["Sam"].index
        accounts = []
        for pair in range(PAIRS):
            long, short = open_account(chain, deployment, lea, MarginMode.CROSS), open_account(chain, deployment, sam, MarginMode.PORTFOLIO)
            for party in (long, short):
                fund_account(chain, deployment, party, usdc=20_000)
            wait_for_fresh_prices(chain, deployment)
            instrument = legs[pair % len(legs)].pack()
            trade(chain, deployment, long, short, instrument, WAD * (1 + pair % 3), mark(chain, deployment, instrument))
            accounts += [long.account, short.account]
        for before, spot in PATH:
            world.publish(market_at(expiry + before, story.expiries, OPENING_SPOTS | {"ETH": spot}))
        world.publish(market_at(expiry + 60, story.expiries[1:], OPENING_SPOTS | {"ETH": 3_000.0}))
        yield SimpleNamespace(world=world, expiry=expiry, accounts=accounts, start=world.head() + 1)


@pytest.fixture(scope="module")
def settled(expired: SimpleNamespace) -> SimpleNamespace:
    """The keeper starts, is killed after its first batch, starts again. One block at a time, so that the kill comes in the middle."""
    world = expired.world
    ledger = world.deployment.contract(world.chain, "Ledger").functions
    expired.before = {a: (ledger.cash(a).call(), ledger.positions(a).call()) for a in expired.accounts}
    table = world.deployment.contract(world.chain, "RiskParameters").functions
    timelock = world.deployment.address("Timelock")
    world.anvil.rpc("anvil_impersonateAccount", timelock)
    world.anvil.rpc("anvil_setBalance", timelock, hex(10**20))
    world.chain.send(table.set(governed_parameters()["DEBIT_RATE"].index, WAD // 5), timelock)  # and nobody tells the ledger
    keeper = Child("keeper", "keeper.cli", ["run"], world.folder / "keeper.log", world.keeper_environment() | QUICK)
    world.anvil.rpc("evm_setAutomine", False)
    with keeper:
        expired.killed = mine_until(expired, keeper, lambda: 0 < len(left(expired)) < len(expired.accounts))
        keeper.kill()
    expired.left = left(expired)
    with keeper:
        mine_until(expired, keeper, lambda: not left(expired) and fundings(expired) >= 2)
    world.anvil.rpc("evm_setAutomine", True)
    return expired


def mine_until(expired: SimpleNamespace, keeper: Child, condition: Any) -> int:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, keeper._tail()
        keeper.require_running()
        expired.world.anvil.rpc("evm_mine")
        time.sleep(0.1)
    return int(expired.world.head())


def left(expired: SimpleNamespace) -> list[int]:
    ledger = expired.world.deployment.contract(expired.world.chain, "Ledger").functions
    return [account for account in expired.accounts if ledger.positions(account).call()]


def logs(expired: SimpleNamespace, contract: str, signature: str, first: int | None = None) -> list[dict[str, Any]]:
    wanted = {
        "fromBlock": hex(expired.start if first is None else first),
        "address": expired.world.deployment.address(contract),
        "topics": ["0x" + keccak(text=signature).hex()],
    }
    found: list[dict[str, Any]] = expired.world.chain.rpc("eth_getLogs", wanted)
    return found


def fundings(expired: SimpleNamespace) -> int:
    return len(logs(expired, "Funding", "FundingUpdated(uint8,int256,uint256,int256,uint256,uint256)"))


def test_the_price_is_the_average_of_the_last_half_hour(settled: SimpleNamespace) -> None:
    """Each spot from the block that stored it: an account of its own, from the logs."""
    prices = [
        (int(settled.world.chain.rpc("eth_getBlockByNumber", log["blockNumber"], False)["timestamp"], 16), int(log["data"][66:130], 16))
        for log in logs(settled, "PriceDoor", "MarketUpdated(uint8,uint32,uint96,uint96,uint16)", first=0)
        if int(log["topics"][1], 16) == ETH
    ]
    begin, total = settled.expiry - WINDOW, 0
    for (since, spot), (until, _) in zip(prices, [*prices[1:], (2**32, 0)], strict=True):
        total += spot * max(0, min(until, settled.expiry) - max(since, begin))
    [fixed] = logs(settled, "PriceDoor", "SettlementFixed(uint8,uint32,uint96,uint256)")
    assert int(fixed["data"][2:66], 16) == total // WINDOW
    assert 3_300 * WAD < total // WINDOW < 3_520 * WAD


def test_the_keeper_alone_sent_it_in_batches(settled: SimpleNamespace) -> None:
    done = logs(settled, "Settlement", "PositionsSettled(uint64,uint8,uint32,uint256)")
    batches: dict[str, list[int]] = {}
    for log in done:
        batches.setdefault(log["transactionHash"], []).append(int(log["topics"][1], 16))
    assert sorted(account for batch in batches.values() for account in batch) == sorted(settled.accounts)  # each once
    assert len(batches) >= 3
    assert max(map(len, batches.values())) <= BATCH
    senders = {settled.world.chain.rpc("eth_getTransactionByHash", transaction)["from"] for transaction in batches}
    assert senders == {address_of(KEEPER).lower()}


def test_it_was_killed_in_the_middle_and_went_on(settled: SimpleNamespace) -> None:
    assert 0 < len(settled.left) <= len(settled.accounts) - BATCH
    assert left(settled) == []


def test_everybody_is_paid_to_the_unit(settled: SimpleNamespace) -> None:
    world = settled.world
    ledger = world.deployment.contract(world.chain, "Ledger").functions
    settlement = world.deployment.contract(world.chain, "Settlement").functions
    for account, (cash, positions) in settled.before.items():
        [(instrument, size, cost)] = positions
        value = settlement.settlementValue(instrument).call()
        assert 0 <= cash + Fraction(size * value, WAD) - cost - ledger.cash(account).call() <= 2
    assert -len(settled.accounts) <= ledger.inTransit().call() <= 0


def test_funding_and_governed_terms_are_the_keepers_job_too(settled: SimpleNamespace) -> None:
    world = settled.world
    ledger = world.deployment.contract(world.chain, "Ledger").functions
    assert ledger.debitRate().call() == WAD // 5
    updates = logs(settled, "Funding", "FundingUpdated(uint8,int256,uint256,int256,uint256,uint256)")
    assert {world.chain.rpc("eth_getTransactionByHash", log["transactionHash"])["from"] for log in updates} == {address_of(KEEPER).lower()}
    assert {int(log["topics"][1], 16) for log in updates} == {0, 1}
