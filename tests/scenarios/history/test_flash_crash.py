"""A flash crash: 20 % in 60 seconds. It trips; while tripped reductions, top-ups and, once the price is confirmed, liquidations go on; new
risk waits for the timer."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.chain import TransactionFailedError
from tests.contracts.waterfall.conftest import CROSS, ETH, ETH_PERP, WAD, World, wad
from tests.reverts import reverts

NORMAL, REDUCE_ONLY = 0, 1
JUMP = 0
OPENING = 3_400.0

pytestmark = pytest.mark.usefixtures("strict_breaker")


@pytest.fixture
def hedger(world: World, carol: Any) -> int:
    """CROSS, 60,000 USDC, long 20 ETH perp: survives the crash."""
    account = world.open(carol, CROSS, usdc=60_000)
    world.trade(account, ETH_PERP, 20)
    return account


@pytest.fixture
def crash(world: World, anvil: Any) -> Any:
    """A price every five seconds down to -20 % after a minute; what the door did with each."""

    def play() -> list[int]:
        stored = []
        for step in range(1, 13):
            anvil.advance(3)  # publishing takes two more
            world.move({"ETH": OPENING * (1 - 0.20 * step / 12)})
            stored.append(int(world.system.door.prices(ETH)[0]))
        return stored

    return play


def test_it_trips_and_the_last_good_price_stands(world: World, long_eth: int, crash: Any, breaker: Any, price_door: Any) -> None:
    stored = crash()
    assert stored == sorted(stored, reverse=True)
    floor = wad(OPENING * 0.85)
    assert min(stored) >= floor  # nothing below -15 % was believed at once
    assert stored[-1] == stored[-2]  # held
    assert breaker.stateOf(ETH) == REDUCE_ONLY
    spot, since, _ = price_door.heldUpdate(ETH)
    assert int(spot) == pytest.approx(wad(OPENING * 0.8), rel=1e-12)
    assert since > 0


def test_new_risk_waits_reductions_and_top_ups_do_not(world: World, long_eth: int, hedger: int, crash: Any, alice: Any) -> None:
    opposite = world.open(alice, CROSS, usdc=50_000)
    world.trade(opposite, ETH_PERP, -20)
    crash()
    with pytest.raises(TransactionFailedError, match=r"StalePrice|RiskMustFall"):
        world.trade(hedger, ETH_PERP, 1)
    # Long and short reduce against each other: both risks fall.
    maker, world.maker_account = world.maker_account, opposite
    world.trade(hedger, ETH_PERP, -5)
    world.maker_account = maker
    assert (world.size(hedger, ETH_PERP), world.size(opposite, ETH_PERP)) == (wad(15), wad(-15))
    world.deposit(long_eth, usdc=1_000)


def test_confirmed_it_applies_and_liquidates_while_tripped(
    world: World, long_eth: int, hedger: int, rescuer: int, crash: Any, liquidator: Any, breaker: Any, anvil: Any
) -> None:
    crash()
    for _ in range(6):
        anvil.advance(5)
        world.move()
    assert world.system.door.prices(ETH)[0] == wad(2_720)
    assert breaker.stateOf(ETH) == REDUCE_ONLY
    world.fund(100_000)
    event = world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(10))], liquidator).events["Liquidated"]
    assert event["healthBefore"] < WAD
    assert world.size(long_eth, ETH_PERP) == 0
    assert world.size(hedger, ETH_PERP) == wad(20)
    with pytest.raises(TransactionFailedError, match="RiskMustFall"):
        world.trade(hedger, ETH_PERP, 1)  # fresh again, and still tripped

    anvil.advance(300)
    world.move()
    assert breaker.stateOf(ETH) == NORMAL
    world.trade(hedger, ETH_PERP, 1)


def test_one_that_is_over_in_seconds_liquidates_nobody(world: World, long_eth: int, rescuer: int, liquidator: Any, anvil: Any) -> None:
    """Down 20 % and back within 20 seconds, as flash crashes go."""
    world.move({"ETH": OPENING * 0.8})
    anvil.advance(18)
    world.move({"ETH": OPENING})
    assert world.system.door.prices(ETH)[0] == 3_400 * WAD
    with reverts("NotLiquidatable"):
        world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator)


def test_control_without_the_rule_it_would_have(world: World, long_eth: int, rescuer: int, liquidator: Any, allow_jumps: Any) -> None:
    allow_jumps()
    world.move({"ETH": OPENING * 0.8})
    world.fund(100_000)
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(10))], liquidator)
    assert world.size(long_eth, ETH_PERP) == 0
