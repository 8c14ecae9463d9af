"""Clearing.transfer, transferPosition and setMode: what an owner moves between accounts, and how an account is margined."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.model import Instrument
from tests.contracts.clearing.conftest import BTC_PERP, CROSS, ISOLATED, MAX_AGE, PERP, PORTFOLIO, SPOT, USDC, WAD, WETH
from tests.reverts import reverts

TRADE, WITHDRAW = 1, 2
TRANSFER = 13  # ILedger.CashReason


@pytest.fixture
def two(open_account: Any, maker_account: int, publish: Any, alice: Any) -> tuple[int, int]:
    accounts = open_account(alice, usdc=10_000, weth=2), open_account(alice)
    publish()
    return accounts


# --- cash and collateral ---


def test_cash_in_any_quantity(clearing: Any, ledger: Any, vault: Any, two: tuple[int, int], alice: Any) -> None:
    source, target = two
    recorded = vault.recorded(USDC)
    receipt = clearing.transfer(source, target, USDC, 400 * WAD + 1, {"from": alice})
    assert tuple(receipt.events["Transferred"].values()) == (source, target, USDC, 400 * WAD + 1)
    assert {event["reason"] for event in receipt.events["CashChanged"]} == {TRANSFER}
    assert (ledger.cash(source), ledger.cash(target)) == (9_600 * WAD - 1, 400 * WAD + 1)
    assert vault.recorded(USDC) == recorded


def test_collateral(clearing: Any, ledger: Any, two: tuple[int, int], alice: Any) -> None:
    source, target = two
    clearing.transfer(source, target, WETH, 2 * WAD, {"from": alice})
    assert (ledger.collateral(source, WETH), ledger.collateral(target, WETH)) == (0, 2 * WAD)
    with reverts("InsufficientCollateral", source, WETH, 0, 1):
        clearing.transfer(source, target, WETH, 1, {"from": alice})


def test_what_a_withdrawal_needs_a_transfer_needs(
    clearing: Any, engine: Any, two: tuple[int, int], maker_account: int, trade: Any, publish: Any, move_time: Any, alice: Any
) -> None:
    source, target = two
    trade(source, maker_account, 10, SPOT)
    publish({"ETH": 3_500.0})  # 1,000 of profit: half of it counts
    clearing.transfer(source, target, WETH, 2 * WAD, {"from": alice})
    required = engine.requirement(source)[0]
    free = 10_000 * WAD - 10 * SPOT * 3 * 10**14 + 500 * WAD - required
    publish({"ETH": 3_500.0})
    with reverts("InsufficientInitialMargin", source, required - 1, required):
        clearing.transfer(source, target, USDC, free + 1, {"from": alice})
    clearing.transfer(source, target, USDC, free, {"from": alice})
    clearing.transfer(target, source, USDC, WAD, {"from": alice})
    move_time(MAX_AGE + 1)
    with reverts("StalePrice"):
        clearing.transfer(source, target, USDC, WAD // 2, {"from": alice})


def test_realised_cash_only(clearing: Any, two: tuple[int, int], alice: Any) -> None:
    source, target = two
    with reverts("InsufficientCash", source, 10_000 * WAD, 10_000 * WAD + 1):
        clearing.transfer(source, target, USDC, 10_000 * WAD + 1, {"from": alice})
    with reverts("ZeroAmount"):
        clearing.transfer(source, target, USDC, 0, {"from": alice})
    with reverts("SameAccount", source):
        clearing.transfer(source, source, USDC, 1, {"from": alice})


def test_between_accounts_of_one_owner(clearing: Any, open_account: Any, two: tuple[int, int], alice: Any, bob: Any) -> None:
    source, target = two
    foreign = open_account(bob)
    with reverts("DifferentOwners", source, foreign):
        clearing.transfer(source, foreign, USDC, 1, {"from": alice})
    with reverts("NotAuthorised", source, bob.address):
        clearing.transfer(source, foreign, USDC, 1, {"from": bob})
    clearing.setOperator(source, bob, TRADE, {"from": alice})
    with reverts("NotAuthorised", source, bob.address):
        clearing.transfer(source, target, USDC, 1, {"from": bob})
    clearing.setOperator(source, bob, WITHDRAW, {"from": alice})
    clearing.transfer(source, target, USDC, 1, {"from": bob})


# --- positions ---


@pytest.fixture
def holder(two: tuple[int, int], maker_account: int, clearing: Any, trade: Any, publish: Any, alice: Any) -> tuple[int, int]:
    """The first account is long 4 ETH from 3,400 at a price of 3,450; both have cash."""
    publish()
    trade(two[0], maker_account, 4, SPOT)
    publish()
    clearing.transfer(two[0], two[1], USDC, 4_000 * WAD, {"from": alice})
    publish({"ETH": 3_450.0})
    return two


def test_a_position_moves_at_mark(clearing: Any, ledger: Any, holder: tuple[int, int], alice: Any) -> None:
    source, target = holder
    house = ledger.cash(0)
    cash = ledger.cash(source)
    event = clearing.transferPosition(source, target, PERP.pack(), 3 * WAD, {"from": alice}).events["PositionMoved"]
    assert tuple(event.values()) == (source, target, PERP.pack(), 3 * WAD, 3_450 * WAD)
    assert [ledger.positionSize(account, PERP.pack()) for account in holder] == [WAD, 3 * WAD]
    assert ledger.cash(source) - cash == 150 * WAD  # 3 x 50 realised
    assert ledger.cash(0) == house  # no fee
    assert ledger.positions(target)[0][2] == 3 * 3_450 * WAD


def test_a_short_position_moves_too(
    clearing: Any, ledger: Any, holder: tuple[int, int], maker_account: int, open_account: Any, publish: Any, maker: Any
) -> None:
    other = open_account(maker, usdc=10_000)
    publish({"ETH": 3_450.0})
    event = clearing.transferPosition(maker_account, other, PERP.pack(), 4 * WAD, {"from": maker}).events["PositionMoved"]
    assert event["size"] == -4 * WAD
    assert ledger.positionSize(other, PERP.pack()) == -4 * WAD


def test_both_must_hold_what_a_trade_asks(
    clearing: Any, open_account: Any, holder: tuple[int, int], breaker: Any, guardian: Any, publish: Any, alice: Any
) -> None:
    source, _ = holder
    poor = open_account(alice, usdc=20)
    publish({"ETH": 3_450.0})
    with reverts("InsufficientInitialMargin", poor, 20 * WAD, ...):
        clearing.transferPosition(source, poor, PERP.pack(), WAD, {"from": alice})
    breaker.tighten(255, 1, {"from": guardian})
    with reverts("RiskMustFall", holder[1], 1):
        clearing.transferPosition(source, holder[1], PERP.pack(), WAD, {"from": alice})


def test_no_more_than_there_is(clearing: Any, holder: tuple[int, int], alice: Any) -> None:
    source, target = holder
    for size in (0, 4 * WAD + 1):
        with reverts("NoSuchPosition", source, PERP.pack(), 4 * WAD, size):
            clearing.transferPosition(source, target, PERP.pack(), size, {"from": alice})
    with reverts("NoSuchPosition", target, PERP.pack(), 0, WAD):
        clearing.transferPosition(target, source, PERP.pack(), WAD, {"from": alice})
    unknown = Instrument.future(0, 1_800_000_000).pack()
    with reverts("InstrumentNotListed", unknown):
        clearing.transferPosition(source, target, unknown, WAD, {"from": alice})


def test_who_may_move_positions(clearing: Any, open_account: Any, holder: tuple[int, int], publish: Any, alice: Any, bob: Any) -> None:
    source, target = holder
    foreign = open_account(bob, usdc=10_000)
    with reverts("NotAuthorised", source, bob.address):
        clearing.transferPosition(source, foreign, PERP.pack(), WAD, {"from": bob})
    clearing.setOperator(source, bob, TRADE, {"from": alice})
    with reverts("DifferentOwners", source, foreign):
        clearing.transferPosition(source, foreign, PERP.pack(), WAD, {"from": bob})
    with reverts("NotAuthorised", target, bob.address):
        clearing.transferPosition(source, target, PERP.pack(), WAD, {"from": bob})
    clearing.setOperator(target, bob, TRADE, {"from": alice})
    publish({"ETH": 3_450.0})
    clearing.transferPosition(source, target, PERP.pack(), WAD, {"from": bob})


# --- modes ---


def test_mode_changes_where_the_new_mode_is_margined(
    clearing: Any,
    engine: Any,
    ledger: Any,
    open_account: Any,
    fund: Any,
    maker_account: int,
    trade: Any,
    publish: Any,
    expiries: Any,
    alice: Any,
) -> None:
    """A future hedged by a perp needs little in PORTFOLIO and both legs' margin in CROSS."""
    account = open_account(alice, PORTFOLIO, usdc=10_000)
    publish()
    future = Instrument.future(0, expiries[0])
    price = engine.marks([future.pack()])[0][0]
    trade(account, maker_account, 10, f"{price / WAD:.6f}", future)
    trade(maker_account, account, 10, SPOT)
    publish()
    clearing.withdraw(account, USDC, 7_000 * WAD, alice, {"from": alice})
    publish()
    with reverts("InsufficientInitialMargin", account, ..., ...):
        clearing.setMode(account, CROSS, {"from": alice})
    with reverts("IsolatedHoldsOne", account, ..., ...):
        clearing.setMode(account, ISOLATED, {"from": alice})
    assert ledger.account(account)[1] == PORTFOLIO
    fund(account, alice, usdc_amount=7_000)
    publish()
    event = clearing.setMode(account, CROSS, {"from": alice}).events["ModeSet"]
    assert tuple(event.values()) == (account, CROSS)
    assert ledger.account(account)[1] == CROSS


