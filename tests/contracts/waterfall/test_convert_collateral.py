"""Liquidator.convertCollateral, flagDebt and coverDeficit: what an account owes is paid by what it holds, then by the fund."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.waterfall.conftest import CROSS, ETH_PERP, PORTFOLIO, WAD, World, wad
from tests.reverts import reverts

CENT = WAD // 100
NO_UNDERLYING = 255  # contracts/interfaces/IInsuranceFund.sol


@pytest.fixture
def debtor(world: World, alice: Any) -> int:
    """PORTFOLIO, 10 WETH, no position, cash -510.05: 5 contracts lost 100 each at 3,300; fees 5.1 and 4.95 (0.03 %)."""
    account = world.open(alice, PORTFOLIO, weth=10)
    world.trade(account, ETH_PERP, 5)
    world.move({"ETH": 3_300.0})
    world.trade(account, ETH_PERP, -5)
    assert world.cash(account) == -wad(510.05)
    return account


@pytest.fixture
def buyer(world: World, bob: Any) -> int:
    return world.open(bob, CROSS, usdc=1_000)


def test_sells_at_the_price_less_the_first_discount(world: World, debtor: int, buyer: int, bob: Any) -> None:
    tx = world.convert(debtor, buyer, wad(0.1), bob)
    assert world.cash(debtor) == -wad(510.05) + wad(326.7)  # 0.1 at 3,300 less 1 %
    assert world.cash(buyer) == wad(1_000 - 326.7)
    assert world.system.ledger.collateral(buyer, 0) == wad(0.1)
    assert world.system.ledger.collateral(debtor, 0) == wad(9.9)
    (event,) = tx.events["CollateralConverted"]
    assert dict(event) == {
        "account": debtor,
        "to": buyer,
        "index": 0,
        "quantity": wad(0.1),
        "paid": wad(326.7),
        "price": wad(3_300),
    }
    assert 0 <= world.drift() < 100


def test_rounds_the_price_up(world: World, debtor: int, buyer: int, bob: Any) -> None:
    world.move({"ETH": 3_300.5})
    world.convert(debtor, buyer, 1, bob)  # one wei of WETH: 3,267.495 wei of USD
    assert world.cash(buyer) == wad(1_000) - 3_268


def test_discount_rises_with_the_clock_of_the_debt(world: World, debtor: int, buyer: int, bob: Any, stranger: Any) -> None:
    tx = world.system.liquidator.flagDebt(debtor, {"from": stranger})
    started = tx.timestamp
    assert dict(tx.events["DebtFlagged"][0]) == {
        "account": debtor,
        "by": stranger.address,
        "startedAt": started,
        "cash": -wad(510.05),
    }
    world.system.anvil.set_time(started + 300)
    assert world.system.liquidator.conversionDiscountNow(debtor) == 3 * CENT
    world.system.anvil.set_time(started + 700)
    world.convert(debtor, buyer, wad(0.1), bob)
    assert world.cash(buyer) == wad(1_000 - 313.5)  # 5 %


def test_at_most_the_debt_and_a_buffer(world: World, debtor: int, buyer: int, bob: Any) -> None:
    limit = wad(510.05) + wad(510.05) * 2 // 100
    with reverts("ConversionTooLarge", wad(0.16) * 3_267, limit):
        world.convert(debtor, buyer, wad(0.16), bob)
    world.convert(debtor, buyer, wad(0.159), bob)  # 519.45
    assert world.cash(debtor) > 0
    with reverts("NoDebt", debtor, world.cash(debtor), 0):
        world.convert(debtor, buyer, wad(0.001), bob)


def test_the_buyers_limit(world: World, debtor: int, buyer: int, bob: Any) -> None:
    with reverts("ConversionTooLarge", wad(326.7), wad(326)):
        world.convert(debtor, buyer, wad(0.1), bob, max_paid=wad(326))


def test_below_the_cap_nobody_is_forced(world: World, alice: Any, buyer: int, bob: Any) -> None:
    account = world.open(alice, PORTFOLIO, weth=10)
    world.trade(account, ETH_PERP, 5)
    world.move({"ETH": 3_390.0})
    world.trade(account, ETH_PERP, -4)  # - 40 and fees; one contract stays
    assert -wad(100) < world.cash(account) < 0
    with reverts("NoDebt", account, world.cash(account), wad(100)):
        world.convert(account, buyer, wad(0.001), bob)
    with reverts("NoDebt", account, world.cash(account), wad(100)):
        world.system.liquidator.flagDebt(account, {"from": bob})
    world.trade(account, ETH_PERP, -1)  # without positions any debt is to be paid
    world.convert(account, buyer, wad(0.001), bob)


def test_refusals(world: World, debtor: int, buyer: int, bob: Any, stranger: Any) -> None:
    with reverts("SelfLiquidation", debtor):
        world.convert(debtor, debtor, wad(0.1), bob)
    with reverts("NotAuthorised", buyer, stranger.address):
        world.convert(debtor, buyer, wad(0.1), stranger)
    with reverts("ZeroQuantity"):
        world.convert(debtor, buyer, 0, bob)
    with reverts("UnknownToken", 1):
        world.system.liquidator.convertCollateral(debtor, buyer, 1, wad(1), 2**200, {"from": bob})
    with reverts("UnknownCollateral", 255):
        world.system.liquidator.convertCollateral(debtor, buyer, 255, wad(1), 2**200, {"from": bob})
    signed_at = int(world.system.door.prices(0)[2])
    world.system.anvil.set_time(signed_at + 6)
    with reverts("StalePrice", signed_at, ..., 5):
        world.system.liquidator.convertCollateral(debtor, buyer, 0, wad(0.1), 2**200, {"from": bob})


def test_refusals_with_legs(world: World, debtor: int, buyer: int, alice: Any, bob: Any, stranger: Any) -> None:
    """The same through the other entry, on a debtor who has a contract left."""
    contract, perp = world.system.liquidator, [(ETH_PERP, wad(0.1))]
    account = world.open(alice, PORTFOLIO, weth=10)
    world.move({"ETH": 3_400.0})
    world.trade(account, ETH_PERP, 5)
    world.move({"ETH": 3_300.0})
    world.trade(account, ETH_PERP, -4)
    debt = -world.cash(account)
    assert debt > wad(400)
    limit = debt + debt * 2 // 100
    world.move()
    for of, to, index, quantity, most, by, error in (
        (account, account, 0, wad(0.1), 2**200, alice, ("SelfLiquidation", account)),
        (account, buyer, 0, wad(0.1), 2**200, stranger, ("NotAuthorised", buyer, stranger.address)),
        (account, buyer, 0, 0, 2**200, bob, ("ZeroQuantity",)),
        (account, buyer, 255, 1, 2**200, bob, ("QuantityNotRepresentable", 255, 1)),
        (debtor, account, 0, wad(0.1), 2**200, stranger, ("NotAuthorised", account, stranger.address)),
        (buyer, account, 0, wad(0.1), 2**200, alice, ("NoDebt", buyer, wad(1_000), 0)),
        (account, buyer, 255, wad(0.1), 2**200, bob, ("UnknownCollateral", 255)),
        (account, buyer, 0, wad(0.15), 2**200, bob, ("ConversionTooLarge", wad(0.15) * 3_267, limit)),
        (account, buyer, 0, wad(0.1), wad(326), bob, ("ConversionTooLarge", wad(326.7), wad(326))),
    ):
        with reverts(*error):
            contract.convertCollateralWithLegs((of, to, index, quantity, most), perp, {"from": by})
    with reverts("QuantityNotRepresentable", 255, 1):
        contract.convertCollateral(account, buyer, 255, 1, 2**200, {"from": bob})
    signed_at = int(world.system.door.prices(0)[2])
    world.system.anvil.set_time(signed_at + 6)
    with reverts("StalePrice", signed_at, ..., 5):
        contract.convertCollateralWithLegs((account, buyer, 0, wad(0.1), 2**200), perp, {"from": bob})


def test_a_debt_is_paid_not_passed_on(world: World, debtor: int, carol: Any) -> None:
    """The buyer's margin would allow it, backed by its own WETH; its cash would be -313, beyond the cap."""
    account = world.open(carol, PORTFOLIO, weth=10, usdc=13)
    with reverts("BuyerInDebt", account, wad(13 - 326.7), wad(100)):
        world.convert(debtor, account, wad(0.1), carol)


