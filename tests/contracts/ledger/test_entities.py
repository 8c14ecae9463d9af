"""Modes, entities and open interest: what limits are measured against."""

from __future__ import annotations

from typing import Any

from tests.contracts.ledger.conftest import BTC_PERP, CALL, CROSS, ISOLATED, PERP, PORTFOLIO, WAD
from tests.reverts import reverts


def test_exposure_is_the_sum_of_sizes(ledger: Any, module: Any, trade: Any, account_of: Any, alice: Any, buyer: int, seller: int) -> None:
    second = account_of(alice)
    for account in (buyer, second):
        receipt = ledger.setEntity(account, 7, {"from": module})
        assert dict(receipt.events["EntitySet"]) == {"account": account, "entity": 7}
    assert (ledger.entityOf(buyer), ledger.entityOf(seller)) == (7, 0)
    trade(seller, buyer, 3 * WAD, 10 * WAD)
    trade(second, seller, WAD, 10 * WAD, CALL)
    trade(seller, second, 2 * WAD, 10 * WAD, BTC_PERP)
    assert (ledger.entityExposure(7, 0), ledger.entityExposure(7, 1), ledger.entityExposure(0, 0)) == (4 * WAD, 2 * WAD, 0)
    trade(buyer, seller, 5 * WAD, 10 * WAD)  # flips to -2
    assert ledger.entityExposure(7, 0) == 3 * WAD
    ledger.settlePosition(second, CALL, 10 * WAD, {"from": module})
    assert ledger.entityExposure(7, 0) == 2 * WAD


def test_moving_between_entities_takes_the_positions_along(ledger: Any, module: Any, trade: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, 3 * WAD, 10 * WAD)
    trade(buyer, seller, WAD, 10 * WAD, CALL)
    ledger.setEntity(buyer, 7, {"from": module})
    assert ledger.entityExposure(7, 0) == 4 * WAD
    ledger.setEntity(buyer, 2**32 - 1, {"from": module})
    assert (ledger.entityExposure(7, 0), ledger.entityExposure(2**32 - 1, 0)) == (0, 4 * WAD)
    ledger.setEntity(buyer, 0, {"from": module})
    assert ledger.entityExposure(2**32 - 1, 0) == 0
    trade(seller, buyer, 3 * WAD, 10 * WAD)
    assert ledger.entityExposure(0, 0) == 0


def test_open_interest_of_an_underlying(ledger: Any, trade: Any, account_of: Any, carol: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, 3 * WAD, 10 * WAD)
    trade(buyer, seller, WAD, 10 * WAD, CALL)
    trade(buyer, seller, WAD, 10 * WAD, BTC_PERP)
    assert (ledger.openInterestOf(0), ledger.openInterestOf(1)) == (4 * WAD, WAD)
    trade(seller, account_of(carol), 2 * WAD, 10 * WAD)
    assert tuple(ledger.openInterestSides(PERP)) == (5 * WAD, 5 * WAD)
    trade(buyer, seller, 3 * WAD, 10 * WAD)
    assert (ledger.openInterestOf(0), ledger.openInterest(PERP)) == (3 * WAD, 2 * WAD)


def test_modes_change(ledger: Any, module: Any, trade: Any, buyer: int, seller: int) -> None:
    receipt = ledger.setMode(buyer, PORTFOLIO, {"from": module})
    assert dict(receipt.events["ModeSet"]) == {"account": buyer, "mode": PORTFOLIO}
    assert ledger.book(buyer)[0] == PORTFOLIO
    trade(seller, buyer, WAD, 10 * WAD)
    ledger.setMode(buyer, ISOLATED, {"from": module})
    ledger.setMode(buyer, CROSS, {"from": module})
    trade(seller, buyer, WAD, 10 * WAD, CALL)
    with reverts("IsolatedHoldsOne", buyer, PERP, CALL):
        ledger.setMode(buyer, ISOLATED, {"from": module})


def test_accounts_that_do_not_exist(ledger: Any, module: Any) -> None:
    for call in (
        lambda: ledger.setMode(99, CROSS, {"from": module}),
        lambda: ledger.setEntity(99, 1, {"from": module}),
        lambda: ledger.setDeficit(99, True, {"from": module}),
    ):
        with reverts("UnknownAccount", 99):
            call()
