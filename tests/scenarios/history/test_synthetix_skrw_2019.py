"""Synthetix, 25 June 2019: one of three feeds of the Korean won reported a thousand times the price. Two were left, and their average with
the third made a trading bot 37 million sETH in minutes. Here the median of three does not move, and nobody is paid or closed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.waterfall.conftest import CROSS, ETH, ETH_PERP, NO_WITNESS, WAD, World
from tests.reverts import reverts

NORMAL = 0
PRICE = 3_400.0

pytestmark = pytest.mark.usefixtures("strict_breaker")


@pytest.fixture
def bot(world: World, alice: Any) -> int:
    """Long as much as it can: whoever trades against a wrong price."""
    account = world.open(alice, CROSS, usdc=20_000)
    world.trade(account, ETH_PERP, 50)
    return account


def test_one_of_three_off_by_a_thousand_changes_nothing(world: World, feeds: Any, bot: int, short_eth: int, breaker: Any) -> None:
    sources = feeds(2)
    sources.say(PRICE, PRICE)
    world.move()
    before = {account: world.requirement(account)["equity"] for account in (bot, short_eth)}
    sources.say(PRICE, PRICE * 1_000)
    for _ in range(5):
        world.move()
    assert world.system.door.prices(ETH)[0] == 3_400 * WAD
    assert {account: world.requirement(account)["equity"] for account in before} == before
    assert breaker.stateOf(ETH) == NORMAL
    assert not world.system.engine.isLiquidatable(short_eth, NO_WITNESS)


def test_the_bot_withdraws_nothing_it_did_not_have(world: World, feeds: Any, bot: int) -> None:
    sources = feeds(2)
    sources.say(PRICE, PRICE * 1_000)
    world.move()
    free = world.requirement(bot)["margin_initial"] - world.requirement(bot)["initial"]
    with reverts("InsufficientInitialMargin"):
        world.withdraw(bot, free + 100 * WAD)


def test_two_feeds_left_still_follow_the_market(world: World, feeds: Any, short_eth: int, breaker: Any) -> None:
    sources = feeds(2)
    sources.say(PRICE, PRICE * 1_000)
    world.move()
    for spot in (3_430.0, 3_470.0, 3_500.0):
        sources.say(spot + 10.0, spot * 1_000)
        world.move({"ETH": spot})
        assert world.system.door.prices(ETH)[0] == (int(spot) + 5) * WAD  # the mean of the two that agree
    assert breaker.stateOf(ETH) == NORMAL


def test_when_the_second_breaks_too_the_price_stands_still(world: World, feeds: Any, bot: int, short_eth: int, breaker: Any) -> None:
    """Off in different directions: nobody agrees with anybody."""
    sources = feeds(2)
    sources.say(PRICE, PRICE)
    world.move()
    sources.say(PRICE / 1_000, PRICE * 1_000)
    world.move()
    assert world.system.door.prices(ETH)[0] == 3_400 * WAD  # signed and median are one
    sources.say(PRICE * 1_000, PRICE * 1_000)  # both off, and they agree: the signed feed is outvoted
    world.move()
    assert world.system.door.prices(ETH)[0] == 3_400 * WAD  # as a jump that nobody has confirmed yet
    assert breaker.stateOf(ETH) == 1
    assert not world.system.engine.isLiquidatable(short_eth, NO_WITNESS)


def test_control_the_false_price_would_have_paid(world: World, bot: int, short_eth: int, allow_jumps: Any) -> None:
    """A single feed that is believed: the bot is rich, the short bankrupt. Else the tests above would prove nothing."""
    allow_jumps()
    world.move({"ETH": PRICE * 1_000})
    assert world.requirement(bot)["equity"] > 10**8 * WAD
    assert world.requirement(short_eth)["equity"] < 0
