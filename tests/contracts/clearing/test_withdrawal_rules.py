"""MarginCheck.requireWithdrawal: what counts as free, and when nothing leaves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.clearing.conftest import PORTFOLIO, SPOT, USDC, WAD, WETH, fee
from tests.reverts import reverts

REDUCE_ONLY, HALTED = 1, 2
GLOBAL, ETH, BTC = 255, 0, 1


@pytest.fixture
def winner(open_account: Any, maker_account: int, trade: Any, publish: Any, alice: Any) -> int:
    """10,000 of cash, long 10 ETH from 3,400; the price is 3,500: 1,000 of unrealised profit."""
    account = open_account(alice, usdc=10_000)
    publish()
    trade(account, maker_account, 10, SPOT)
    publish({"ETH": 3_500.0})
    return int(account)


@pytest.mark.parametrize("fraction", [0, WAD // 2, WAD])
def test_unrealised_profit_counts_in_part(
    winner: int, clearing: Any, engine: Any, ledger: Any, publish: Any, govern: Any, alice: Any, fraction: int
) -> None:
    govern("PROFIT_FRACTION", fraction)
    publish({"ETH": 3_500.0})
    cash = 10_000 * WAD - fee(10, SPOT)
    required = engine.requirement(winner)[0]
    free = cash + 1_000 * WAD * fraction // WAD - required
    over = free - free % 10**12 + 10**12
    with reverts("InsufficientInitialMargin", winner, ..., required):
        clearing.withdraw(winner, USDC, over, alice, {"from": alice})
    clearing.withdraw(winner, USDC, over - 10**12, alice, {"from": alice})
    assert ledger.cash(winner) == cash - over + 10**12


def test_a_loss_counts_in_full(
    open_account: Any, maker_account: int, clearing: Any, engine: Any, trade: Any, publish: Any, govern: Any, alice: Any
) -> None:
    """Only profit is held back: the loss of the short is in its equity already."""
    account = open_account(alice, usdc=10_000)
    publish()
    trade(maker_account, account, 10, SPOT)
    publish({"ETH": 3_500.0})
    required = engine.requirement(account)[0]
    free = 10_000 * WAD - fee(10, SPOT) - 1_000 * WAD - required
    publish({"ETH": 3_500.0})
    with reverts("InsufficientInitialMargin"):
        clearing.withdraw(account, USDC, free - free % 10**12 + 10**12, alice, {"from": alice})
    clearing.withdraw(account, USDC, free - free % 10**12, alice, {"from": alice})


def test_collateral_is_no_profit(
    open_account: Any, maker_account: int, clearing: Any, engine: Any, trade: Any, publish: Any, govern: Any, alice: Any
) -> None:
    govern("PROFIT_FRACTION", 0)
    account = open_account(alice, PORTFOLIO, usdc=2_000, weth=10)
    publish()
    trade(account, maker_account, 1, SPOT)
    publish({"ETH": 3_500.0})
    clearing.withdraw(account, USDC, 1_900 * WAD, alice, {"from": alice})


def test_the_least_margin_stays(open_account: Any, maker_account: int, clearing: Any, trade: Any, publish: Any, alice: Any) -> None:
    account = open_account(alice, usdc=100)
    publish()
    trade(account, maker_account, "0.001", SPOT)  # needs 0.17
    with reverts("InsufficientInitialMargin", account, ..., 10 * WAD):
        clearing.withdraw(account, USDC, 90 * WAD, alice, {"from": alice})
    clearing.withdraw(account, USDC, 89 * WAD, alice, {"from": alice})


def test_collateral_does_not_leave_a_debt(
    open_account: Any, maker_account: int, clearing: Any, ledger: Any, trade: Any, publish: Any, alice: Any
) -> None:
    account = open_account(alice, weth=10)
    publish()
    trade(account, maker_account, 2, SPOT)
    publish({"ETH": 3_200.0})
    trade(maker_account, account, 2, 3_200)
    assert ledger.cash(account) < -100 * WAD
    publish({"ETH": 3_200.0})
    with reverts("DebtAboveCap", account, ..., 100 * WAD):
        clearing.withdraw(account, WETH, WAD, alice, {"from": alice})


@pytest.mark.parametrize("scope", [GLOBAL, ETH])
def test_nothing_leaves_while_halted(winner: int, clearing: Any, breaker: Any, guardian: Any, publish: Any, alice: Any, scope: int) -> None:
    breaker.tighten(scope, HALTED, {"from": guardian})
    publish({"ETH": 3_500.0})
    with reverts("WithdrawalsHalted", winner, HALTED):
        clearing.withdraw(winner, USDC, WAD, alice, {"from": alice})


def test_who_does_not_depend_on_it_may_leave(winner: int, clearing: Any, breaker: Any, guardian: Any, publish: Any, alice: Any) -> None:
    breaker.tighten(BTC, HALTED, {"from": guardian})
    publish({"ETH": 3_500.0})
    clearing.withdraw(winner, USDC, WAD, alice, {"from": alice})


def test_collateral_depends_on_its_price(open_account: Any, clearing: Any, breaker: Any, guardian: Any, publish: Any, alice: Any) -> None:
    account = open_account(alice, usdc=10, weth=1)
    breaker.tighten(ETH, HALTED, {"from": guardian})
    publish()
    with reverts("WithdrawalsHalted", account, HALTED):
        clearing.withdraw(account, USDC, WAD, alice, {"from": alice})


@pytest.fixture
def crashed(price_door: Any, strict_breaker: Any, breaker: Any, confirm: Any) -> Any:
    """ETH falls by 20 % at once: the breaker trips, and after half a minute the confirmed jump applies."""

    def crash() -> None:
        confirm({"ETH": 2_720.0})
        assert breaker.stateOf(ETH) == REDUCE_ONLY
        assert (price_door.prices(ETH)[0], price_door.preTripSpot(ETH)) == (2_720 * WAD, 3_400 * WAD)

    return crash


@pytest.mark.parametrize("side", [1, -1])
def test_tripped_each_leg_counts_at_its_worse_price(
    open_account: Any,
    maker_account: int,
    clearing: Any,
    engine: Any,
    crashed: Any,
    trade: Any,
    publish: Any,
    alice: Any,
    side: int,
) -> None:
    """The short won 680 per contract in the crash; while tripped it counts as if the price were still 3,400. The long lost them."""
    account = open_account(alice, usdc=10_000)
    publish()
    trade(*((account, maker_account) if side > 0 else (maker_account, account)), 5, SPOT)
    crashed()
    required = engine.requirement(account)[0]
    free = 10_000 * WAD - fee(5, SPOT) - required - (5 * 680 * WAD if side > 0 else 0)
    with reverts("InsufficientInitialMargin", account, ..., required):
        clearing.withdraw(account, USDC, free - free % 10**12 + 10**12, alice, {"from": alice})
    clearing.withdraw(account, USDC, free - free % 10**12, alice, {"from": alice})


# --- vesting ---


def test_realised_profit_vests(
    winner: int, maker_account: int, clearing: Any, ledger: Any, trade: Any, publish: Any, move_time: Any, alice: Any
) -> None:
    """1,000 realised by closing: half of it counts today, all of it once the vesting period has passed twice at most."""
    trade(maker_account, winner, 10, 3_500)
    assert ledger.unvestedProfit(winner) == 1_000 * WAD
    cash = ledger.cash(winner)
    free = cash - 500 * WAD
    with reverts("InsufficientInitialMargin", winner, -(10**12), 0):
        clearing.withdraw(winner, USDC, free - free % 10**12 + 10**12, alice, {"from": alice})
    clearing.withdraw(winner, USDC, free - free % 10**12, alice, {"from": alice})
    move_time(2 * 86_400)
    left = ledger.cash(winner)
    clearing.withdraw(winner, USDC, left - left % 10**12, alice, {"from": alice})


def test_losses_still_open_offset_what_was_realised(
    winner: int, maker_account: int, clearing: Any, engine: Any, trade: Any, publish: Any, alice: Any
) -> None:
    """1,000 realised on half of the position, then the rest falls by 1,000: nothing was won, nothing is held back."""
    trade(maker_account, winner, 5, 3_500)
    publish({"ETH": 3_300.0})
    required = engine.requirement(winner)[0]
    equity = engine.requirement(winner)[2]
    free = equity - required
    publish({"ETH": 3_300.0})
    clearing.withdraw(winner, USDC, free - free % 10**12, alice, {"from": alice})
