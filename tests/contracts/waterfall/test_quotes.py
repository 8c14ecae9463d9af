"""LiquidationQuotes: what is quoted is what a liquidation then does."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.model import Instrument
from keeper.portfolio.table import Parameter
from tests.contracts.waterfall.conftest import BANKRUPT, ETH, ETH_PERP, FULL, NO_WITNESS, NONE, PARTIAL, PORTFOLIO, WAD, World, wad
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


def assert_closable(world: World, quotes: Any, account: int, rescuer: int, liquidator: Any, held: dict[int, int]) -> Any:
    """The share quoted goes, of every leg, for what was quoted; a thousandth more does not. Options lose value meanwhile: a millionth."""
    q = quoted(quotes, account)
    assert q["tier"] == FULL
    assert 0 < q["closable"] < WAD

    def take(share: int) -> Any:
        legs = [(instrument, size * share // WAD) for instrument, size in held.items()]
        return world.liquidate(account, rescuer, legs, liquidator).events["Liquidated"][0]

    with reverts("TooMuch"):
        take(int(q["closable"]) * 1_001 // 1_000)
    event = take(int(q["closable"]) * 999_999 // 1_000_000)
    assert int(event["payment"]) == pytest.approx(int(q["payment"]), rel=1e-5)
    return event


def test_long_options_beside_a_perp(world: World, quotes: Any, alice: Any, rescuer: int, liquidator: Any, expiries: Any) -> None:
    """What is taken of paid-up calls turns into cash: a tenth of the book heals it."""
    call = Instrument.call(ETH, expiries[1], 500).pack()
    account = world.open(alice, usdc=12_000)
    world.trade(account, call, 3)
    world.trade(account, ETH_PERP, 10)
    while quoted(quotes, account)["tier"] != FULL:
        world.move({"ETH": world.spots["ETH"] - 5})
    event = assert_closable(world, quotes, account, rescuer, liquidator, {call: wad(3), ETH_PERP: wad(10)})
    assert int(event["healthAfter"]) == pytest.approx(1.1e18, rel=1e-5)


def test_long_options_alone(world: World, quotes: Any, alice: Any, rescuer: int, liquidator: Any, expiries: Any) -> None:
    """Nothing but calls, not quite paid up: as many go as turn what is short into cash, its discount and fee included."""
    call = Instrument.call(ETH, expiries[1], 500).pack()
    account = world.open(alice, usdc=12_000)
    world.trade(account, call, 4)
    world.trade(account, ETH_PERP, 2)
    while world.requirement(account)["margin_maintenance"] > world.requirement(account)["long_options"]:
        world.move({"ETH": world.spots["ETH"] - 20})
    world.trade(account, ETH_PERP, -2)
    now = world.requirement(account)
    assert now["maintenance"] == now["long_options"]
    short = now["long_options"] - now["margin_maintenance"]
    size = wad(4) * int(quoted(quotes, account)["closable"]) // WAD
    event = world.liquidate(account, rescuer, [(call, size)], liquidator).events["Liquidated"][0]
    assert size * world.mark(call) // WAD == pytest.approx(short * 107 // 100, rel=1e-3)  # 2 % discount, 5 % fee
    assert int(event["payment"]) == pytest.approx(short * 2 // 100, rel=1e-3)
    now = world.requirement(account)
    assert abs(now["margin_maintenance"] - now["long_options"]) < short // 1_000


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
