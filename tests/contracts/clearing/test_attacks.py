"""Each rule of sections 1 and 6 that closes an attack on trades and withdrawals, as the attack: what it wants, where it ends."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.model import Instrument
from tests.contracts.clearing.conftest import MAX_AGE, PERP, PORTFOLIO, SPOT, USDC, WAD, WETH, fee
from tests.reverts import reverts

REDUCE_ONLY = 1
ETH = 0


def test_old_price_straddle_with_oneself(
    open_account: Any, clearing: Any, ledger: Any, trade: Any, publish: Any, move_time: Any, alice: Any
) -> None:
    """Everybody sees that ETH moved; on chain it is still 3,400. A straddle between two accounts of one's own at the old price would
    leave the winner's money to withdraw and the loser's debt to the fund. Neither trade nor withdrawal happens on the old price."""
    winner, loser = open_account(alice, usdc=2_000), open_account(alice, usdc=2_000)
    publish()
    trade(winner, loser, 1, SPOT)  # control: on a fresh price the pair may trade
    move_time(MAX_AGE + 1)
    with reverts("StalePrice", ..., ..., MAX_AGE):
        trade(winner, loser, 8, SPOT)
    with reverts("StalePrice", ..., ..., MAX_AGE):
        clearing.withdraw(winner, USDC, WAD, alice, {"from": alice})
    with reverts("StalePrice", ..., ..., MAX_AGE):
        clearing.transfer(winner, loser, USDC, WAD, {"from": alice})
    with reverts("StalePrice", ..., ..., MAX_AGE):
        clearing.setMode(winner, PORTFOLIO, {"from": alice})
    assert ledger.positionSize(winner, PERP.pack()) == WAD


def test_mango_by_selling_to_oneself(
    open_account: Any, clearing: Any, engine: Any, ledger: Any, trade: Any, publish: Any, alice: Any
) -> None:
    """A long of one's own, the mark pumped by 10 %, the profit realised by selling to a third account of one's own, then out with all
    of it. What can leave is bounded by what was paid in and PROFIT_FRACTION of the profit."""
    long, short, third = (open_account(alice, usdc=10_000) for _ in range(3))
    publish()
    trade(long, short, 20, SPOT)
    publish({"ETH": 3_740.0})
    trade(third, long, 20, 3_740)
    profit = 20 * 340 * WAD
    assert ledger.unvestedProfit(long) == profit
    paid_in = 10_000 * WAD - fee(20, SPOT) - fee(20, 3_740)
    assert ledger.cash(long) == paid_in + profit
    with reverts("InsufficientInitialMargin", long, -(profit // 2), 0):
        clearing.withdraw(long, USDC, paid_in + profit, alice, {"from": alice})
    with reverts("InsufficientInitialMargin", long, ..., 0):  # nor by way of another account
        clearing.transfer(long, third, USDC, paid_in + profit // 2 + 1, {"from": alice})
    clearing.withdraw(long, USDC, (paid_in + profit // 2) // 10**12 * 10**12, alice, {"from": alice})
    assert engine.requirement(long)[2] >= profit // 2  # stays, for a day at least


def test_mango_profit_does_not_travel_with_a_position(
    open_account: Any, clearing: Any, ledger: Any, trade: Any, publish: Any, alice: Any
) -> None:
    """Moving the winning position to another account of one's own at mark realises its profit: that vests like any other."""
    long, short, other = (open_account(alice, usdc=10_000) for _ in range(3))
    publish()
    trade(long, short, 10, SPOT)
    publish({"ETH": 3_700.0})
    clearing.transferPosition(long, other, PERP.pack(), 10 * WAD, {"from": alice})
    assert ledger.unvestedProfit(long) == 3_000 * WAD
    with reverts("InsufficientInitialMargin", long, ..., 0):
        clearing.withdraw(long, USDC, 12_000 * WAD, alice, {"from": alice})


@pytest.fixture
def sinking(open_account: Any, maker_account: int, trade: Any, publish: Any, alice: Any) -> int:
    """Long 10 ETH on 2,000 of cash, ETH at 3,250: equity of about 490, below its initial margin."""
    account = open_account(alice, usdc=2_000)
    publish()
    trade(account, maker_account, 10, SPOT)
    publish({"ETH": 3_250.0})
    return int(account)


def test_dumping_the_loss_on_the_fund_inside_the_price_band(
    sinking: int, open_account: Any, engine: Any, ledger: Any, trade: Any, publish: Any, bob: Any
) -> None:
    """It sells what it holds to an accomplice at the low end of the band: the accomplice gains what the account then owes, and the fund
    would pay it. A price off the mark is a loss that must not exceed what the trade releases, and never below zero equity."""
    accomplice = open_account(bob, usdc=50_000)
    publish({"ETH": 3_250.0})
    before = engine.requirement(sinking)
    assert 0 < before[2] < before[0]
    with reverts("InsufficientInitialMargin", sinking, ..., ...):
        trade(accomplice, sinking, 10, "2925")
    with reverts("InsufficientInitialMargin", sinking, ..., ...):
        trade(accomplice, sinking, 5, "2925")
    with reverts("PriceOutsideBand"):
        trade(accomplice, sinking, 10, "2900")
    trade(accomplice, sinking, 5, 3_250)  # control: at mark it may shrink
    assert engine.requirement(sinking)[2] > 0


