"""Liquidator.liquidate, tier by tier, with figures worked out by hand; then every refusal with its numbers."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode

from tests.contracts.waterfall.conftest import (
    BANKRUPT,
    BTC_PERP,
    CROSS,
    ETH,
    ETH_PERP,
    FULL,
    NO_WITNESS,
    PARTIAL,
    WAD,
    World,
    wad,
)
from tests.reverts import reverts

HOUSE = 0
CLOSE_FACTOR = 41  # position of the parameter in types/Parameter.sol


ANY_ROUND = 2**32 - 1


def outcome(tx: Any) -> dict[str, Any]:
    (event,) = tx.events["Liquidated"]
    return dict(event)


def refused(
    world: World, account: int, to: int, legs: list[tuple[int, int]], by: Any, *error: Any, minimum: int = 0, fresh: bool = True
) -> None:
    """By both ways in, with these numbers."""
    if fresh:
        world.move()
    contract, request = world.system.liquidator, (account, to, legs, NO_WITNESS, minimum, b"")
    with reverts(*error):
        contract.liquidate(request, {"from": by})
    with reverts(*error):
        contract.liquidateThrough(request, ANY_ROUND, [], {"from": by})


# --- tiers ---


def test_partial_pays_a_small_fixed_discount(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.move({"ETH": 3_285.0})  # 839.80 over 821.25
    house, cash = world.cash(HOUSE), world.cash(long_eth)
    got = outcome(world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(0.6))], liquidator))
    assert got["tier"] == PARTIAL
    assert got["healthBefore"] == 839_80 * WAD * WAD // (821_25 * WAD)
    assert got["requirementBefore"] == wad(821.25)
    assert got["requirementAfter"] == wad(771.975)  # 9.4 contracts
    assert got["payment"] == wad(0.9855)  # 2 % of 49.275
    assert got["fee"] == wad(2.46375)  # 5 %
    assert got["fundPaid"] == 0
    # Realised loss of 0.6 contracts, payment, fee.
    assert world.cash(long_eth) == cash - wad(69) - wad(0.9855) - wad(2.46375)
    assert world.cash(HOUSE) - house == wad(2.46375)
    assert world.size(long_eth, ETH_PERP) == wad(9.4)
    assert world.size(rescuer, ETH_PERP) == wad(0.6)
    assert world.requirement(rescuer)["equity"] == wad(100_000) + wad(0.9855)
    assert world.health(long_eth) == pytest.approx(836.35075 / 771.975, abs=1e-12)


def test_full_pays_the_dutch_discount(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.move({"ETH": 3_280.0})  # 789.80 over 820
    started = world.flag(long_eth, liquidator).timestamp
    world.system.anvil.set_time(started + 445)
    tx = world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator)
    got = outcome(tx)
    discount = 2 * WAD // 100 + 28 * WAD // 100 * (tx.timestamp - started) // 900
    assert tx.timestamp - started >= 445
    assert got["tier"] == FULL
    assert got["payment"] == 82 * discount
    assert got["fee"] == wad(4.1)
    assert got["requirementAfter"] == wad(738)


def test_full_without_a_flag_starts_the_clock(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.move({"ETH": 3_280.0})
    tx = world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator)
    assert outcome(tx)["payment"] == wad(1.64)  # 2 % of 82
    assert tuple(map(int, world.system.liquidator.clock(long_eth))) == (tx.timestamp, tx.timestamp)
    assert world.health(long_eth) == pytest.approx(784.06 / 738, abs=1e-12)


def test_shorts_are_taken_from_the_other_side(world: World, alice: Any, rescuer: int, liquidator: Any) -> None:
    account = world.open(alice, CROSS, usdc=2_000)
    world.trade(account, ETH_PERP, -10)
    world.move({"ETH": 3_520.0})  # 1,989.8 - 1,200 over 880
    tx = world.liquidate(account, rescuer, [(ETH_PERP, -wad(1))], liquidator)
    assert world.size(account, ETH_PERP) == -wad(9)
    assert world.size(rescuer, ETH_PERP) == -wad(1)
    (leg,) = tx.events["LegTaken"]
    assert dict(leg) == {"account": account, "to": rescuer, "instrument": ETH_PERP, "size": -wad(1), "price": wad(3_520)}


def test_bankrupt_whole_book_is_made_whole_by_the_fund(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.fund(10_000)
    world.move({"ETH": 3_190.0})  # equity 1,989.8 - 2,100 = -110.2
    assert world.requirement(long_eth)["equity"] == -wad(110.2)
    got = outcome(world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(10))], liquidator))
    assert got["tier"] == BANKRUPT
    assert got["payment"] == wad(31.9)  # 0.1 % of 31,900
    assert got["fee"] == 0
    assert got["fundPaid"] == wad(142.1)
    assert world.cash(long_eth) == 0
    assert world.system.insurance_fund.holdings() == wad(10_000 - 142.1)
    assert world.requirement(rescuer)["equity"] == wad(100_031.9)
    assert 0 <= world.drift() < 100


def test_bankrupt_part_is_paid_its_share(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.fund(10_000)
    world.move({"ETH": 3_190.0})
    got = outcome(world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(4))], liquidator))
    assert got["payment"] == wad(12.76)
    # 40 % of the deficit and the reward, rounded up to whole USDC units; the excess goes to the house.
    assert int(got["fundPaid"]) == pytest.approx(wad(44.08 + 12.76), abs=10**12)
    assert got["fundPaid"] % 10**12 == 0
    assert world.requirement(long_eth)["equity"] == pytest.approx(-wad(66.12), abs=10**6)
    assert world.requirement(long_eth)["equity"] <= -wad(66.12)
    assert 0 <= world.drift() < 100


def test_small_account_closes_whole_and_pays_a_flat_reward(world: World, alice: Any, rescuer: int, liquidator: Any) -> None:
    account = world.open(alice, CROSS, usdc=1_000)
    world.trade(account, ETH_PERP, 5)  # fee 5.1: equity 994.9 + 5 (p - 3,400), maintenance 0.125 p
    world.move({"ETH": 3_280.0})  # 394.9 over 410
    got = outcome(world.liquidate(account, rescuer, [(ETH_PERP, wad(5))], liquidator))
    assert got["payment"] == wad(8.2) + wad(5)  # 2 % of 410, reward
    assert got["fee"] == wad(20.5)
    assert world.cash(account) == wad(394.9 - 13.2 - 20.5)


def test_small_reward_is_for_the_whole_book_only(world: World, alice: Any, rescuer: int, liquidator: Any) -> None:
    """[A] Slices of a small account, 5 USD each."""
    account = world.open(alice, CROSS, usdc=1_000)
    world.trade(account, ETH_PERP, 5)
    world.move({"ETH": 3_280.0})
    got = outcome(world.liquidate(account, rescuer, [(ETH_PERP, wad(1))], liquidator))
    assert got["payment"] == wad(1.64)


# --- callback ---


@pytest.fixture
def contract_liquidator(project: Any, world: World, liquidator: Any) -> Any:
    system = world.system
    mock = project.LiquidatorMock.deploy(system.liquidator, system.clearing, system.usdc, system.vault, {"from": liquidator})
    system.usdc.mint(mock, 10_000 * 10**6, {"from": liquidator})
    return mock


def test_callback_may_fund_the_liquidator(world: World, long_eth: int, liquidator: Any, contract_liquidator: Any) -> None:
    to = world.open(liquidator, CROSS)
    world.system.clearing.setOperator(to, contract_liquidator, 1, {"from": liquidator})
    world.move({"ETH": 3_280.0})
    data = encode(["uint256", "bool"], [wad(500), False])
    request = (long_eth, to, [(ETH_PERP, wad(1))], NO_WITNESS, 0, b"")
    with reverts("LiquidatorUnderMargined", to, wad(1.64), wad(164)):
        contract_liquidator.liquidate(request, {"from": liquidator})
    contract_liquidator.liquidate((*request[:-1], data), {"from": liquidator})
    assert world.requirement(to)["equity"] == wad(501.64)


def test_callback_may_not_come_back(world: World, long_eth: int, liquidator: Any, contract_liquidator: Any) -> None:
    to = world.open(liquidator, CROSS, usdc=1_000)
    world.system.clearing.setOperator(to, contract_liquidator, 1, {"from": liquidator})
    world.move({"ETH": 3_280.0})
    data = encode(["uint256", "bool"], [0, True])
    with reverts("ReentrancyGuardReentrantCall"):
        contract_liquidator.liquidate((long_eth, to, [(ETH_PERP, wad(1))], NO_WITNESS, 0, data), {"from": liquidator})


# --- refusals ---


def test_healthy_account_is_refused(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.move({"ETH": 3_290.0})  # 889.8 over 822.5: 1.08
    refused(world, long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator, "NotLiquidatable", long_eth, wad(889.8), wad(822.5))


def test_unknown_and_foreign_accounts(world: World, long_eth: int, rescuer: int, liquidator: Any, stranger: Any) -> None:
    world.move({"ETH": 3_280.0})
    # the ledger's: its book is the first thing that is read
    refused(world, 999, rescuer, [(ETH_PERP, wad(1))], liquidator, "UnknownAccount", 999)
    refused(world, long_eth, rescuer, [(ETH_PERP, wad(1))], stranger, "NotAuthorised", rescuer, stranger.address)
    refused(world, long_eth, HOUSE, [(ETH_PERP, wad(1))], stranger, "NotAuthorised", HOUSE, stranger.address)
    refused(world, long_eth, long_eth, [(ETH_PERP, wad(1))], liquidator, "SelfLiquidation", long_eth)


def test_withdraw_scope_does_not_liquidate(world: World, long_eth: int, rescuer: int, liquidator: Any, stranger: Any) -> None:
    world.system.clearing.setOperator(rescuer, stranger, 2, {"from": liquidator})
    world.move({"ETH": 3_280.0})
    refused(world, long_eth, rescuer, [(ETH_PERP, wad(1))], stranger, "NotAuthorised", rescuer, stranger.address)


def test_legs_must_shrink(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.move({"ETH": 3_280.0})
    refused(world, long_eth, rescuer, [], liquidator, "NoLegs")
    for instrument, held, leg in (
        (ETH_PERP, wad(10), 0),
        (ETH_PERP, wad(10), -1),
        (ETH_PERP, wad(10), wad(10) + 1),
        (BTC_PERP, 0, 1),
        (BTC_PERP, 0, -1),
    ):
        refused(world, long_eth, rescuer, [(instrument, leg)], liquidator, "LegDoesNotShrink", long_eth, instrument, held, leg)
    # The same instrument twice: the second leg sees what the first one left.
    refused(
        world,
        long_eth,
        rescuer,
        [(ETH_PERP, wad(6)), (ETH_PERP, wad(5))],
        liquidator,
        "LegDoesNotShrink",
        long_eth,
        ETH_PERP,
        wad(4),
        wad(5),
    )


def test_stale_prices_liquidate_nobody(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.move({"ETH": 3_280.0})
    signed_at = int(world.system.door.prices(0)[2])
    world.system.anvil.set_time(signed_at + 6)
    refused(world, long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator, "StalePrice", signed_at, ..., 5, fresh=False)


def test_stale_price_of_the_liquidators_own_book(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    """The liquidator's margin is checked on fresh prices, too."""
    world.trade(rescuer, BTC_PERP, 0.1)
    world.system.anvil.advance(60)
    now = world.system.anvil.time()
    market = world.publish({"ETH": 3_280.0, "BTC": 94_000.0})
    assert market["time"] > now
    stale = {"time": 0, "underlyings": {"ETH": market["underlyings"]["ETH"]}}
    world.system.anvil.advance(60)
    world.publish(market=stale)
    refused(
        world, long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator, "StalePrice", int(world.system.door.prices(1)[2]), ..., 5, fresh=False
    )


