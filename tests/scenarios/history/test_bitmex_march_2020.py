"""BitMEX, 13 March 2020: in the middle of the fall nothing was liquidated for half an hour. The same fall twice, with and without the
outage: what it cost, and who paid."""

from __future__ import annotations

from typing import Any

from tests.contracts.waterfall.conftest import WAD, World
from tests.scenarios.history.liquidations import Crowd, Figures

FALL = (0.98, 0.965, 0.95, 0.935, 0.92, 0.905, 0.89, 0.875, 0.86, 0.85, 0.84, 0.83)
OUTAGE = range(3, 9)  # steps of five minutes
LEVERAGES = (17.0, 14.0, 12.0, 10.0, 8.0, 7.0)
FUND = 50_000


def _fall(crowd: Crowd, outage: range) -> Figures:
    figures = Figures()
    for step, factor in enumerate(FALL):
        crowd.world.move({"ETH": 3_400.0 * factor})
        if step not in outage:
            crowd.sweep(figures)
        crowd.world.system.anvil.advance(300)
    for _ in range(4):
        crowd.sweep(figures)
    return figures


def test_half_an_hour_without_liquidations(
    world: World, quotes: Any, rescuer: int, liquidator: Any, alice: Any, bob: Any, carol: Any
) -> None:
    world.fund(FUND)
    crowd = Crowd(world, quotes, rescuer, liquidator)
    crowd.open((alice, bob, carol) * 2, LEVERAGES)
    anvil, fund = world.system.anvil, world.system.insurance_fund
    begin, spots = anvil.snapshot(), dict(world.spots)
    running = _fall(crowd, range(0))
    left_running = int(fund.holdings())
    assert min(crowd.equities()) >= -1e-9
    anvil.revert(begin)
    world.spots = spots
    stopped = _fall(crowd, OUTAGE)
    left_stopped = int(fund.holdings())
    cost = (left_running - left_stopped) / WAD
    print(f"bitmex 2020, running: {running.line()}")
    print(f"bitmex 2020, stopped: {stopped.line()}")
    print(f"bitmex 2020: the outage cost the fund {cost:,.2f}")
    # In a fall of steps of 1.5 % nobody goes bankrupt while somebody liquidates; after the outage somebody is.
    assert running.total("fundPaid") == 0
    assert stopped.total("fundPaid") > 0
    # The fund paid, and only the fund: its balance fell by what it says, nobody owes, the books balance.
    assert left_running == FUND * WAD
    assert abs(FUND * WAD - left_stopped - round(stopped.total("fundPaid") * WAD)) < 10**9
    assert stopped.refused == 0
    assert min(crowd.equities()) >= -1e-9
    assert 0 <= world.drift() < 1_000
