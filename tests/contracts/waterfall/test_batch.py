"""LiquidationBatch: prices and liquidations in one transaction, each member for itself, and nobody's right but the caller's."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.market_feed import market_updates, sign
from scripts.market_path import market_at
from tests.contracts.waterfall.conftest import CROSS, ETH, ETH_PERP, NO_WITNESS, World, wad
from tests.reverts import reverts

TRADE = 1


def member(account: int, to: int, size: float, minimum: int = 0, data: bytes = b"") -> tuple[Any, ...]:
    return (account, to, [(ETH_PERP, wad(size))], NO_WITNESS, minimum, data)


@pytest.fixture
def batch(project: Any, world: World, rescuer: int, liquidator: Any) -> Any:
    found = project.LiquidationBatch.at(world.system.deployment.address("LiquidationBatch"))
    world.system.clearing.setOperator(rescuer, found, TRADE, {"from": liquidator})
    return found


@pytest.fixture
def short_eth(world: World, bob: Any) -> int:
    account = world.open(bob, CROSS, usdc=2_000)
    world.trade(account, ETH_PERP, -10)
    return account


def prices(world: World, eth: float, expiries: Any, oracle_keys: list[str], later: int) -> tuple[list[Any], list[Any]]:
    """A market in which ETH stands at `eth`, signed `later` seconds after the stored one."""
    time = int(world.system.door.prices(ETH)[2]) + later
    updates = market_updates(market_at(time, expiries, world.spots | {"ETH": eth}), world.system.deployment.underlyings, time)
    deployment = world.system.deployment
    signatures = [sign(update, oracle_keys, deployment.chain_id, deployment.address("PriceDoor")) for update in updates]
    return [update.as_tuple() for update in updates], signatures


def test_the_price_and_the_liquidation_that_it_makes_possible(
    world: World, batch: Any, long_eth: int, rescuer: int, liquidator: Any, expiries: Any, oracle_keys: list[str]
) -> None:
    """At the stored price the account is healthy, and the batch without prices is refused."""
    world.move()
    wanted = [member(long_eth, rescuer, 1)]
    tx = batch.liquidate([], [], wanted, {"from": liquidator})
    assert "Liquidated" not in tx.events
    assert tx.events["MemberRefused"][0]["account"] == long_eth
    tx = batch.liquidate(*prices(world, 3_270.0, expiries, oracle_keys, 1), wanted, {"from": liquidator})
    (event,) = tx.events["Liquidated"]
    assert (event["account"], event["to"]) == (long_eth, rescuer)
    assert world.system.door.prices(ETH)[0] == wad(3_270)
    assert world.size(long_eth, ETH_PERP) == wad(9)
    assert world.size(rescuer, ETH_PERP) == wad(1)


def test_stale_prices_come_with_the_liquidation(
    world: World, batch: Any, long_eth: int, rescuer: int, liquidator: Any, expiries: Any, oracle_keys: list[str]
) -> None:
    world.move({"ETH": 3_270.0})
    world.system.anvil.advance(60)
    wanted = [member(long_eth, rescuer, 1)]
    assert "Liquidated" not in batch.liquidate([], [], wanted, {"from": liquidator}).events
    later = world.system.anvil.time() - int(world.system.door.prices(ETH)[2])
    tx = batch.liquidate(*prices(world, 3_270.0, expiries, oracle_keys, later), wanted, {"from": liquidator})
    assert len(tx.events["Liquidated"]) == 1


def test_prices_that_somebody_else_brought_stop_nobody(
    world: World, batch: Any, long_eth: int, rescuer: int, liquidator: Any, expiries: Any, oracle_keys: list[str]
) -> None:
    world.move({"ETH": 3_270.0})
    old = prices(world, 3_400.0, expiries, oracle_keys, 0)
    tx = batch.liquidate(*old, [member(long_eth, rescuer, 1)], {"from": liquidator})
    assert len(tx.events["PricesRefused"]) == 1
    assert len(tx.events["Liquidated"]) == 1
    assert world.system.door.prices(ETH)[0] == wad(3_270)


def test_each_member_for_itself(world: World, batch: Any, long_eth: int, short_eth: int, rescuer: int, liquidator: Any, carol: Any) -> None:
    """Healthy, too large a leg, paid too little, with a callback: refused, each with its reason; the others are liquidated as alone."""
    second = world.open(carol, CROSS, usdc=2_000)
    world.trade(second, ETH_PERP, 10)
    world.move({"ETH": 3_270.0})
    wanted = [
        member(short_eth, rescuer, -1),
        member(long_eth, rescuer, 11),
        member(long_eth, rescuer, 1, minimum=wad(10_000)),
        member(long_eth, rescuer, 1, data=b"\x01"),
        member(long_eth, rescuer, 1),
        member(second, rescuer, 0.5),
    ]
    alone = world.system.liquidator.liquidate.call(wanted[4], {"from": liquidator})
    results = batch.liquidate.call([], [], wanted, {"from": liquidator})
    assert [bool(result[0]) for result in results] == [False, False, False, False, True, True]
    assert tuple(results[4][2]) == tuple(alone)
    assert all(int(result[1]) > 0 for result in results)
    tx = batch.liquidate([], [], wanted, {"from": liquidator})
    assert [event["account"] for event in tx.events["MemberRefused"]] == [short_eth, long_eth, long_eth, long_eth]
    assert [event["account"] for event in tx.events["Liquidated"]] == [long_eth, second]
    assert sum(int(result[1]) for result in results) < tx.gas_used
    assert 0 <= world.drift() < 100


def test_a_batch_costs_less_than_its_members_alone(
    world: World, batch: Any, long_eth: int, rescuer: int, liquidator: Any, carol: Any
) -> None:
    second = world.open(carol, CROSS, usdc=2_000)
    world.trade(second, ETH_PERP, 10)
    world.move({"ETH": 3_270.0})
    results = batch.liquidate.call([], [], [member(long_eth, rescuer, 1), member(second, rescuer, 1)], {"from": liquidator})
    assert int(results[1][1]) < int(results[0][1])


def test_nobody_uses_the_batchs_right(world: World, batch: Any, long_eth: int, rescuer: int, stranger: Any, bob: Any) -> None:
    """The rescuer's account trusts the batch; whoever may not act for the account cannot have the batch do it."""
    world.move({"ETH": 3_270.0})
    with reverts("NotAuthorised", rescuer, stranger):
        batch.liquidate([], [], [member(long_eth, rescuer, 1)], {"from": stranger})
    own = world.open(bob, CROSS, usdc=100_000)
    world.move()
    with reverts("NotAuthorised", rescuer, bob):
        batch.liquidate([], [], [member(long_eth, own, 1), member(long_eth, rescuer, 1)], {"from": bob})
    world.move()
    # Their own account does not trust the batch: the liquidator refuses the member.
    tx = batch.liquidate([], [], [member(long_eth, own, 1)], {"from": bob})
    assert "Liquidated" not in tx.events
    assert world.size(long_eth, ETH_PERP) == wad(10)


def test_an_operator_may_use_it_too(world: World, batch: Any, long_eth: int, rescuer: int, liquidator: Any, bob: Any) -> None:
    world.system.clearing.setOperator(rescuer, bob, TRADE, {"from": liquidator})
    world.move({"ETH": 3_270.0})
    assert len(batch.liquidate([], [], [member(long_eth, rescuer, 1)], {"from": bob}).events["Liquidated"]) == 1
