"""Liquidator.liquidateThrough: races lost early, and accounts that are bankrupt by the time the call runs, or by the time it ends."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.market_feed import market_updates, sign
from scripts.market_path import market_at
from tests.contracts.waterfall.conftest import BANKRUPT, ETH, ETH_PERP, FULL, NO_WITNESS, NONE, WAD, World, wad
from tests.reverts import reverts

ANY_ROUND = 2**32 - 1


def request(account: int, to: int, legs: list[tuple[int, int]], data: bytes = b"", minimum: int = 0) -> tuple[Any, ...]:
    return (account, to, legs, NO_WITNESS, minimum, data)


def test_each_liquidation_is_a_round(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    contract = world.system.liquidator
    world.move({"ETH": 3_285.0})
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(0.1))], liquidator)  # PARTIAL
    assert contract.rounds(long_eth) == 1
    world.move({"ETH": 3_275.0})
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(0.5))], liquidator)
    assert contract.rounds(long_eth) == 2
    started = int(contract.clock(long_eth)[0])
    world.flag(long_eth, liquidator)
    assert contract.rounds(long_eth) == 2  # a flag is none
    assert int(contract.clock(long_eth)[0]) == started


def test_a_lost_race_is_refused_before_the_scans(world: World, long_eth: int, rescuer: int, liquidator: Any, bob: Any) -> None:
    """Two decide at the same round; the second pays for a few reads, holds nothing and owes nothing."""
    other = world.open(bob, usdc=100_000)
    contract = world.system.liquidator
    world.move({"ETH": 3_270.0})
    round_ = int(contract.rounds(long_eth))
    legs = [(ETH_PERP, wad(0.5))]
    contract.liquidateThrough(request(long_eth, rescuer, legs), round_, [], {"from": liquidator})
    with reverts("RaceLost", long_eth, round_, round_ + 1):
        contract.liquidateThrough(request(long_eth, other, legs), round_, [], {"from": bob})
    assert world.cash(other) == wad(100_000)
    assert world.size(other, ETH_PERP) == 0
    # Who does not mind joins in: several may work on one account in the same block.
    contract.liquidateThrough(request(long_eth, other, legs), ANY_ROUND, [], {"from": bob})
    assert world.size(other, ETH_PERP) == wad(0.5)


def test_the_race_lost_costs_a_fraction(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    chain = world.system.chain
    contract = world.system.deployment.contract(chain, "Liquidator")
    world.move({"ETH": 3_270.0})

    def sent(round_: int) -> Any:
        call = contract.functions.liquidateThrough(request(long_eth, rescuer, [(ETH_PERP, wad(0.5))]), round_, [])
        hash_ = chain.web3.eth.send_transaction(call.build_transaction({"from": liquidator.address, "gas": 3_000_000, "gasPrice": 0}))
        return chain.web3.eth.wait_for_transaction_receipt(hash_)

    lost, won = sent(7), sent(0)
    assert (lost["status"], won["status"]) == (0, 1)
    assert lost["gasUsed"] < 45_000  # 21,000 of them the transaction's own, 16 per byte of the call's
    assert lost["gasUsed"] * 8 < won["gasUsed"]


def test_several_liquidators_in_one_block(world: World, long_eth: int, rescuer: int, liquidator: Any, bob: Any) -> None:
    anvil, chain = world.system.anvil, world.system.chain
    other = world.open(bob, usdc=100_000)
    contract = world.system.deployment.contract(chain, "Liquidator")
    world.move({"ETH": 3_270.0})
    anvil.rpc("evm_setAutomine", False)
    try:
        sent = [
            chain.web3.eth.send_transaction(
                contract.functions.liquidate(request(long_eth, to, [(ETH_PERP, wad(0.4))])).build_transaction(
                    {"from": who.address, "gas": 3_000_000, "gasPrice": 0}
                )
            )
            for to, who in ((rescuer, liquidator), (other, bob))
        ]
        anvil.mine()
    finally:
        anvil.rpc("evm_setAutomine", True)
    receipts = [chain.web3.eth.wait_for_transaction_receipt(hash_) for hash_ in sent]
    assert [r["status"] for r in receipts] == [1, 1]
    assert receipts[0]["blockNumber"] == receipts[1]["blockNumber"]
    assert world.size(rescuer, ETH_PERP) == world.size(other, ETH_PERP) == wad(0.4)
    assert world.size(long_eth, ETH_PERP) == wad(9.2)


def test_bankrupt_at_the_start_takes_the_further_legs_too(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    """The bot sized its legs for tier 2; by the time it is included equity is below zero: one call closes the book."""
    world.fund(10_000)
    world.move({"ETH": 3_190.0})
    tx = world.system.liquidator.liquidateThrough(
        request(long_eth, rescuer, [(ETH_PERP, wad(1))]), 0, [(ETH_PERP, wad(9))], {"from": liquidator}
    )
    (event,) = tx.events["Liquidated"]
    assert event["tier"] == BANKRUPT
    assert event["fundPaid"] == wad(142.1)
    assert world.size(long_eth, ETH_PERP) == 0
    assert world.cash(long_eth) == 0


def test_further_legs_are_ignored_while_solvent(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.move({"ETH": 3_270.0})
    world.system.liquidator.liquidateThrough(
        request(long_eth, rescuer, [(ETH_PERP, wad(1))]), 0, [(ETH_PERP, wad(9))], {"from": liquidator}
    )
    assert world.size(long_eth, ETH_PERP) == wad(9)


def test_further_legs_shrink_as_the_others(world: World, long_eth: int, rescuer: int, liquidator: Any) -> None:
    world.fund(10_000)
    world.move({"ETH": 3_190.0})
    with reverts("LegDoesNotShrink", long_eth, ETH_PERP, wad(9), wad(9.5)):
        world.system.liquidator.liquidateThrough(
            request(long_eth, rescuer, [(ETH_PERP, wad(1))]), 0, [(ETH_PERP, wad(9.5))], {"from": liquidator}
        )


@pytest.fixture
def bringer(project: Any, world: World, rescuer: int, liquidator: Any) -> Any:
    mock = project.PriceBringerMock.deploy(world.system.liquidator, world.system.door, {"from": liquidator})
    world.system.clearing.setOperator(rescuer, mock, 1, {"from": liquidator})
    return mock


def newer_prices(world: World, eth: float, expiries: Any, oracle_keys: list[str]) -> bytes:
    """The call that submits a market in which ETH stands at `eth`, signed a second after the stored one."""
    deployment, chain = world.system.deployment, world.system.chain
    door = deployment.contract(chain, "PriceDoor")
    time = int(world.system.door.prices(ETH)[2]) + 1
    updates = market_updates(market_at(time, expiries, world.spots | {"ETH": eth}), deployment.underlyings, time)
    signatures = [sign(update, oracle_keys, deployment.chain_id, door.address) for update in updates]
    return bytes.fromhex(door.encode_abi("submitBatch", [[update.as_tuple() for update in updates], signatures]).removeprefix("0x"))


def test_bankrupt_by_the_callbacks_prices_goes_on(
    world: World, long_eth: int, rescuer: int, liquidator: Any, bringer: Any, expiries: Any, oracle_keys: list[str]
) -> None:
    world.fund(10_000)
    world.move({"ETH": 3_270.0})
    data = newer_prices(world, 3_185.0, expiries, oracle_keys)
    tx = bringer.liquidateThrough(request(long_eth, rescuer, [(ETH_PERP, wad(1))], data), 0, [(ETH_PERP, wad(9))], {"from": liquidator})
    first, second = tx.events["Liquidated"]
    assert (first["tier"], second["tier"]) == (FULL, BANKRUPT)
    assert second["fundPaid"] > 0
    assert world.size(long_eth, ETH_PERP) == 0
    assert world.cash(long_eth) == 0
    assert world.system.liquidator.rounds(long_eth) == 2
    assert 0 <= world.drift() < 100


def test_solvent_after_the_callback_stays(
    world: World, long_eth: int, rescuer: int, liquidator: Any, bringer: Any, expiries: Any, oracle_keys: list[str]
) -> None:
    world.move({"ETH": 3_270.0})
    data = newer_prices(world, 3_260.0, expiries, oracle_keys)
    result = bringer.liquidateThrough.call(
        request(long_eth, rescuer, [(ETH_PERP, wad(1))], data), 0, [(ETH_PERP, wad(9))], {"from": liquidator}
    )
    assert result[0][0] == FULL
    assert result[1][0] == NONE


def test_the_minimum_is_for_both(
    world: World, long_eth: int, rescuer: int, liquidator: Any, bringer: Any, expiries: Any, oracle_keys: list[str]
) -> None:
    world.fund(10_000)
    world.move({"ETH": 3_270.0})
    data = newer_prices(world, 3_185.0, expiries, oracle_keys)
    further = [(ETH_PERP, wad(9))]
    both = bringer.liquidateThrough.call(request(long_eth, rescuer, [(ETH_PERP, wad(1))], data), 0, further, {"from": liquidator})
    paid = int(both[0][5]) + int(both[1][5])
    with reverts("PaymentTooLow", paid, paid + 1):
        bringer.liquidateThrough(request(long_eth, rescuer, [(ETH_PERP, wad(1))], data, paid + 1), 0, further, {"from": liquidator})


def test_nothing_after_the_shutdown(world: World, long_eth: int, rescuer: int, liquidator: Any, breaker: Any, governance: Any) -> None:
    """Every other state of the breaker lets liquidations go on."""
    world.move({"ETH": 3_270.0})
    tx = breaker.shutdown({"from": governance})
    legs = [(ETH_PERP, wad(1))]
    with reverts("ShutDown", tx.timestamp):
        world.system.liquidator.liquidate(request(long_eth, rescuer, legs), {"from": liquidator})
    with reverts("ShutDown", tx.timestamp):
        world.system.liquidator.flag(long_eth, NO_WITNESS, {"from": liquidator})
    with reverts("ShutDown", tx.timestamp):
        world.system.liquidator.convertCollateral(long_eth, rescuer, 0, WAD, WAD, {"from": liquidator})
    with reverts("ShutDown", tx.timestamp):
        world.system.liquidator.convertCollateralWithLegs((long_eth, rescuer, 0, WAD, WAD), legs, {"from": liquidator})
    with reverts("ShutDown", tx.timestamp):
        world.system.liquidator.liquidateThrough(request(long_eth, rescuer, legs), ANY_ROUND, [], {"from": liquidator})
    with reverts("ShutDown", tx.timestamp):
        world.system.liquidator.coverDeficit(long_eth, {"from": liquidator})


def test_a_halt_does_not_stop_it(world: World, long_eth: int, rescuer: int, liquidator: Any, breaker: Any, guardian: Any) -> None:
    world.move({"ETH": 3_270.0})
    breaker.tighten(255, 2, {"from": guardian})
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(1))], liquidator)
    assert world.size(long_eth, ETH_PERP) == wad(9)
