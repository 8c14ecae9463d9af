"""Clearing.withdraw: what may leave, and when."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.clearing.conftest import CROSS, ISOLATED, MAX_AGE, PORTFOLIO, SPOT, USDC, WAD, WETH, fee
from tests.reverts import reverts


@pytest.mark.parametrize("mode", [ISOLATED, CROSS, PORTFOLIO])
def test_an_empty_account_needs_no_price(
    clearing: Any, ledger: Any, vault: Any, usdc: Any, open_account: Any, alice: Any, bob: Any, mode: int
) -> None:
    account = open_account(alice, mode, usdc=1_000)
    recorded = vault.recorded(USDC)
    event = clearing.withdraw(account, USDC, 400 * WAD, bob, {"from": alice}).events["Withdrawn"]
    assert (event["account"], event["token"], event["to"], event["quantity"]) == (account, USDC, bob, 400 * WAD)
    assert usdc.balanceOf(bob) == 400 * 10**6
    assert ledger.cash(account) == 600 * WAD
    assert recorded - vault.recorded(USDC) == 400 * WAD
    clearing.withdraw(account, USDC, 600 * WAD, bob, {"from": alice})
    assert ledger.cash(account) == 0


def test_collateral(clearing: Any, ledger: Any, weth: Any, open_account: Any, publish: Any, alice: Any) -> None:
    account = open_account(alice, weth=3)
    publish()
    clearing.withdraw(account, WETH, WAD, alice, {"from": alice})
    clearing.withdraw(account, WETH, 2 * WAD, alice, {"from": alice})
    assert weth.balanceOf(alice) == 3 * WAD
    assert ledger.collateral(account, WETH) == 0


@pytest.mark.parametrize("scope", [1, 2])
def test_needs_the_scope(clearing: Any, open_account: Any, alice: Any, bob: Any, scope: int) -> None:
    account = open_account(alice, usdc=1)
    clearing.setOperator(account, bob, scope, {"from": alice})
    if scope == 2:
        clearing.withdraw(account, USDC, WAD, bob, {"from": bob})
    else:
        with reverts("NotAuthorised", account, bob.address):
            clearing.withdraw(account, USDC, WAD, bob, {"from": bob})


def test_foreign_and_unknown_accounts(clearing: Any, open_account: Any, alice: Any, stranger: Any) -> None:
    account = open_account(alice, usdc=1)
    for target in (account, account + 1, 0):
        with reverts("NotAuthorised", target, stranger.address):
            clearing.withdraw(target, USDC, WAD, stranger, {"from": stranger})


def test_refuses_nothing(clearing: Any, open_account: Any, alice: Any) -> None:
    account = open_account(alice, usdc=1)
    with reverts("ZeroAmount"):
        clearing.withdraw(account, USDC, 0, alice, {"from": alice})


def test_more_than_there_is(clearing: Any, open_account: Any, publish: Any, alice: Any) -> None:
    account = open_account(alice, usdc=10, weth=1)
    publish()
    with reverts("InsufficientCash", account, 10 * WAD, 10 * WAD + 10**12):
        clearing.withdraw(account, USDC, 10 * WAD + 10**12, alice, {"from": alice})
    with reverts("InsufficientCash", account, 10 * WAD, 2**256 - 1):
        clearing.withdraw(account, USDC, 2**256 - 1, alice, {"from": alice})
    with reverts("InsufficientCollateral", account, WETH, WAD, WAD + 1):
        clearing.withdraw(account, WETH, WAD + 1, alice, {"from": alice})
    with reverts("InsufficientCollateral", account, WETH, WAD, 2**256 - 1):
        clearing.withdraw(account, WETH, 2**256 - 1, alice, {"from": alice})
    with reverts("InsufficientCollateral", account, 1, 0, WAD):
        clearing.withdraw(account, 1, WAD, alice, {"from": alice})
    with reverts("CollateralOutOfRange", 9, 8):
        clearing.withdraw(account, 9, WAD, alice, {"from": alice})


def test_fractions_of_a_token_unit(clearing: Any, open_account: Any, alice: Any) -> None:
    account = open_account(alice, usdc=10)
    with reverts("QuantityNotRepresentable", USDC, WAD - 1):
        clearing.withdraw(account, USDC, WAD - 1, alice, {"from": alice})


def test_initial_margin_stays(
    clearing: Any, ledger: Any, open_account: Any, publish: Any, trade: Any, alice: Any, maker_account: int
) -> None:
    """10 ETH at 3,400: 5 % of 34,000 are 1,700. One millionth of a dollar less does not pass."""
    account = open_account(alice, CROSS, usdc=5_000)
    publish()
    trade(account, maker_account, 10, SPOT)
    free = 5_000 * WAD - fee(10, SPOT) - 1_700 * WAD
    with reverts("InsufficientInitialMargin", account, 1_700 * WAD - 10**12, 1_700 * WAD):
        clearing.withdraw(account, USDC, free + 10**12, alice, {"from": alice})
    clearing.withdraw(account, USDC, free, alice, {"from": alice})
    assert ledger.cash(account) == 1_700 * WAD


def test_margin_cannot_be_pulled_from_under_a_losing_position(
    clearing: Any, open_account: Any, publish: Any, trade: Any, alice: Any, maker_account: int
) -> None:
    """JELLY, March 2025."""
    account = open_account(alice, CROSS, usdc=5_000)
    publish()
    trade(account, maker_account, 10, SPOT)
    publish({"ETH": 3_000.0})  # equity 5,000 - 10.2 - 4,000
    with reverts("InsufficientInitialMargin", account, 988_800_000_000_000_000_000, 1_500 * WAD):
        clearing.withdraw(account, USDC, WAD, alice, {"from": alice})


def test_unrealised_profit_is_not_paid_out(
    clearing: Any, open_account: Any, publish: Any, trade: Any, alice: Any, maker_account: int
) -> None:
    account = open_account(alice, CROSS, usdc=2_000)
    publish()
    trade(account, maker_account, 10, SPOT)
    publish({"ETH": 4_400.0})  # 10,000 of profit on paper, 2,200 of margin
    cash = 2_000 * WAD - fee(10, SPOT)
    with reverts("InsufficientCash", account, cash, cash + 200_000_000_000_000_000):
        clearing.withdraw(account, USDC, cash + 200_000_000_000_000_000, alice, {"from": alice})
    clearing.withdraw(account, USDC, cash, alice, {"from": alice})


def test_a_debt_is_not_cash(
    clearing: Any, ledger: Any, open_account: Any, publish: Any, trade: Any, alice: Any, maker_account: int
) -> None:
    account = open_account(alice, CROSS, usdc=1, weth=10)
    publish()
    trade(account, maker_account, 10, SPOT)
    cash = WAD - fee(10, SPOT)
    assert ledger.cash(account) == cash < 0
    with reverts("InsufficientCash", account, cash, WAD):
        clearing.withdraw(account, USDC, WAD, alice, {"from": alice})


def test_collateral_under_a_position_stays(
    clearing: Any, open_account: Any, publish: Any, trade: Any, alice: Any, maker_account: int
) -> None:
    account = open_account(alice, CROSS, usdc=100, weth=1)
    publish()
    trade(account, maker_account, 1, SPOT)
    # 3,400 of notional need 170; without the token 100 less the fee are left.
    with reverts("InsufficientInitialMargin", account, 100 * WAD - fee(1, SPOT), 170 * WAD):
        clearing.withdraw(account, WETH, WAD, alice, {"from": alice})


def test_stale_prices(
    clearing: Any, price_door: Any, open_account: Any, publish: Any, trade: Any, move_time: Any, alice: Any, maker_account: int
) -> None:
    account = open_account(alice, CROSS, usdc=100_000)
    publish()
    trade(account, maker_account, 1, SPOT)
    _, _, signed_at = price_door.prices(0)
    move_time(MAX_AGE + 1)
    with reverts("StalePrice", signed_at, ..., MAX_AGE):
        clearing.withdraw(account, USDC, WAD, alice, {"from": alice})
    publish()
    clearing.withdraw(account, USDC, WAD, alice, {"from": alice})
