"""Two engines, one insurance fund: each with its own ledger, vault and liquidator, each with its own draw limit."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.deploy import SETTLEMENT
from tests.contracts.waterfall.conftest import CROSS, ETH, ETH_PERP, NO_WITNESS, WAD, World, wad
from tests.reverts import reverts

SECOND_LIMIT = wad(100)


@pytest.fixture
def second(project: Any, world: World, governance: Any, deployer: Any, alice: Any, bob: Any) -> Any:
    """Ledger, vault, margin engine and liquidator of another venue on the same prices and parameters; its ledger is filled in the name of
    the clearing contract.
    Returns (liquidator, bankrupt account: long 1 ETH with a deficit of 60 at 3,190, rescuer's account of bob)."""
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    at = world.system.deployment.address
    sender = {"from": deployer}
    ledger = project.Ledger.deploy(sender)
    vault = project.CollateralVault.deploy(world.system.usdc, deployer, sender)
    engine = project.MarginEngine.deploy(ledger, at("PriceDoor"), at("RiskParameters"), sender)
    wiring = (ledger, vault, at("PriceDoor"), at("RiskParameters"), engine, at("InsuranceFund"), at("CircuitBreaker"))
    liquidator = project.Liquidator.deploy(wiring, sender)
    clearing = world.system.clearing.address
    ledger.wire([clearing, liquidator], sender)
    vault.wire([clearing, liquidator], sender)
    world.system.anvil.rpc("anvil_impersonateAccount", clearing)
    world.system.anvil.rpc("anvil_setBalance", clearing, hex(10**20))
    module = {"from": accounts.at(clearing, force=True)}
    world.system.insurance_fund.setMember(liquidator, SECOND_LIMIT, 86_400, {"from": governance})
    for owner, cash in ((alice, 150), (bob, 10_000)):
        ledger.openAccount(owner, CROSS, module)
        world.system.usdc.mint(vault, cash * 10**6, sender)
        account = ledger.accountCount()
        vault.recordReceived(SETTLEMENT, cash * WAD, module)
        ledger.changeCash(account, cash * WAD, 0, module)
    ledger.transferPosition(2, 1, ETH_PERP, WAD, wad(3_400), 64, module)
    return liquidator


def test_each_has_its_own_limit_and_both_the_same_tokens(
    world: World, second: Any, long_eth: int, rescuer: int, liquidator: Any, bob: Any
) -> None:
    fund = world.system.insurance_fund
    world.fund(1_000)
    world.move({"ETH": 3_190.0})
    first_before = int(fund.available(world.system.liquidator, ETH))
    tx = second.liquidate((1, 2, [(ETH_PERP, WAD)], NO_WITNESS, 0, b""), {"from": bob})
    drawn = int(tx.events["Drawn"][0]["amount"])
    assert tx.events["Drawn"][0]["member"] == second.address
    assert drawn == wad(60) + wad(3.19)
    assert fund.member(second)[2] == drawn
    assert fund.member(world.system.liquidator)[2] == 0
    assert int(fund.available(world.system.liquidator, ETH)) == first_before - drawn  # the tokens are the same
    assert fund.underlyingLevel(ETH) == drawn  # and so is the cap of the underlying
    # The first engine goes on with its own limit.
    world.liquidate(long_eth, rescuer, [(ETH_PERP, wad(10))], liquidator)
    assert world.cash(long_eth) == 0
    assert fund.holdings() == wad(1_000 - 142.1) - drawn
    assert 0 <= world.drift() < 100


def test_the_second_cannot_draw_the_firsts_share(world: World, second: Any, bob: Any, governance: Any) -> None:
    world.fund(1_000)
    world.system.insurance_fund.setMember(second, wad(50), 86_400, {"from": governance})
    world.move({"ETH": 3_190.0})
    with reverts("DeficitExceedsFund", 1, ETH, wad(63.19), wad(50)):
        second.liquidate((1, 2, [(ETH_PERP, WAD)], NO_WITNESS, 0, b""), {"from": bob})
    assert world.system.insurance_fund.holdings() == wad(1_000)
