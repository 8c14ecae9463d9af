"""Ledger.changeCash, transferCash, changeCollateral, transferCollateral."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.ledger.conftest import DEPOSIT, FEE, WAD, WITHDRAWAL
from tests.reverts import reverts

HOUSE = 0
LARGEST = 2**127 - 1


def test_cash_enters_and_leaves(ledger: Any, module: Any, buyer: int) -> None:
    event = ledger.changeCash(buyer, 5 * WAD, DEPOSIT, {"from": module}).events["CashChanged"]
    assert (event["account"], event["reason"], event["change"], event["cash"]) == (buyer, DEPOSIT, 5 * WAD, 5 * WAD)
    event = ledger.changeCash(buyer, -2 * WAD, WITHDRAWAL, {"from": module}).events["CashChanged"]
    assert (event["change"], event["cash"]) == (-2 * WAD, 3 * WAD)
    assert ledger.cash(buyer) == 3 * WAD
    assert ledger.costs(buyer) == 0


def test_cash_moves_exactly(ledger: Any, module: Any, buyer: int) -> None:
    receipt = ledger.transferCash(buyer, HOUSE, 7, FEE, {"from": module})
    assert [(e["account"], e["reason"], e["change"], e["cash"]) for e in receipt.events["CashChanged"]] == [
        (buyer, FEE, -7, -7),
        (HOUSE, FEE, 7, 7),
    ]
    assert (ledger.cash(buyer), ledger.cash(HOUSE)) == (-7, 7)


def test_cash_keeps_the_costs_beside_it(ledger: Any, module: Any, trade: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, 10 * WAD)
    ledger.changeCash(buyer, -3 * WAD, WITHDRAWAL, {"from": module})
    ledger.changeCash(seller, 4 * WAD, DEPOSIT, {"from": module})
    assert (ledger.cash(buyer), ledger.costs(buyer)) == (-3 * WAD, 10 * WAD)
    assert (ledger.cash(seller), ledger.costs(seller)) == (4 * WAD, -10 * WAD)


def test_cash_stays_in_its_type(ledger: Any, module: Any, buyer: int) -> None:
    ledger.changeCash(buyer, LARGEST, DEPOSIT, {"from": module})
    assert ledger.cash(buyer) == LARGEST
    with reverts("AmountOutOfRange", LARGEST + 1):
        ledger.changeCash(buyer, 1, DEPOSIT, {"from": module})
    with reverts("AmountOutOfRange", -(2**255)):
        ledger.changeCash(buyer, -(2**255), DEPOSIT, {"from": module})


@pytest.mark.parametrize(("amount", "shown"), [(2**127 + 1, -(2**127) - 1), (2**256 - 1, 2**255 - 1)])
def test_transfer_stays_in_its_type(ledger: Any, module: Any, buyer: int, seller: int, amount: int, shown: int) -> None:
    with reverts("AmountOutOfRange", shown):
        ledger.transferCash(buyer, seller, amount, FEE, {"from": module})


def test_unknown_accounts_have_no_cash(ledger: Any, module: Any, buyer: int) -> None:
    with reverts("UnknownAccount", 9):
        ledger.changeCash(9, 1, DEPOSIT, {"from": module})
    with reverts("UnknownAccount", 9):
        ledger.transferCash(buyer, 9, 1, FEE, {"from": module})
    with reverts("UnknownAccount", 9):
        ledger.transferCash(9, buyer, 1, FEE, {"from": module})
    with reverts("SameAccount", buyer):
        ledger.transferCash(buyer, buyer, 1, FEE, {"from": module})


def test_collateral_enters_and_leaves(ledger: Any, module: Any, buyer: int) -> None:
    event = ledger.changeCollateral(buyer, 3, 5 * WAD, {"from": module}).events["CollateralChanged"]
    assert (event["account"], event["index"], event["change"], event["quantity"]) == (buyer, 3, 5 * WAD, 5 * WAD)
    ledger.changeCollateral(buyer, 0, 2 * WAD, {"from": module})
    assert ledger.account(buyer)[3] == 0b1001
    ledger.changeCollateral(buyer, 3, -WAD, {"from": module})
    assert ledger.collateral(buyer, 3) == 4 * WAD
    ledger.changeCollateral(buyer, 3, -4 * WAD, {"from": module})
    assert ledger.collateral(buyer, 3) == 0
    assert ledger.account(buyer)[3] == 0b0001


def test_collateral_moves_exactly(ledger: Any, module: Any, buyer: int, seller: int) -> None:
    ledger.changeCollateral(buyer, 1, 5, {"from": module})
    ledger.transferCollateral(buyer, seller, 1, 5, {"from": module})
    assert (ledger.collateral(buyer, 1), ledger.collateral(seller, 1)) == (0, 5)
    assert (ledger.account(buyer)[3], ledger.account(seller)[3]) == (0, 0b10)


def test_collateral_is_never_negative(ledger: Any, module: Any, buyer: int, seller: int) -> None:
    ledger.changeCollateral(buyer, 0, 5, {"from": module})
    with reverts("InsufficientCollateral", buyer, 0, 5, 6):
        ledger.changeCollateral(buyer, 0, -6, {"from": module})
    with reverts("InsufficientCollateral", buyer, 0, 5, 6):
        ledger.transferCollateral(buyer, seller, 0, 6, {"from": module})


def test_collateral_bounds(ledger: Any, module: Any, buyer: int, seller: int) -> None:
    with reverts("CollateralOutOfRange", 8, 8):
        ledger.changeCollateral(buyer, 8, 1, {"from": module})
    with reverts("CollateralOutOfRange", 255, 8):
        ledger.collateral(buyer, 255)
    ledger.changeCollateral(buyer, 7, LARGEST, {"from": module})
    with reverts("AmountOutOfRange", LARGEST + 1):
        ledger.changeCollateral(buyer, 7, 1, {"from": module})
    with reverts("UnknownAccount", 9):
        ledger.changeCollateral(9, 0, 1, {"from": module})
    with reverts("SameAccount", buyer):
        ledger.transferCollateral(buyer, buyer, 0, 1, {"from": module})
    with reverts("AmountOutOfRange", 2**255 - 1):
        ledger.transferCollateral(buyer, seller, 0, 2**255, {"from": module})
