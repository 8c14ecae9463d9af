"""FTX, November 2022: one account could not be liquidated, and the insurance fund was a number that somebody typed. Here governance,
guardian, deployer, keeper and market maker fall like everybody else, and the fund is its tokens at every block."""

from __future__ import annotations

from typing import Any

from tests.contracts.waterfall.conftest import BANKRUPT, ETH_PERP, FULL, NO_WITNESS, WAD, World
from tests.scenarios.history.liquidations import Crowd, Figures

FALL = (0.97, 0.915, 0.88)
DEPOSITS = (850, 1_000, 850, 1_000, 1_000)  # bankrupt below 91.7 % and 90.2 % of the price of entry
FUND = 600


def test_no_account_is_exempt_and_the_fund_is_its_tokens(
    world: World,
    quotes: Any,
    rescuer: int,
    liquidator: Any,
    alice: Any,
    governor: Any,
    guardian: Any,
    deployer: Any,
    keeper: Any,
    maker: Any,
) -> None:
    insiders = (governor, guardian, deployer, keeper, maker)
    world.fund(FUND)
    crowd = Crowd(world, quotes, rescuer, liquidator)
    # The maker is the counterparty of all: its own account trades with a second one of alice.
    other = world.open(alice, usdc=100_000)
    for owner, deposit in zip(insiders, DEPOSITS, strict=True):
        account = world.open(owner, usdc=deposit)
        world.maker_account, before = (other, world.maker_account) if owner is maker else (world.maker_account, world.maker_account)
        world.trade(account, ETH_PERP, 3)
        world.maker_account = before
        crowd.accounts.append(account)
    fund, token = world.system.insurance_fund, world.system.usdc
    begin = world.system.chain.web3.eth.block_number
    figures = Figures()
    for factor in FALL:
        world.move({"ETH": 3_400.0 * factor})
        crowd.sweep(figures)
    print(f"ftx 2022: {figures.line()}")
    assert {e["account"] for e in figures.liquidations} == set(crowd.accounts)
    assert {e["tier"] for e in figures.liquidations} == {FULL, BANKRUPT}
    # Every block: what the fund says it holds is what the token says, and never negative.
    for block in range(begin, world.system.chain.web3.eth.block_number + 1):
        holdings = int(fund.holdings(block_identifier=block))
        assert 0 <= holdings == int(token.balanceOf(fund, block_identifier=block)) * 10**12
    drawn = sum(e["fundPaid"] for e in figures.liquidations)
    assert drawn > 0
    assert int(fund.holdings()) == FUND * WAD - drawn


def test_a_hole_larger_than_the_fund_stays_visible(
    world: World, quotes: Any, rescuer: int, liquidator: Any, maker: Any, alice: Any
) -> None:
    """The fund does not promise what it has not: the liquidation is refused with both numbers, the legs stay, the tokens too."""
    world.fund(FUND)
    crowd = Crowd(world, quotes, rescuer, liquidator)
    crowd.open((alice,), (12.0,), contracts=10.0)
    (account,) = crowd.accounts
    figures = Figures()
    world.move({"ETH": 2_800.0})
    hole = -world.requirement(account)["equity"]
    assert hole > FUND * WAD
    crowd.sweep(figures)
    assert figures.refused == 1
    assert not figures.liquidations
    assert int(world.system.insurance_fund.holdings()) == FUND * WAD
    assert world.size(account, ETH_PERP) == 10 * WAD
    # What the fund can carry goes: a part of the legs with its part of the hole.
    world.liquidate(account, rescuer, [(ETH_PERP, WAD)], liquidator)
    assert world.size(account, ETH_PERP) == 9 * WAD
    outcome = world.system.liquidator.liquidate.call((account, rescuer, [(ETH_PERP, WAD // 10)], NO_WITNESS, 0, b""), {"from": liquidator})
    assert outcome[0] == BANKRUPT
