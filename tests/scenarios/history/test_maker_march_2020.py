"""Maker, 12-13 March 2020: ETH fell by half, gas cost twenty times as much, one slow bidder was left, and 8.3 M USD of collateral went for
nothing. Here: one liquidator, one liquidation every ten minutes. Every leg goes at mark, the pay is a bounded share of what it releases."""

from __future__ import annotations

from typing import Any

from tests.contracts.waterfall.conftest import BANKRUPT, WAD, World
from tests.scenarios.history.liquidations import Crowd, Figures

FALL = (0.97, 0.95, 0.92, 0.88, 0.86, 0.8, 0.74, 0.66, 0.6, 0.55, 0.5)
LEVERAGES = (16.0, 12.0, 9.0, 6.0, 4.0, 3.0)
MOST_DISCOUNT = 30 * WAD // 100
GWEI, NORMAL_GAS_PRICE, CROWDED = 10**9, 10, 20


def test_one_slow_liquidator_and_nothing_goes_for_free(
    world: World, quotes: Any, rescuer: int, liquidator: Any, alice: Any, bob: Any, carol: Any
) -> None:
    world.fund(50_000)
    crowd = Crowd(world, quotes, rescuer, liquidator)
    crowd.open((alice, bob, carol) * 2, LEVERAGES)
    figures = Figures()
    for factor in FALL:
        world.move({"ETH": 3_400.0 * factor})
        crowd.sweep(figures, most=1)
        world.system.anvil.advance(600)
    for _ in range(12):  # the storm is over, the queue is worked off
        crowd.sweep(figures)
    cost = max(figures.gas) * NORMAL_GAS_PRICE * CROWDED / GWEI * world.spots["ETH"]
    print(f"maker 2020: {figures.line()}; gas x20 costs {cost:,.0f} USD per liquidation")
    solvent = [e for e in figures.liquidations if e["tier"] != BANKRUPT]
    bankrupt = [e for e in figures.liquidations if e["tier"] == BANKRUPT]
    assert solvent
    assert bankrupt, "a liquidator this slow was expected to find somebody bankrupt"
    assert figures.prices
    # Nothing below mark, let alone free.
    assert all(paid == mark for paid, mark in figures.prices)
    for event in solvent:
        release = event["requirementBefore"] - event["requirementAfter"]
        reward = 5 * WAD if event["requirementAfter"] == 0 else 0
        assert 0 < event["payment"] <= release * MOST_DISCOUNT // WAD + reward
        assert event["fundPaid"] == 0
    assert all(event["payment"] <= event["fundPaid"] for event in bankrupt)
    # The fund paid deficits and the bankrupt reward of 0.1 % of 3 contracts each, nothing else.
    assert min(crowd.equities()) >= -1e-9
    assert 0 <= world.drift() < 1_000