def test_buyer_needs_initial_margin(world: World, debtor: int, carol: Any) -> None:
    poor = world.open(carol, CROSS, usdc=200)
    world.trade(poor, ETH_PERP, 1)  # fee 0.99, initial margin 165
    # 0.08 WETH for 261.36, worth 224.40 after the initial haircut of 15 %.
    with reverts("LiquidatorUnderMargined", poor, wad(199.01 - 261.36 + 224.4), wad(165)):
        world.convert(debtor, poor, wad(0.08), carol)


# --- coverDeficit ---


@pytest.fixture
def broke(world: World, alice: Any, long_eth: int) -> int:
    """Closed its book at mark with equity below zero: no position, no collateral, cash -119.77 (fee 9.57)."""
    world.move({"ETH": 3_190.0})
    world.trade(long_eth, ETH_PERP, -10)
    assert world.cash(long_eth) == -wad(119.77)
    return long_eth


def test_fund_covers_what_nobody_else_can(world: World, broke: int, stranger: Any) -> None:
    world.fund(1_000)
    tx = world.system.liquidator.coverDeficit(broke, {"from": stranger})
    assert world.cash(broke) == 0
    assert world.system.insurance_fund.holdings() == wad(1_000 - 119.77)
    assert dict(tx.events["DeficitCovered"][0]) == {"account": broke, "paid": wad(119.77), "cash": 0}
    with reverts("NoDeficit", broke, 0, 0, 0):
        world.system.liquidator.coverDeficit(broke, {"from": stranger})
    assert 0 <= world.drift() < 100


