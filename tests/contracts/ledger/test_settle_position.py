"""Ledger.settlePosition: one-sided closes at a final price, and what is in transit between them."""

from __future__ import annotations

from typing import Any

from scripts.anvil import Anvil
from tests.contracts.ledger.conftest import CALL, MAX_POSITIONS, PERP, WAD
from tests.reverts import reverts

SETTLEMENT = 11


def test_each_side_alone(ledger: Any, module: Any, trade: Any, position: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, 2 * WAD, 40 * WAD, CALL)
    receipt = ledger.settlePosition(buyer, CALL, 100 * WAD, {"from": module})
    assert receipt.return_value == 2 * WAD
    assert (ledger.cash(buyer), ledger.costs(buyer), position(buyer, CALL)) == (120 * WAD, 0, (0, 0))
    assert ledger.inTransit() == 200 * WAD
    assert ledger.openInterest(CALL) == ledger.openInterestOf(0) == 0
    assert tuple(ledger.openInterestSides(CALL)) == (0, 2 * WAD)
    assert dict(receipt.events["PositionSettled"]) == {
        "account": buyer,
        "instrument": CALL,
        "size": 2 * WAD,
        "price": 100 * WAD,
        "inTransit": 200 * WAD,
    }
    assert [(e["reason"], e["change"]) for e in receipt.events["CashChanged"]] == [(SETTLEMENT, 120 * WAD)]
    assert (receipt.events["PositionChanged"]["size"], receipt.events["PositionChanged"]["cost"]) == (0, 0)
    ledger.settlePosition(seller, CALL, 100 * WAD, {"from": module})
    assert ledger.cash(seller) == -120 * WAD
    assert ledger.inTransit() == 0
    assert tuple(ledger.openInterestSides(CALL)) == (0, 0)
    assert ledger.unvestedProfit(buyer) == 120 * WAD


def test_twice_is_once(ledger: Any, module: Any, trade: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, 40 * WAD, CALL)
    ledger.settlePosition(buyer, CALL, 0, {"from": module})
    receipt = ledger.settlePosition(buyer, CALL, 50 * WAD, {"from": module})
    assert receipt.return_value == 0
    assert not receipt.events
    assert ledger.cash(buyer) == -40 * WAD


def test_roundings_stay_with_the_vault(ledger: Any, module: Any, trade: Any, account_of: Any, carol: Any, buyer: int, seller: int) -> None:
    third = account_of(carol)
    trade(seller, buyer, WAD // 3, 0, CALL)
    trade(seller, third, WAD // 3, 0, CALL)
    for account in (seller, buyer, third):
        ledger.settlePosition(account, CALL, 1, {"from": module})
    assert (ledger.cash(buyer), ledger.cash(third), ledger.cash(seller)) == (0, 0, -1)
    assert ledger.inTransit() == -1


def test_a_perps_funding_ends_with_the_first(ledger: Any, module: Any, trade: Any, anvil: Anvil, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, 40 * WAD)
    ledger.setFundingRate(0, 10**15, 86_400, {"from": module})
    anvil.rpc("evm_setNextBlockTimestamp", anvil.time() + 1_000)
    receipt = ledger.settlePosition(buyer, PERP, 40 * WAD, {"from": module})
    ended = receipt.events["FundingRateSet"]
    assert (ended["ratePerSecond"], ended["fundingIndex"], ended["ended"]) == (0, WAD, True)
    anvil.rpc("evm_setNextBlockTimestamp", anvil.time() + 1_000)
    ledger.settlePosition(seller, PERP, 40 * WAD, {"from": module})
    assert (ledger.cash(buyer), ledger.cash(seller), ledger.inTransit()) == (-WAD, WAD, 0)
    with reverts("FundingEnded", 0):
        ledger.setFundingRate(0, 1, 60, {"from": module})


def test_the_rest_of_the_account_stays(ledger: Any, module: Any, trade: Any, position: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, 40 * WAD, CALL)
    trade(seller, buyer, 3 * WAD, 10 * WAD, PERP, MAX_POSITIONS)
    ledger.settlePosition(buyer, CALL, 40 * WAD, {"from": module})
    assert position(buyer, PERP) == (3 * WAD, 30 * WAD)
    assert ledger.costs(buyer) == 30 * WAD
    assert len(ledger.positions(buyer)) == 1


def test_prices_and_accounts_that_are_none(ledger: Any, module: Any, buyer: int) -> None:
    with reverts("PriceOutOfRange", 2**127):
        ledger.settlePosition(buyer, CALL, 2**127, {"from": module})
    with reverts("UnknownAccount", 99):
        ledger.settlePosition(99, CALL, 1, {"from": module})