def test_not_more_than_the_target(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.move({"ETH": 3_280.0})
    # 2 contracts release 164: 789.8 - 3.28 - 8.2 = 778.32 over 656.
    refused(
        world,
        long_eth,
        rescuer,
        [(ETH_PERP, wad(2))],
        liquidator,
        "TooMuch",
        long_eth,
        778_32 * WAD * WAD // (656_00 * WAD),
        wad(820),
        wad(656),
    )


def test_not_more_than_the_close_factor(world: World, long_eth: int, rescuer: int, liquidator: Any, governance: Any) -> None:
    world.system.parameters.set(CLOSE_FACTOR, wad(0.05), {"from": governance})
    world.move({"ETH": 3_285.0})
    refused(world, long_eth, rescuer, [(ETH_PERP, wad(0.6))], liquidator, "TooMuch", long_eth, ..., wad(821.25), wad(771.975))
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(0.5))], liquidator)


def test_less_than_the_minimum_payment(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.move({"ETH": 3_280.0})
    refused(world, long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator, "PaymentTooLow", wad(1.64), wad(1.65), minimum=wad(1.65))


def test_liquidator_needs_initial_margin(world: World, long_eth: int, liquidator: Any) -> None:
    poor = world.open(liquidator, CROSS, usdc=100)
    world.move({"ETH": 3_280.0})
    # 1 contract: 5 % of 3,280.
    refused(world, long_eth, poor, [(ETH_PERP, wad(1))], liquidator, "LiquidatorUnderMargined", poor, wad(101.64), wad(164))


def test_deficit_beyond_the_fund_leaves_the_legs_in_place(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.fund(100)
    world.move({"ETH": 3_190.0})
    refused(world, long_eth, rescuer, [(ETH_PERP, wad(10))], liquidator, "DeficitExceedsFund", long_eth, ETH, wad(142.1), wad(100))
    assert world.size(long_eth, ETH_PERP) == wad(10)
    # What it can pay for goes: 5 contracts, 55.1 + 15.95.
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(5))], liquidator)
    assert world.size(long_eth, ETH_PERP) == wad(5)


def test_draw_limit_of_the_fund_counts(world: World, long_eth: int, rescuer: int, liquidator: Any, governance: Any) -> None:
    world.fund(10_000)
    world.system.insurance_fund.setMember(world.system.liquidator, wad(140), 86_400, {"from": governance})
    world.move({"ETH": 3_190.0})
    refused(world, long_eth, rescuer, [(ETH_PERP, wad(10))], liquidator, "DeficitExceedsFund", long_eth, ETH, wad(142.1), wad(140))
