"""INV-LIQ-IMPROVES and INV-LIQ-NOT-TOO-MUCH over random legs of mixed books, checked with the full scan on both sides."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from web3.logs import DISCARD

from keeper.model import Instrument
from scripts.chain import TransactionFailedError
from tests.contracts.waterfall.conftest import BTC, BTC_PERP, CROSS, ETH, ETH_PERP, PORTFOLIO, WAD, World

SEED = 20_250_101
TRIALS = 40
ALL = 35 * WAD // 100  # highest discount and fee together


def _book(world: World, owner: Any, mode: int, expiries: Any) -> int:
    account = world.open(owner, mode, usdc=50_000)
    for instrument, size in (
        (Instrument.put(ETH, expiries[0], 3_200).pack(), -12),
        (Instrument.call(ETH, expiries[1], 3_800).pack(), 4),
        (Instrument.future(ETH, expiries[2]).pack(), 6),
        (ETH_PERP, 5),
        (BTC_PERP, 0.3),
        (Instrument.put(BTC, expiries[1], 85_000).pack(), -0.2),
    ):
        world.trade(account, instrument, size)
    world.withdraw_what_is_free(account)
    return account


@pytest.mark.parametrize(("mode", "health"), [(CROSS, 0.95), (PORTFOLIO, 1.05), (PORTFOLIO, 0.95)])
def test_random_legs_improve_or_are_refused(
    world: World, alice: Any, rescuer: int, liquidator: Any, expiries: Any, mode: int, health: float
) -> None:
    chance = random.Random(SEED)
    account = _book(world, alice, mode, expiries)
    fall = 1.0
    while world.health(account) >= health:
        fall -= 0.005
        world.move({"ETH": 3_400.0 * fall, "BTC": 94_000.0 * fall})
    assert world.requirement(account)["equity"] > 0
    witness = world.witness(account, 2, 1) if mode == PORTFOLIO else (b"", b"")
    positions = [(int(p[0]), int(p[1])) for p in world.system.ledger.positions(account)]
    # Without Brownie: its accounts would wait for the nonces of what was undone.
    anvil, chain = world.system.anvil, world.system.chain
    contract = world.system.deployment.contract(chain, "Liquidator")
    taken = refused = 0
    for _ in range(TRIALS):
        snapshot = anvil.snapshot()
        chosen = chance.sample(positions, chance.randint(1, 3))
        share = chance.choice((3, 10, 30, 60, 100))
        legs = [(instrument, size * share // 100) for instrument, size in chosen]
        world.move()
        before = world.requirement(account)
        try:
            receipt = chain.send(contract.functions.liquidate((account, rescuer, legs, witness, 0, b"")), liquidator.address)
        except TransactionFailedError:  # which error is other tests' business
            refused += 1
        else:
            taken += 1
            (event,) = contract.events.Liquidated().process_receipt(receipt, errors=DISCARD)
            _check(world, account, before, event["args"])
        anvil.revert(snapshot)
    assert taken >= TRIALS // 8, f"{taken} taken, {refused} refused"
    assert refused, "no leg was refused: the books are too easy"


def _check(world: World, account: int, before: dict[str, int], event: Mapping[str, int]) -> None:
    after = world.requirement(account)
    slack = before["gross"] // 10**7  # blocks are a second apart: options decay by that much
    release = event["requirementBefore"] - event["requirementAfter"]
    fall = (before["maintenance"] - before["margin_maintenance"]) - (after["maintenance"] - after["margin_maintenance"])
    assert release > 0
    assert event["requirementBefore"] <= before["maintenance"] + slack
    assert event["payment"] + event["fee"] <= release * ALL // WAD + 1
    assert fall >= release - event["payment"] - event["fee"] - slack
    assert event["healthAfter"] <= 11 * WAD // 10
    assert world.health(account) <= 1.1 + 1e-4
    assert after["equity"] >= 0
