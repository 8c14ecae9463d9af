"""Every guarded function refuses to be entered by the token that is moving: the settlement token's code is exchanged for one that calls
whatever it is told to inside each transfer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scripts.anvil import Anvil
from scripts.deploy import SETTLEMENT
from tests.contracts.access.conftest import argument
from tests.contracts.waterfall.conftest import CROSS, ETH_PERP, World
from tests.coverage.reachable import functions
from tests.reverts import reverts

WAD = 10**18
REENTRANT = "ReentrancyGuardReentrantCall"


@pytest.fixture(scope="module")
def guarded() -> dict[str, list[str]]:
    """Contract -> its functions with a guard."""
    found: dict[str, list[str]] = {}
    for function in functions():
        if REENTRANT in function.errors.values():
            found.setdefault(function.contract, []).append(function.name)
    return found


@pytest.fixture
def call_back(project: Any, anvil: Anvil, usdc: Any, deployer: Any) -> Callable[[Any, str], None]:
    """Inside each transfer of the settlement token from now on somebody calls that function."""
    code = anvil.rpc("eth_getCode", project.CallbackTokenMock.deploy({"from": deployer}).address, "latest")
    anvil.rpc("anvil_setCode", usdc.address, code)
    token = project.CallbackTokenMock[-1]

    def tell(contract: Any, name: str) -> None:
        data = entering(contract, name)
        deployer.transfer(usdc.address, 0, data=token.setCallback.encode_input(contract, data))

    return tell


def entering(contract: Any, name: str) -> str:
    declared = next(item for item in contract.abi if item.get("name") == name and item["type"] == "function")
    given = [argument(one) for one in declared["inputs"]]
    if name == "settleBatch":  # its guard is that of each fill
        (fill,) = (one["components"] for one in declared["inputs"] if one["type"] == "tuple[]")
        given = [[tuple(argument(one) for one in fill)], True]
    return str(getattr(contract, name).encode_input(*given))


def test_clearing(guarded: Any, call_back: Any, clearing: Any, world: World, alice: Any) -> None:
    account = world.open(alice, CROSS, usdc=1_000)
    assert len(guarded["Clearing"]) >= 9
    for name in guarded["Clearing"]:
        call_back(clearing, name)
        world.move()
        with reverts(REENTRANT):
            clearing.withdraw(account, SETTLEMENT, WAD, alice, {"from": alice})


def test_liquidator(guarded: Any, call_back: Any, liquidator_contract: Any, world: World, alice: Any, stranger: Any) -> None:
    world.fund(1_000)
    broke = world.open(alice, CROSS, usdc=350)
    world.trade(broke, ETH_PERP, 1)
    world.move({"ETH": 3_000.0})
    world.trade(broke, ETH_PERP, -1)
    assert world.cash(broke) < 0
    for name in guarded["Liquidator"]:
        call_back(liquidator_contract, name)
        with reverts(REENTRANT):
            liquidator_contract.coverDeficit(broke, {"from": stranger})


def test_deleverager(guarded: Any, call_back: Any, deleverager: Any, world: World, alice: Any, stranger: Any) -> None:
    account = world.open(alice, CROSS, usdc=2_000)
    world.trade(account, ETH_PERP, 10)
    world.fund(300)
    world.move({"ETH": 3_100.0})
    world.open_deficit(account, stranger)
    world.wait_for_nominations()
    for name in guarded["Deleverager"]:
        call_back(deleverager, name)
        with reverts(REENTRANT):
            world.execute(account, stranger)


def test_shutdown_settlement(
    guarded: Any, call_back: Any, project: Any, deployment: Any, breaker: Any, governance: Any, world: World, alice: Any, stranger: Any
) -> None:
    settlement, by = project.ShutdownSettlement.at(deployment.address("ShutdownSettlement")), {"from": stranger}
    account = world.open(alice, CROSS, usdc=1_000)
    breaker.shutdown({"from": governance})
    settlement.begin(by)
    world.system.anvil.advance(1_800)
    settlement.settle(list(range(1, account + 1)), by)
    settlement.finalise(by)
    for name in guarded["ShutdownSettlement"]:
        call_back(settlement, name)
        with reverts(REENTRANT):
            settlement.claim(account, SETTLEMENT, by)


def test_withdrawal_queue(
    guarded: Any, call_back: Any, withdrawal_queue: Any, clearing: Any, world: World, alice: Any, stranger: Any
) -> None:
    anvil = world.system.anvil
    account = world.open(alice, CROSS, usdc=90_000_000)
    anvil.set_time((anvil.time() // 3_600 + 1) * 3_600)
    clearing.withdraw(account, SETTLEMENT, 80_000_000 * WAD, alice, {"from": alice})
    anvil.advance(3_600)
    assert sorted(guarded["WithdrawalQueue"]) == ["claim", "undo"]  # undo is for modules, of which no token is one
    call_back(withdrawal_queue, "claim")
    with reverts(REENTRANT):
        withdrawal_queue.claim(1, {"from": stranger})


def test_vault(guarded: Any, project: Any, anvil: Anvil, clearing: Any, deployer: Any, alice: Any) -> None:
    """Its functions are for modules: here the token is one."""
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    token = project.CallbackTokenMock.deploy({"from": deployer})
    vault = project.CollateralVault.deploy(token, deployer, {"from": deployer})
    vault.wire([token, clearing], {"from": deployer})
    anvil.rpc("anvil_impersonateAccount", clearing.address)
    anvil.rpc("anvil_setBalance", clearing.address, hex(10**20))
    module = accounts.at(clearing.address, force=True)
    token.mint(alice, WAD, {"from": alice})
    token.approve(vault, WAD, {"from": alice})
    for name in guarded["CollateralVault"]:
        token.setCallback(vault, entering(vault, name), {"from": alice})
        with reverts(REENTRANT):
            vault.receiveFrom(SETTLEMENT, alice, WAD, {"from": module})


def test_nothing_guarded_is_left_out(guarded: Any) -> None:
    assert sorted(guarded) == ["Clearing", "CollateralVault", "Deleverager", "Liquidator", "ShutdownSettlement", "WithdrawalQueue"]