def test_dumping_while_reduce_only(
    sinking: int, open_account: Any, breaker: Any, guardian: Any, trade: Any, publish: Any, bob: Any
) -> None:
    """While the breaker is tripped nobody may be there to take it: both sides must have their risk fallen, however rich."""
    accomplice = open_account(bob, usdc=1_000_000)
    breaker.tighten(ETH, REDUCE_ONLY, {"from": guardian})
    publish({"ETH": 3_250.0})
    for price in (3_250, 3_240, 3_260):
        with reverts("RiskMustFall", accomplice, REDUCE_ONLY):
            trade(accomplice, sinking, 5, price)


def test_a_bankrupt_account_does_not_trade_below_the_mark(
    sinking: int, open_account: Any, engine: Any, trade: Any, publish: Any, bob: Any
) -> None:
    accomplice = open_account(bob, usdc=50_000)
    publish({"ETH": 3_150.0})
    assert engine.requirement(sinking)[2] < 0
    with reverts("WorseThanMark", sinking, 3_149 * WAD, 3_150 * WAD):
        trade(accomplice, sinking, 10, 3_149)
    trade(accomplice, sinking, 5, 3_150)


def test_ten_thousand_accounts_not_worth_liquidating(
    open_account: Any, clearing: Any, engine: Any, maker_account: int, trade: Any, publish: Any, alice: Any
) -> None:
    """Accounts so small that no liquidator covers the gas, all on one side: together a debt for the fund. None opens a position with
    less than MIN_ACCOUNT_MARGIN, none is left with less by withdrawing, and a larger one cannot be split into such."""
    small, large = open_account(alice, usdc=9), open_account(alice, usdc=1_000)
    publish()
    with reverts("InsufficientInitialMargin", small, ..., 10 * WAD):
        trade(small, maker_account, "0.01", SPOT)
    trade(large, maker_account, "0.01", SPOT)  # needs 1.70
    assert engine.requirement(large)[0] < 2 * WAD
    with reverts("InsufficientInitialMargin", large, ..., 10 * WAD):
        clearing.withdraw(large, USDC, 990 * WAD, alice, {"from": alice})
    with reverts("InsufficientInitialMargin", large, ..., 10 * WAD):
        clearing.transfer(large, small, USDC, 990 * WAD, {"from": alice})
    with reverts("InsufficientInitialMargin", small, 9 * WAD, 10 * WAD):
        clearing.transferPosition(large, small, PERP.pack(), WAD // 200, {"from": alice})


def test_dust_that_invalidates_a_witness(
    open_account: Any,
    clearing: Any,
    engine: Any,
    weth: Any,
    vault: Any,
    maker_account: int,
    trade: Any,
    publish: Any,
    expiries: Any,
    alice: Any,
    bob: Any,
) -> None:
    """A witness names one scenario per underlying. A speck of WETH in a portfolio of BTC adds an underlying, and every proof on its way
    fails; a stranger, or a second address of the owner, must pay for each, and what is paid makes the account healthier."""
    account = open_account(alice, PORTFOLIO, usdc=20_000)
    publish()
    trade(account, maker_account, "0.1", 94_000, Instrument.perp(1))
    engine.witnessed(account, (b"\0", b"\0"))  # one underlying, one group
    weth.mint(bob, WAD, {"from": bob})
    weth.approve(vault, WAD, {"from": bob})
    with reverts("ForeignDepositTooSmall", account, SPOT, 10 * WAD):
        clearing.deposit(account, WETH, 1, {"from": bob})
    engine.witnessed(account, (b"\0", b"\0"))
    equity = engine.requirement(account)[2]
    clearing.deposit(account, WETH, WAD // 100, {"from": bob})
    with reverts("BadWitness", 2, 1):  # control: this is what the dust was for
        engine.witnessed(account, (b"\0", b"\0"))
    assert engine.requirement(account)[2] - equity == 34 * WAD


def test_jelly_margin_pulled_from_under_a_position(
    open_account: Any, clearing: Any, engine: Any, maker_account: int, trade: Any, publish: Any, alice: Any
) -> None:
    """A large position, then all margin out, so that the venue inherits it: below initial margin nothing leaves."""
    account = open_account(alice, usdc=10_000)
    publish()
    trade(maker_account, account, 40, SPOT)
    required = engine.requirement(account)[0]
    free = 10_000 * WAD - fee(40, SPOT) - required
    with reverts("InsufficientInitialMargin", account, ..., required):
        clearing.withdraw(account, USDC, free - free % 10**12 + 10**12, alice, {"from": alice})
    clearing.withdraw(account, USDC, free - free % 10**12, alice, {"from": alice})
