"""JELLY on Hyperliquid, 26 March 2025: a trader took a large short in a thin perp, pulled the margin out from under it, let the venue
inherit the position by liquidation and pumped the price.

Here margin cannot be pulled: what is withdrawn leaves initial margin, to the last unit, and no position can be left behind on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.clearing.conftest import CROSS, PERP, SPOT, USDC, WAD
from tests.reverts import reverts

UNIT = 10**12  # the smallest unit of USDC, WAD


@pytest.fixture
def short(open_account: Callable[..., int], publish: Callable[..., Any], trade: Callable[..., Any], alice: Any, bob: Any) -> int:
    """500 contracts short, of an account with 300,000 USD."""
    account, other = open_account(alice, CROSS, usdc=300_000), open_account(bob, CROSS, usdc=3_000_000)
    publish()
    trade(other, account, 500, SPOT)
    return account


def free_margin(engine: Any, account: int) -> int:
    """Margin equity beyond initial margin, whole units of USDC."""
    r = engine.requirement(account).dict()
    return int(r["marginEquityInitial"] - r["initial"]) // UNIT * UNIT


def test_margin_below_initial_cannot_be_pulled(clearing: Any, engine: Any, publish: Callable[..., Any], short: int, alice: Any) -> None:
    publish()
    free = free_margin(engine, short)
    assert 0 < free < 300_000 * WAD
    with reverts("InsufficientInitialMargin"):
        clearing.withdraw(short, USDC, free + UNIT, alice, {"from": alice})
    publish()
    clearing.withdraw(short, USDC, free_margin(engine, short), alice, {"from": alice})
    publish()
    with reverts("InsufficientInitialMargin"):
        clearing.withdraw(short, USDC, UNIT, alice, {"from": alice})


def test_a_twin_account_is_no_way_around(
    clearing: Any, open_account: Callable[..., int], engine: Any, publish: Callable[..., Any], short: int, alice: Any
) -> None:
    twin = open_account(alice, CROSS)
    publish()
    with reverts("InsufficientInitialMargin"):
        clearing.transfer(short, twin, USDC, free_margin(engine, short) + UNIT, {"from": alice})


def test_the_short_cannot_be_left_in_an_empty_twin(
    clearing: Any, open_account: Callable[..., int], publish: Callable[..., Any], short: int, alice: Any
) -> None:
    twin = open_account(alice, CROSS, usdc=100)
    publish()
    with reverts("InsufficientInitialMargin"):
        clearing.transferPosition(short, twin, PERP.pack(), 500 * WAD, {"from": alice})


def test_after_the_pump_the_short_is_liquidatable_before_it_is_bankrupt(
    engine: Any, publish: Callable[..., Any], clearing: Any, short: int, alice: Any
) -> None:
    publish()
    clearing.withdraw(short, USDC, free_margin(engine, short), alice, {"from": alice})
    price = float(SPOT)
    while True:
        price *= 1.005
        publish({"ETH": price})
        r = engine.requirement(short).dict()
        if r["marginEquityMaintenance"] < r["maintenance"]:
            break
    assert r["equity"] > 0
