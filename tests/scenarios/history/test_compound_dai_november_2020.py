"""Compound, 26 November 2020: DAI traded at 1.30 USD on the one exchange that the oracle read; 89 million USD were liquidated.
Here a single source that is 30 % off liquidates nobody, however many agree or do not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.waterfall.conftest import ETH, ETH_PERP, NO_WITNESS, WAD, World, wad
from tests.reverts import reverts

NORMAL, REDUCE_ONLY = 0, 1
PRICE, SPIKE = 3_400.0, 4_420.0

pytestmark = pytest.mark.usefixtures("strict_breaker")


def refused(world: World, account: int, rescuer: int, by: Any, why: str) -> None:
    assert not world.system.engine.isLiquidatable(account, NO_WITNESS)
    with reverts(why):
        world.liquidate(account, rescuer, [(ETH_PERP, wad(-1))], by)


def test_one_of_three_at_plus_30_percent_is_dropped(
    world: World, feeds: Any, short_eth: int, rescuer: int, liquidator: Any, breaker: Any
) -> None:
    sources = feeds(2)
    sources.say(PRICE, SPIKE)
    world.move()
    assert world.system.door.prices(ETH)[0] == 3_400 * WAD
    assert breaker.stateOf(ETH) == NORMAL
    refused(world, short_eth, rescuer, liquidator, "NotLiquidatable")


def test_one_of_two_contradicts_and_the_price_stands(
    world: World, feeds: Any, short_eth: int, rescuer: int, liquidator: Any, breaker: Any, anvil: Any
) -> None:
    """Nobody knows who is right: tripped, the last agreed price stands, however long it lasts."""
    sources = feeds(1)
    sources.say(PRICE)
    world.move()
    sources.say(SPIKE)
    for _ in range(4):
        anvil.advance(20)
        world.move()
    assert world.system.door.prices(ETH)[0] == 3_400 * WAD
    assert breaker.stateOf(ETH) == REDUCE_ONLY
    refused(world, short_eth, rescuer, liquidator, "StalePrice")  # and nobody acts on it for long
    world.deposit(short_eth, usdc=500)  # top-ups go on

    sources.say(PRICE + 10.0)
    world.move()
    assert world.system.door.prices(ETH)[0] == 3_405 * WAD


def test_the_signed_feed_alone_at_plus_30_percent_is_held(
    world: World, short_eth: int, rescuer: int, liquidator: Any, breaker: Any
) -> None:
    world.move({"ETH": SPIKE})
    assert world.system.door.prices(ETH)[0] == 3_400 * WAD
    assert breaker.stateOf(ETH) == REDUCE_ONLY
    refused(world, short_eth, rescuer, liquidator, "StalePrice")
    world.move({"ETH": PRICE})  # the spike is over within half a minute, as it was
    assert world.requirement(short_eth)["equity"] == wad(1_989.8)


def test_control_a_market_that_stays_there_does_liquidate(
    world: World, short_eth: int, rescuer: int, liquidator: Any, breaker: Any, anvil: Any
) -> None:
    """All sources at +30 % for half a minute: that is the price, and the short is closed while still tripped."""
    world.move({"ETH": SPIKE})
    anvil.advance(30)
    world.move()
    assert world.system.door.prices(ETH)[0] == 4_420 * WAD
    assert breaker.stateOf(ETH) == REDUCE_ONLY
    assert world.system.engine.isLiquidatable(short_eth, NO_WITNESS)
    world.fund(100_000)
    world.liquidate(short_eth, rescuer, [(ETH_PERP, wad(-10))], liquidator)
    assert world.size(short_eth, ETH_PERP) == 0