def test_mode_needs_fresh_prices(
    clearing: Any, open_account: Any, maker_account: int, trade: Any, publish: Any, move_time: Any, alice: Any
) -> None:
    account = open_account(alice, CROSS, usdc=10_000)
    publish()
    trade(account, maker_account, 1, SPOT)
    move_time(MAX_AGE + 1)
    with reverts("StalePrice"):
        clearing.setMode(account, PORTFOLIO, {"from": alice})


def test_isolated_holds_one(clearing: Any, open_account: Any, maker_account: int, trade: Any, publish: Any, alice: Any) -> None:
    account = open_account(alice, CROSS, usdc=50_000)
    publish()
    trade(account, maker_account, 1, SPOT)
    clearing.setMode(account, ISOLATED, {"from": alice})
    with reverts("IsolatedHoldsOne", account, PERP.pack(), BTC_PERP.pack()):
        trade(account, maker_account, "0.01", 94_000, BTC_PERP)


def test_only_the_owner_sets_the_mode(clearing: Any, open_account: Any, alice: Any, bob: Any) -> None:
    account = open_account(alice)
    clearing.setOperator(account, bob, TRADE | WITHDRAW, {"from": alice})
    for target in (account, account + 1, 0):
        with reverts("NotAuthorised", target, bob.address):
            clearing.setMode(target, PORTFOLIO, {"from": bob})
    clearing.setMode(account, PORTFOLIO, {"from": alice})
