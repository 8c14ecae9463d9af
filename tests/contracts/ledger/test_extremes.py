"""Numbers that do not fit, and accounts and instruments that there are not: each function of the ledger refuses them by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.ledger.conftest import DEPOSIT, MAX_POSITIONS, PERP, PORTFOLIO, WAD
from tests.reverts import reverts

NOBODY = 999
LARGEST = 2**127 - 1  # int128
BEYOND = 2**255  # no int256
UNKNOWN_KIND = 9 << 104 | 1 << 64 | 10**12
NO_STRIKE = 2 << 104 | 1 << 64  # a call


def test_accounts_that_there_are_not(ledger: Any, module: Any, buyer: int, alice: Any) -> None:
    by = {"from": module}
    for call in (
        lambda: ledger.accrue(NOBODY, {"from": alice}),
        lambda: ledger.book(NOBODY),
        lambda: ledger.setMode(NOBODY, PORTFOLIO, by),
        lambda: ledger.setEntity(NOBODY, 1, by),
        lambda: ledger.setDeficit(NOBODY, True, by),
        lambda: ledger.setOperator(NOBODY, alice, 1, by),
        lambda: ledger.settlePosition(NOBODY, PERP, WAD, by),
        lambda: ledger.changeCash(NOBODY, 1, DEPOSIT, by),
        lambda: ledger.transferCash(NOBODY, buyer, 1, DEPOSIT, by),
        lambda: ledger.changeCollateral(NOBODY, 0, 1, by),
        lambda: ledger.transferCollateral(NOBODY, buyer, 0, 0, by),
        lambda: ledger.transferPosition(NOBODY, buyer, PERP, 1, 1, MAX_POSITIONS, by),
    ):
        with reverts("UnknownAccount", NOBODY):
            call()


def test_a_debtor_that_there_is_not(ledger: Any, module: Any, trade: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, WAD)
    with reverts("UnknownAccount", NOBODY):
        ledger.shareLoss(NOBODY, PERP, True, 1, {"from": module})


@pytest.mark.parametrize(("instrument", "error"), [(UNKNOWN_KIND, "UnknownInstrument"), (NO_STRIKE, "LogarithmOfZero")])
def test_instruments_that_there_are_not(ledger: Any, trade: Any, buyer: int, seller: int, instrument: int, error: str) -> None:
    with reverts(error):
        trade(seller, buyer, WAD, WAD, instrument)


def test_carry_of_an_unknown_kind(ledger: Any) -> None:
    with reverts("UnknownInstrument", UNKNOWN_KIND):
        ledger.carry(UNKNOWN_KIND)


def test_amounts_that_do_not_fit(ledger: Any, module: Any, trade: Any, buyer: int, seller: int) -> None:
    by = {"from": module}
    for call in (
        lambda: ledger.changeCash(buyer, LARGEST + 1, DEPOSIT, by),
        lambda: ledger.changeCollateral(buyer, 0, LARGEST + 1, by),
        lambda: ledger.transferCash(buyer, seller, BEYOND, DEPOSIT, by),
        lambda: ledger.transferCollateral(buyer, seller, 0, BEYOND, by),
        lambda: ledger.setDebitRate(BEYOND, by),
    ):
        with reverts("AmountOutOfRange"):
            call()
    trade(seller, buyer, WAD, WAD)
    with reverts("AmountOutOfRange"):
        ledger.shareLoss(buyer, PERP, True, BEYOND, by)
    ledger.changeCash(buyer, LARGEST, DEPOSIT, by)
    with reverts("AmountOutOfRange", LARGEST + WAD):
        trade(buyer, seller, WAD, 2 * WAD)
    with reverts("AmountOutOfRange", LARGEST + WAD):
        ledger.settlePosition(buyer, PERP, 2 * WAD, by)


def test_interest_that_does_not_fit(ledger: Any, module: Any, buyer: int, anvil: Any) -> None:
    by = {"from": module}
    ledger.setDebitRate(WAD, by)
    ledger.changeCash(buyer, -LARGEST, DEPOSIT, by)
    anvil.advance(86_400)
    for call in (lambda: ledger.setDeficit(buyer, True, by), lambda: ledger.accrue(buyer, by)):
        with reverts("AmountOutOfRange"):
            call()


def test_collateral_that_there_is_not(ledger: Any, module: Any, buyer: int, seller: int) -> None:
    by = {"from": module}
    for call in (
        lambda: ledger.collateral(buyer, 8),
        lambda: ledger.changeCollateral(buyer, 8, 1, by),
        lambda: ledger.transferCollateral(buyer, seller, 8, 1, by),
    ):
        with reverts("CollateralOutOfRange", 8, 8):
            call()


def test_to_oneself(ledger: Any, module: Any, buyer: int) -> None:
    by = {"from": module}
    for call in (
        lambda: ledger.transferCash(buyer, buyer, 1, DEPOSIT, by),
        lambda: ledger.transferCollateral(buyer, buyer, 0, 1, by),
        lambda: ledger.transferPosition(buyer, buyer, PERP, 1, 1, MAX_POSITIONS, by),
    ):
        with reverts("SameAccount", buyer):
            call()
