"""INV-LIQ-IMPROVES and INV-LIQ-NOT-TOO-MUCH over random legs of mixed books, checked with the full scan on both sides."""

from __future__ import annotations

import random
from typing import Any

import pytest

from keeper.model import Instrument
from tests.contracts.waterfall.conftest import BTC, BTC_PERP, CROSS, ETH, ETH_PERP, PORTFOLIO, WAD, World

SEED = 20_250_101
TRIALS = 40
ALL = 35 * WAD // 100  # highest discount and fee together


def _book(world: World, owner: Any, mode: int, expiries: Any) -> int:
    usdc = {CROSS: 23_000, PORTFOLIO: 16_500}[mode]
    account = world.open(owner, mode, usdc=usdc)
    for instrument, size in (
        (Instrument.put(ETH, expiries[0], 3_200).pack(), -12),
        (Instrument.call(ETH, expiries[1], 3_800).pack(), 4),
        (Instrument.future(ETH, expiries[2]).pack(), 6),
        (ETH_PERP, 5),
        (BTC_PERP, 0.3),
        (Instrument.put(BTC, expiries[1], 85_000).pack(), -0.2),
    ):
        world.trade(account, instrument, size)
    return account


@pytest.mark.parametrize(("mode", "fall"), [(CROSS, 0.9), (PORTFOLIO, 0.93), (PORTFOLIO, 0.9)])
def test_random_legs_improve_or_are_refused(
    world: World, alice: Any, rescuer: int, liquidator: Any, expiries: Any, mode: int, fall: float
) -> None:
    chance = random.Random(SEED)
    account = _book(world, alice, mode, expiries)
    world.move({"ETH": 3_400.0 * fall, "BTC": 94_000.0 * fall})
    assert world.health(account) < 1.05
    assert world.requirement(account)["equity"] > 0
    witness = world.witness(account, 2, 1) if mode == PORTFOLIO else (b"", b"")
    positions = [(int(p[0]), int(p[1])) for p in world.system.ledger.positions(account)]
    anvil = world.system.anvil
    taken = refused = 0
    for _ in range(TRIALS):
        snapshot = anvil.snapshot()
        chosen = chance.sample(positions, chance.randint(1, 3))
        share = chance.choice((0.05, 0.2, 0.5, 1.0))
        legs = [(instrument, int(size * share * chance.random()) or size) for instrument, size in chosen]
        world.move()
        before = world.requirement(account)
        try:
            tx = world.system.liquidator.liquidate((account, rescuer, legs, witness, 0, b""), {"from": liquidator, "gas_limit": 14_000_000})
        except Exception:  # noqa: BLE001 - refused: which error is other tests' business
            refused += 1
        else:
            taken += 1
            _check(world, account, before, dict(tx.events["Liquidated"][0]))
        anvil.revert(snapshot)
    assert taken >= TRIALS // 8, f"{taken} taken, {refused} refused"
    assert refused, "no leg was refused: the books are too easy"


def _check(world: World, account: int, before: dict[str, int], event: dict[str, int]) -> None:
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
