"""A weekend without prices: the feed dies on Friday evening and comes back on Monday, 12 % lower. Nobody trades into risk, withdraws or is
liquidated on Friday's price; reductions and top-ups go on; Monday's price is taken at its word."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.chain import TransactionFailedError
from scripts.seed_local import trade
from tests.contracts.waterfall.conftest import CROSS, ETH, ETH_PERP, WAD, World, wad
from tests.reverts import reverts

NORMAL, REDUCE_ONLY = 0, 1
STALE = 3
WEEKEND = 2 * 86_400

pytestmark = pytest.mark.usefixtures("strict_breaker")


@pytest.fixture
def rich(world: World, alice: Any) -> int:
    """CROSS, 50,000 USDC, long 1 ETH perp: nothing but the price's age is wrong with it."""
    account = world.open(alice, CROSS, usdc=50_000)
    world.trade(account, ETH_PERP, 1)
    return account


@pytest.fixture
def weekend(world: World, rich: int, long_eth: int, rescuer: int, anvil: Any, price_door: Any, stranger: Any) -> Any:
    """The last price leaves the long under water (health 0.96); then nobody publishes until somebody notices."""
    world.move({"ETH": 3_280.0})
    anvil.advance(WEEKEND)
    tripped = price_door.poke(ETH, {"from": stranger}).events["Tripped"]
    assert (tripped["cause"], tripped["bound"]) == (STALE, 120)
    assert tripped["observed"] >= WEEKEND
    return tripped


def at_fridays_price(world: World, account: int, size: float) -> None:
    """A trade with the maker, nobody publishing."""
    buyer, seller = world.parties[account], world.parties[world.maker_account]
    if size < 0:
        buyer, seller = seller, buyer
    trade(world.system.chain, world.system.deployment, buyer, seller, ETH_PERP, wad(abs(size)), world.mark(ETH_PERP))


@pytest.mark.usefixtures("weekend")
def test_nobody_is_liquidated_on_fridays_price(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    """Even who was under water on Friday."""
    with reverts("StalePrice"):
        world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator, fresh=False)


@pytest.mark.usefixtures("weekend")
def test_nobody_takes_risk_or_money(world: World, rich: int, alice: Any, clearing: Any) -> None:
    with pytest.raises(TransactionFailedError, match="StalePrice"):
        at_fridays_price(world, rich, 1)
    with reverts("StalePrice"):
        clearing.withdraw(rich, 255, WAD, alice, {"from": alice})


@pytest.mark.usefixtures("weekend")
def test_top_ups_go_on(world: World, long_eth: int, breaker: Any) -> None:
    assert breaker.stateOf(ETH) == REDUCE_ONLY
    world.deposit(long_eth, usdc=1_000)
    assert world.requirement(long_eth)["equity"] == wad(1_789.8)


@pytest.mark.usefixtures("weekend")
def test_monday_brings_the_price_and_its_liquidations(
    world: World, long_eth: int, rescuer: int, liquidator: Any, breaker: Any, price_door: Any
) -> None:
    """12 % in two days is no jump. The breaker stays tripped until its timer ends; liquidations do not wait for it."""
    world.move({"ETH": 2_890.0})
    assert price_door.prices(ETH)[0] == 2_890 * WAD
    assert price_door.preTripSpot(ETH) == 3_280 * WAD
    assert breaker.stateOf(ETH) == REDUCE_ONLY
    world.fund(100_000)
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(10))], liquidator)
    assert world.size(long_eth, ETH_PERP) == 0


@pytest.mark.usefixtures("weekend")
def test_a_winner_of_the_weekend_waits_for_the_timer(world: World, carol: Any, breaker: Any, anvil: Any) -> None:
    """What a short gained by the gap cannot leave while tripped; new risk neither."""
    winner = world.open(carol, CROSS, usdc=4_000)
    world.move()  # Friday's price once more, and fresh
    with pytest.raises(TransactionFailedError, match="RiskMustFall"):
        world.trade(winner, ETH_PERP, -5)
    anvil.advance(300)
    world.move()
    assert breaker.stateOf(ETH) == NORMAL
    world.trade(winner, ETH_PERP, -5)
    assert world.size(winner, ETH_PERP) == wad(-5)


def test_control_on_a_fresh_price_all_of_it_works(world: World, long_eth: int) -> None:
    world.trade(long_eth, ETH_PERP, 0.1)
    world.withdraw(long_eth, 10 * WAD)
    assert world.size(long_eth, ETH_PERP) == wad(10.1)
