"""LiquidationQuotes: what is quoted is what a liquidation then does."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.portfolio.table import Parameter
from tests.contracts.waterfall.conftest import BANKRUPT, ETH_PERP, FULL, NO_WITNESS, NONE, PARTIAL, PORTFOLIO, WAD, World, wad
from tests.reverts import reverts

CENT = WAD // 100


def quoted(quotes: Any, account: int, witness: tuple[bytes, bytes] = NO_WITNESS) -> dict[str, Any]:
    return dict(quotes.quote(account, witness).dict())


def taken(world: World, account: int, rescuer: int, liquidator: Any, size: int, witness: tuple[bytes, bytes] = NO_WITNESS) -> Any:
    return world.liquidate(account, rescuer, [(ETH_PERP, size)], liquidator, witness=witness).events["Liquidated"][0]


def test_healthy(world: World, quotes: Any, long_eth: int) -> None:
    world.move()
    q = quoted(quotes, long_eth)
    assert q["ok"]
    assert q["tier"] == NONE
    assert q["closable"] == q["release"] == q["payment"] == q["discount"] == 0
    assert q["requirement"] == wad(850)


@pytest.mark.parametrize(("spot", "tier"), [(3_285.0, PARTIAL), (3_275.0, FULL)])
def test_the_closable_share_is_the_largest(
    world: World, quotes: Any, long_eth: int, rescuer: int, liquidator: Any, spot: float, tier: int
) -> None:
    world.move({"ETH": spot})
    q = quoted(quotes, long_eth)
    assert q["tier"] == tier
    assert (q["discount"], q["fee"]) == (2 * CENT, 5 * CENT)
    size = wad(10) * int(q["closable"]) // WAD
    with reverts("TooMuch"):
        taken(world, long_eth, rescuer, liquidator, size * 1_001 // 1_000)
    event = taken(world, long_eth, rescuer, liquidator, size)
    assert int(event["payment"]) == pytest.approx(int(q["payment"]), rel=1e-9)
    assert int(event["requirementBefore"] - event["requirementAfter"]) == pytest.approx(int(q["release"]), rel=1e-9)
    assert int(event["healthAfter"]) == pytest.approx(1.1e18, rel=1e-9)


def test_the_close_factor_binds(world: World, quotes: Any, long_eth: int, governance: Any) -> None:
    world.system.parameters.set(Parameter.CLOSE_FACTOR, 5 * CENT, {"from": governance})
    world.move({"ETH": 3_285.0})
    assert quoted(quotes, long_eth)["closable"] == 5 * CENT


def test_equity_that_pays_for_less(world: World, quotes: Any, long_eth: int, rescuer: int, liquidator: Any) -> None:
    """Equity 9.80 of a requirement of 800: payments are its share."""
    world.move({"ETH": 3_202.0})
    q = quoted(quotes, long_eth)
    event = taken(world, long_eth, rescuer, liquidator, wad(10) * int(q["closable"]) // WAD)
    assert int(event["payment"]) == pytest.approx(int(q["payment"]), rel=1e-6)
    assert int(event["healthAfter"]) == pytest.approx(int(q["health"]), rel=1e-6)  # no share of it heals: what is left is dust
    assert int(event["requirementAfter"]) == pytest.approx(5 * WAD, rel=1e-6)


def test_small_account(world: World, quotes: Any, alice: Any, rescuer: int, liquidator: Any) -> None:
    account = world.open(alice, usdc=1_000)
    world.trade(account, ETH_PERP, 5)
    world.move({"ETH": 3_280.0})
    q = quoted(quotes, account)
    assert q["small"]
    assert q["closable"] == WAD
    assert int(taken(world, account, rescuer, liquidator, wad(5))["payment"]) == q["payment"]


def test_bankrupt(world: World, quotes: Any, long_eth: int) -> None:
    world.move({"ETH": 3_190.0})
    q = quoted(quotes, long_eth)
    assert q["tier"] == BANKRUPT
    assert q["closable"] == WAD
    assert q["payment"] == q["discount"] == 0
    world.fund(1_000)
    assert quotes.fundAvailable(0) == wad(1_000)


def test_the_discount_is_the_clocks(world: World, quotes: Any, long_eth: int, stranger: Any) -> None:
    world.move({"ETH": 3_275.0})
    started = world.flag(long_eth, stranger).timestamp
    world.system.anvil.set_time(started + 450)
    world.system.anvil.mine()
    now = world.system.anvil.time()
    assert now - started in (450, 451)
    assert quoted(quotes, long_eth)["discount"] == 2 * CENT + 28 * CENT * (now - started) // 900


def test_debt_and_round(world: World, quotes: Any, alice: Any, rescuer: int, liquidator: Any) -> None:
    account = world.open(alice, PORTFOLIO, weth=10)
    world.trade(account, ETH_PERP, 5)
    world.move({"ETH": 3_300.0})
    world.trade(account, ETH_PERP, -5)
    q = quoted(quotes, account, (b"\x00", b"\x00"))
    assert q["debt"] == wad(510.05)
    assert q["convertible"]
    assert q["conversionDiscount"] == CENT
    assert q["round"] == 0


def test_batch(world: World, quotes: Any, long_eth: int) -> None:
    world.move({"ETH": 3_275.0})
    found = quotes.quotes([long_eth, 999, long_eth], [NO_WITNESS, NO_WITNESS, (b"\x00", b"\x00")])
    assert [q[0] for q in found] == [True, False, False]
    assert found[0] == quotes.quote(long_eth, NO_WITNESS)
    with reverts("LengthsDiffer", 1, 0):
        quotes.quotes([long_eth], [])


def test_coverage(world: World, quotes: Any, long_eth: int) -> None:
    world.move()
    before = int(quotes.coverage()[1])
    assert before == wad(34_000)
    world.fund(340)
    assert int(quotes.coverage()[0]) == CENT


def test_fee_by_coverage(world: World, quotes: Any, long_eth: int, rescuer: int, liquidator: Any, governance: Any) -> None:
    """10 ETH open; 5 % at a coverage of 1 %, 11 % at 0.1 %, linear between."""
    parameters = world.system.parameters
    parameters.set(Parameter.LIQUIDATION_FEE_MAX, 11 * CENT, {"from": governance})
    world.move({"ETH": 3_280.0})  # 32,800 open
    contract = world.system.liquidator
    assert contract.feeNow() == 11 * CENT
    world.fund(32.8)  # 0.1 %
    assert contract.feeNow() == 11 * CENT
    world.fund(32.8 * 4.5)  # 0.55 %: half way
    assert int(contract.feeNow()) == pytest.approx(8 * CENT, rel=1e-9)
    event = taken(world, long_eth, rescuer, liquidator, wad(1))
    assert int(event["fee"]) == pytest.approx(8 * CENT * 82, rel=1e-9)
    world.fund(328)
    assert contract.feeNow() == 5 * CENT
