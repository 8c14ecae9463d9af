"""Lens: the same figures as ledger and engine, in one call; an account that cannot be priced does not spoil the others."""

from __future__ import annotations

from typing import Any

from tests.contracts.waterfall.conftest import CROSS, ETH_PERP, NO_WITNESS, PORTFOLIO, WAD, World, wad
from tests.reverts import reverts


def test_accounts(world: World, alice: Any, bob: Any) -> None:
    first = world.open(alice, CROSS, usdc=2_000)
    second = world.open(bob, PORTFOLIO, usdc=100, weth=3)
    world.trade(first, ETH_PERP, 1)
    house, maker, one, two = world.system.lens.accounts(0, 99)
    assert int(house[0]) == 0
    assert int(maker[0]) == world.maker_account
    assert list(one)[:3] == [first, alice.address, CROSS]
    assert int(one[3]) == world.cash(first)
    assert [list(map(int, p)) for p in one[5]] == [[ETH_PERP, wad(1), wad(3_400)]]
    assert list(two)[:3] == [second, bob.address, PORTFOLIO]
    assert [int(quantity) for quantity in two[4]] == [wad(3)]
    assert not two[5]
    assert len(world.system.lens.accounts(second, 2**64 - 1)) == 1
    assert len(world.system.lens.accounts(99, 3)) == 0


def test_risks(world: World, long_eth: int, alice: Any) -> None:
    world.move({"ETH": 3_280.0})
    (risk,) = world.system.lens.risksOf([long_eth])
    assert int(risk[0]) == long_eth
    assert risk[1]
    assert list(map(int, risk[2])) == list(map(int, world.system.engine.requirement(long_eth)))
    assert int(risk[3]) == 789_80 * WAD * WAD // (820_00 * WAD)
    assert [int(view[0]) for view in world.system.lens.risks(1, 99)] == [world.maker_account, long_eth]


def test_what_cannot_be_priced_is_marked(world: World, alice: Any, long_eth: int) -> None:
    account = world.open(alice, PORTFOLIO, usdc=5_000)
    world.trade(account, ETH_PERP, 1)
    good, unfit = world.system.lens.witnessedOf([long_eth, account], [NO_WITNESS, NO_WITNESS])
    assert good[1]
    assert not unfit[1]
    assert not any(map(int, unfit[2]))
    missing, fine = world.system.lens.risksOf([9_999, long_eth])
    assert not missing[1]
    assert fine[1]
    with reverts("LengthsDiffer", 2, 1):
        world.system.lens.witnessedOf([1, 2], [NO_WITNESS])


def test_totals_are_the_vaults(world: World, alice: Any, bob: Any) -> None:
    first = world.open(alice, CROSS, usdc=2_000)
    world.open(bob, PORTFOLIO, usdc=100, weth=3)
    world.trade(first, ETH_PERP, 1.234567)
    world.move({"ETH": 3_333.333333})
    world.trade(first, ETH_PERP, -1)
    cash, costs, recorded, drift, held, kept = world.system.lens.totals(0, 99)
    assert int(recorded) == wad(50_000_000 + 2_100)
    assert int(drift) == int(recorded) - (int(cash) - int(costs))
    assert 0 <= int(drift) <= 20
    assert [int(q) for q in held] == [int(q) for q in kept] == [wad(3)]
