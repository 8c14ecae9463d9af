"""Ledger.book: what the margin engine reads, word by word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import pytest

from keeper.model import Instrument
from tests.contracts.ledger.conftest import CALL, DEPOSIT, EXPIRY, ISOLATED, PERP, PORTFOLIO, WAD


def unpack(word: int) -> tuple[int, int, int]:
    """(size, ln(strike) in 2**-42, instrument) as types/Position.sol draws it."""
    size, ln_strike = word >> 160, word >> 112 & 2**48 - 1
    return size - 2**96 * (size >> 95), ln_strike - 2**48 * (ln_strike >> 47), word & 2**112 - 1


def test_empty(ledger: Any, account_of: Callable[..., int], alice: Any) -> None:
    mode, balance, collateral, positions = ledger.book(account_of(alice, ISOLATED))
    assert (mode, balance, len(collateral), len(positions)) == (ISOLATED, 0, 0, 0)


def test_everything_an_account_has(ledger: Any, module: Any, trade: Any, account_of: Any, alice: Any, seller: int) -> None:
    account = account_of(alice, PORTFOLIO)
    ledger.changeCash(account, 100 * WAD, DEPOSIT, {"from": module})
    ledger.changeCollateral(account, 2, 9 * WAD, {"from": module})
    trade(seller, account, 2 * WAD, 40 * WAD, CALL)
    trade(account, seller, 3 * WAD, 10 * WAD, PERP)
    mode, balance, collateral, positions = ledger.book(account)
    assert mode == PORTFOLIO
    assert balance == (100 - 80 + 30) * WAD  # cash - costs: equity is this plus sizes at mark
    assert list(collateral) == [0, 0, 9 * WAD]  # as long as the highest index held
    assert [(size, instrument) for size, _, instrument in map(unpack, positions)] == [(2 * WAD, CALL), (-3 * WAD, PERP)]


@pytest.mark.parametrize("strike", ["0.00000001", "0.0025", "0.99999999", "1", "1.00000001", "2.71828182", "3500", "184467440737.09551615"])
def test_logarithm_of_the_strike(ledger: Any, trade: Any, buyer: int, seller: int, strike: str) -> None:
    """To nearest, to within the 2e-18 of the logarithm itself: 1e-5 of the unit."""
    instrument = Instrument.call(0, EXPIRY, strike).pack()
    trade(seller, buyer, WAD, WAD, instrument)
    _, ln_strike, found = unpack(ledger.book(buyer)[3][0])
    with mpmath.workdps(50):
        exact = mpmath.log(mpmath.mpf(strike)) * 2**42
    assert found == instrument
    assert abs(ln_strike - exact) <= 0.50002


def test_logarithm_survives_changes_of_size(ledger: Any, trade: Any, buyer: int, seller: int) -> None:
    trade(seller, buyer, WAD, WAD, CALL)
    before = unpack(ledger.book(buyer)[3][0])[1]
    trade(buyer, seller, 4 * WAD, WAD, CALL)
    assert unpack(ledger.book(buyer)[3][0]) == (-3 * WAD, before, CALL)
    assert unpack(ledger.book(seller)[3][0]) == (3 * WAD, before, CALL)
    assert before > 0


def test_perps_and_futures_have_none(ledger: Any, trade: Any, buyer: int, seller: int) -> None:
    future = Instrument.future(0, EXPIRY).pack()
    trade(seller, buyer, WAD, WAD, PERP)
    trade(seller, buyer, WAD, WAD, future)
    assert [unpack(word)[1:] for word in ledger.book(buyer)[3]] == [(0, PERP), (0, future)]


def test_the_largest_book(ledger: Any, trade: Any, buyer: int, seller: int) -> None:
    instruments = [Instrument.put(1, EXPIRY, 1_000 + step).pack() for step in range(64)]
    for instrument in instruments:
        trade(seller, buyer, WAD, WAD, instrument)
    assert [unpack(word)[2] for word in ledger.book(buyer)[3]] == instruments
    assert ledger.book(buyer)[1] == -64 * WAD
