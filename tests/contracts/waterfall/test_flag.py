"""Liquidator.flag: proofs and the clock they start."""

from __future__ import annotations

from typing import Any

from tests.contracts.waterfall.conftest import ETH_PERP, NO_WITNESS, PORTFOLIO, WAD, World, wad
from tests.reverts import reverts

CENT = WAD // 100


def test_first_proof_starts_the_clock(world: World, long_eth: int, stranger: Any) -> None:
    world.move({"ETH": 3_280.0})
    tx = world.flag(long_eth, stranger)
    (event,) = tx.events["Flagged"]
    assert dict(event) == {
        "account": long_eth,
        "by": stranger.address,
        "startedAt": tx.timestamp,
        "marginEquity": 789_80 * CENT,
        "requirement": 820 * WAD,
    }
    assert tuple(map(int, world.system.liquidator.clock(long_eth))) == (tx.timestamp, tx.timestamp)


def test_health_of_one_or_more_is_no_proof(world: World, long_eth: int, stranger: Any) -> None:
    world.move({"ETH": 3_285.0})
    with reverts("HealthNotBelow", long_eth, 839_80 * CENT, 821_25 * CENT, WAD):
        world.flag(long_eth, stranger)


def test_a_wrong_witness_can_only_fail(world: World, alice: Any, stranger: Any) -> None:
    account = world.open(alice, PORTFOLIO, usdc=2_400)
    world.trade(account, ETH_PERP, 3)  # 18 % of 10,200 and 1 % roll: initial 1,938
    world.move({"ETH": 3_050.0})  # equity 1,347, maintenance 1,391
    right = world.witness(account)
    up = (bytes([26]), bytes([26]))  # + 18 %: a long has nothing to lose
    with reverts("HealthNotBelow"):
        world.flag(account, stranger, up)
    with reverts("BadWitness"):
        world.flag(account, stranger, NO_WITNESS)
    world.flag(account, stranger, right)


def test_stale_prices_prove_nothing(world: World, long_eth: int, stranger: Any) -> None:
    world.move({"ETH": 3_280.0})
    signed_at = int(world.system.door.prices(0)[2])
    world.system.anvil.set_time(signed_at + 6)
    with reverts("StalePrice", signed_at, signed_at + 6, 5):
        world.system.liquidator.flag(long_eth, NO_WITNESS, {"from": stranger})


def test_discount_rises_from_start_to_max(world: World, long_eth: int, stranger: Any) -> None:
    world.move({"ETH": 3_280.0})
    assert world.system.liquidator.discountNow(long_eth) == 2 * CENT
    started = world.flag(long_eth, stranger).timestamp
    world.system.anvil.set_time(started + 450)
    assert world.system.liquidator.discountNow(long_eth) == 16 * CENT
    world.system.anvil.set_time(started + 900)
    assert world.system.liquidator.discountNow(long_eth) == 30 * CENT


def test_clock_without_renewed_proof_expires(world: World, long_eth: int, stranger: Any) -> None:
    world.move({"ETH": 3_280.0})
    started = world.flag(long_eth, stranger).timestamp
    world.system.anvil.set_time(started + 1_800)
    assert world.system.liquidator.discountNow(long_eth) == 30 * CENT
    world.system.anvil.set_time(started + 1_801)
    assert world.system.liquidator.discountNow(long_eth) == 2 * CENT


def test_clock_resumes_with_the_time_that_was_proven(world: World, long_eth: int, stranger: Any) -> None:
    world.move({"ETH": 3_280.0})
    started = world.flag(long_eth, stranger).timestamp
    world.system.anvil.set_time(started + 450)
    renewed = world.flag(long_eth, stranger).timestamp
    world.system.anvil.set_time(renewed + 2_000)
    resumed = world.flag(long_eth, stranger).timestamp
    assert int(world.system.liquidator.clock(long_eth)[0]) == resumed - (renewed - started)
    world.system.anvil.set_time(resumed + 3_601)
    again = world.flag(long_eth, stranger).timestamp
    assert int(world.system.liquidator.clock(long_eth)[0]) == again


def test_attack_jitter_of_the_flag(world: World, long_eth: int, alice: Any, stranger: Any) -> None:
    """[A] The owner tops up for a moment to reset the clock: there is nothing to unflag, the discount goes on rising."""
    world.move({"ETH": 3_280.0})
    started = world.flag(long_eth, stranger).timestamp
    world.deposit(long_eth, usdc=100)
    with reverts("HealthNotBelow"):
        world.flag(long_eth, stranger)
    world.move({"ETH": 3_265.0})  # initial margin keeps the top-up in; the market falls on
    world.flag(long_eth, stranger)
    assert int(world.system.liquidator.clock(long_eth)[0]) == started
    assert world.system.liquidator.discountNow(long_eth) > 2 * CENT


def test_attack_an_old_flag_kept_in_stock(world: World, long_eth: int, alice: Any, stranger: Any) -> None:
    """[A] A liquidator flags once and comes back within the hour for the highest discount: unproven time does not count."""
    world.move({"ETH": 3_280.0})
    started = world.flag(long_eth, stranger).timestamp
    world.deposit(long_eth, usdc=100)
    world.system.anvil.set_time(started + 3_000)
    world.move({"ETH": 3_265.0})
    assert world.system.liquidator.discountNow(long_eth) == 2 * CENT
    tx = world.flag(long_eth, stranger)
    assert int(world.system.liquidator.clock(long_eth)[0]) == tx.timestamp


def test_a_liquidation_below_one_is_a_proof_on_record(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    """Clocks change with an event only: whoever folds events knows every clock."""
    world.move({"ETH": 3_280.0})
    tx = world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator)
    (event,) = tx.events["Flagged"]
    assert (event["account"], event["startedAt"], event["marginEquity"]) == (long_eth, tx.timestamp, 789_80 * CENT)
    assert int(world.system.liquidator.clock(long_eth)[0]) == tx.timestamp


def test_a_partial_liquidation_starts_no_clock(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.move({"ETH": 3_285.0})  # 839.80 over 821.25
    tx = world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(0.6))], liquidator)
    assert "Flagged" not in tx.events
    assert int(world.system.liquidator.clock(long_eth)[0]) == 0