def test_interest_is_part_of_the_deficit(project: Any, anvil: Any, world: World, broke: int, stranger: Any) -> None:
    """A year at 10 %: covered to the last unit, nothing left that grows."""
    funding = project.Funding.at(world.system.deployment.address("Funding"))
    funding.updateDebitRate({"from": stranger})
    anvil.advance(365 * 86_400)
    world.fund(1_000)
    tx = world.system.liquidator.coverDeficit(broke, {"from": stranger})
    assert world.cash(broke) == 0
    covered = tx.events["DeficitCovered"][0]
    assert abs(covered["paid"] - wad(119.77 * 1.1)) < 10**13
    assert covered["cash"] == 0


def test_as_far_as_the_fund_may(world: World, broke: int, stranger: Any) -> None:
    with reverts("DeficitExceedsFund", broke, NO_UNDERLYING, wad(119.77), 0):
        world.system.liquidator.coverDeficit(broke, {"from": stranger})
    world.fund(50)
    world.system.liquidator.coverDeficit(broke, {"from": stranger})
    assert world.cash(broke) == -wad(69.77)
    assert world.system.insurance_fund.holdings() == 0


def test_draw_is_rounded_up_and_the_rest_is_the_houses(world: World, debtor: int, buyer: int, bob: Any) -> None:
    """Whole USDC units leave the fund; what the deficit does not need is fee cash, never the account's."""
    world.fund(1_000)
    world.move({"ETH": 50.0})  # 10 WETH are worth less than the debt
    world.convert(debtor, buyer, wad(10) - 10**6, bob)
    world.convert(debtor, buyer, 10**6, bob)
    deficit = -world.cash(debtor)
    house = world.cash(0)
    assert deficit % 10**12
    world.system.liquidator.coverDeficit(debtor, {"from": bob})
    assert world.cash(debtor) == 0
    assert world.cash(0) - house == -deficit % 10**12
    assert 0 <= world.drift() < 100


def test_not_while_anything_is_left(world: World, debtor: int, long_eth: int, stranger: Any) -> None:
    world.fund(1_000)
    with reverts("NoDeficit", debtor, -wad(510.05), 0, 1):
        world.system.liquidator.coverDeficit(debtor, {"from": stranger})
    with reverts("NoDeficit", long_eth, world.cash(long_eth), 1, 0):
        world.system.liquidator.coverDeficit(long_eth, {"from": stranger})
