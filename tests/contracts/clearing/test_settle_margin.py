"""Clearing.settle: initial margin of both sides, or lower risk."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.model import Instrument
from tests.contracts.clearing.conftest import CROSS, ISOLATED, MAX_AGE, PERP, PORTFOLIO, SPOT, USDC, WAD, fee
from tests.reverts import reverts

MICRO = 10**12  # the smallest unit of the settlement token


@pytest.mark.parametrize("side", ["buyer", "seller"])
@pytest.mark.parametrize("mode", [ISOLATED, CROSS])
def test_initial_margin_to_the_last_unit(
    open_account: Any, fund: Any, publish: Any, trade: Any, alice: Any, maker_account: int, mode: int, side: str
) -> None:
    """10 ETH at a mark of 3,400: 1,700 of initial margin and 10.20 of fees."""
    account = open_account(alice, mode, usdc=1_710.199999)
    sides = (account, maker_account) if side == "buyer" else (maker_account, account)
    publish()
    with reverts("InsufficientInitialMargin", account, 1_700 * WAD - MICRO, 1_700 * WAD):
        trade(*sides, 10, SPOT)
    fund(account, alice, usdc_amount=0.000001)
    publish()
    trade(*sides, 10, SPOT)


def test_a_bad_price_costs_margin(open_account: Any, publish: Any, trade: Any, alice: Any, maker_account: int) -> None:
    """Buying 10 ETH 50 above mark loses 500 at once."""
    account = open_account(alice, CROSS, usdc=2_000)
    publish()
    with reverts("InsufficientInitialMargin", account, 1_500 * WAD - fee(10, 3_450), 1_700 * WAD):
        trade(account, maker_account, 10, 3_450)


def test_portfolio_requirement_is_the_engines(
    engine: Any, ledger: Any, open_account: Any, publish: Any, trade: Any, alice: Any, maker_account: int, expiries: Any
) -> None:
    """Short calls hedged with the perp: the offset counts in PORTFOLIO mode."""
    call = Instrument.call(0, expiries[1], 3_600)
    account = open_account(alice, PORTFOLIO, usdc=60_000)
    publish()
    trade(maker_account, account, 10, 150, call)
    trade(account, maker_account, 4, SPOT)
    publish()
    requirement = engine.requirement(account)
    assert 0 < requirement[0] < ledger.cash(account)
    assert requirement[3] >= requirement[0]


@pytest.fixture
def underwater(open_account: Any, publish: Any, trade: Any, alice: Any, maker_account: int) -> int:
    """Alice, long 10 ETH at 3,400, with 2,000 of cash; the price is 3,250: equity 489.80, initial margin 1,625."""
    account = open_account(alice, CROSS, usdc=2_000)
    publish()
    trade(account, maker_account, 10, SPOT)
    publish({"ETH": 3_250.0})
    return account


def test_lower_risk_is_always_allowed(ledger: Any, trade: Any, underwater: int, maker_account: int) -> None:
    trade(maker_account, underwater, 4, 3_250)
    assert ledger.positionSize(underwater, PERP.pack()) == 6 * WAD


def test_more_risk_is_not(trade: Any, underwater: int, maker_account: int) -> None:
    equity = 500 * WAD - fee(10, SPOT)
    with reverts("InsufficientInitialMargin", underwater, equity - fee(1, 3_250), 17_875 * WAD // 10):
        trade(underwater, maker_account, 1, 3_250)


def test_a_reduction_that_widens_the_shortfall_is_not(trade: Any, underwater: int, maker_account: int) -> None:
    """5 ETH release 812.50 of margin: sold 170 under mark they lose 850."""
    equity = 500 * WAD - fee(10, SPOT) - 850 * WAD - fee(5, 3_080)
    with reverts("InsufficientInitialMargin", underwater, equity, 8_125 * WAD // 10):
        trade(maker_account, underwater, 5, 3_080)


def test_a_reduction_into_bankruptcy_is_not(trade: Any, underwater: int, maker_account: int) -> None:
    """Sold 100 under mark the shortfall falls (812.50 against 500), but nothing is left to pay with."""
    equity = 500 * WAD - fee(10, SPOT) - 500 * WAD - fee(5, 3_150)
    assert equity < 0
    with reverts("InsufficientInitialMargin", underwater, equity, 8_125 * WAD // 10):
        trade(maker_account, underwater, 5, 3_150)


def test_a_flip_is_judged_by_risk(trade: Any, underwater: int, maker_account: int) -> None:
    with reverts("InsufficientInitialMargin", underwater, ..., 1_625 * WAD):
        trade(maker_account, underwater, 20, 3_250)  # as much risk as before, and fees paid
    trade(maker_account, underwater, 18, 3_250)


def test_size_is_not_the_test(
    ledger: Any, open_account: Any, publish: Any, trade: Any, alice: Any, maker_account: int, expiries: Any
) -> None:
    """A hedge is a larger book and a smaller risk; taking it off is the reverse."""
    account = open_account(alice, PORTFOLIO, usdc=8_000)
    future = Instrument.future(0, expiries[1])
    publish()
    trade(account, maker_account, 10, SPOT)
    publish({"ETH": 3_150.0})
    trade(maker_account, account, 8, 3_150, future)  # opens a position, lowers the risk
    assert ledger.positionSize(account, future.pack()) == -8 * WAD
    publish({"ETH": 2_700.0})
    with reverts("InsufficientInitialMargin", account, ..., ...):
        trade(account, maker_account, 8, 2_700, future)  # closes a position, raises the risk


def test_stale_prices_stop_new_risk(
    price_door: Any, open_account: Any, publish: Any, trade: Any, move_time: Any, alice: Any, maker_account: int
) -> None:
    account = open_account(alice, CROSS, usdc=100_000)
    publish()
    trade(account, maker_account, 10, SPOT)
    _, _, signed_at = price_door.prices(0)
    move_time(MAX_AGE)
    with reverts("StalePrice", signed_at, ..., MAX_AGE):
        trade(account, maker_account, 1, SPOT)
    with reverts("StalePrice", signed_at, ..., MAX_AGE):
        trade(maker_account, account, 20, SPOT)  # a flip to the same size


def test_stale_prices_let_both_sides_reduce(
    ledger: Any, open_account: Any, publish: Any, trade: Any, move_time: Any, alice: Any, bob: Any, maker_account: int
) -> None:
    account, other = open_account(alice, CROSS, usdc=100_000), open_account(bob, CROSS, usdc=100_000)
    publish()
    trade(account, other, 10, SPOT)
    move_time(3_600)
    trade(other, account, 4, SPOT)
    assert ledger.positionSize(account, PERP.pack()) == 6 * WAD
    with reverts("StalePrice", ..., ..., MAX_AGE):
        trade(maker_account, account, 6, SPOT)  # the other side opens
    trade(other, account, 6, SPOT)
    assert ledger.positionSize(account, PERP.pack()) == ledger.positionSize(other, PERP.pack()) == 0


def test_old_prices_allow_no_straddle_with_oneself(open_account: Any, publish: Any, trade: Any, move_time: Any, alice: Any) -> None:
    """An old price and two own accounts, one of which wins whatever the true price is."""
    long, short = open_account(alice, CROSS, usdc=2_000), open_account(alice, CROSS, usdc=2_000)
    publish()
    move_time(MAX_AGE + 1)
    with reverts("StalePrice", ..., ..., MAX_AGE):
        trade(long, short, 10, SPOT)


@pytest.fixture
def bankrupt(underwater: int, publish: Any) -> int:
    """The price is 3,000: equity is -2,010.20."""
    publish({"ETH": 3_000.0})
    return underwater


def test_a_bankrupt_account_trades_at_mark(ledger: Any, trade: Any, bankrupt: int, maker_account: int) -> None:
    trade(maker_account, bankrupt, 5, 3_000)
    assert ledger.positionSize(bankrupt, PERP.pack()) == 5 * WAD
    trade(maker_account, bankrupt, 5, 3_010)  # or better
    assert ledger.cash(bankrupt) < 0


def test_a_bankrupt_account_passes_nothing_on(trade: Any, bankrupt: int, maker_account: int) -> None:
    """Selling below mark to a friend would hand him what the fund then pays."""
    with reverts("WorseThanMark", bankrupt, 2_999 * WAD, 3_000 * WAD):
        trade(maker_account, bankrupt, 5, 2_999)


def test_a_bankrupt_account_needs_fresh_prices(
    price_door: Any, open_account: Any, publish: Any, trade: Any, move_time: Any, alice: Any, bob: Any
) -> None:
    account, other = open_account(alice, CROSS, usdc=2_000), open_account(bob, CROSS, usdc=100_000)
    publish()
    trade(account, other, 10, SPOT)
    publish({"ETH": 3_000.0})
    _, _, signed_at = price_door.prices(0)
    move_time(MAX_AGE)
    with reverts("StalePrice", signed_at, ..., MAX_AGE):
        trade(other, account, 5, 3_000)


def test_debt_of_a_closed_account_is_not_traded_away(
    ledger: Any, trade: Any, bankrupt: int, maker_account: int, clearing: Any, alice: Any
) -> None:
    trade(maker_account, bankrupt, 10, 3_000)
    debt = 2_000 * WAD - 4_000 * WAD - fee(10, SPOT) - fee(10, 3_000)
    assert ledger.cash(bankrupt) == debt
    with reverts("InsufficientCash", bankrupt, debt, WAD):
        clearing.withdraw(bankrupt, USDC, WAD, alice, {"from": alice})
