"""Modules.wire, of ledger and vault alike: once, by the deployer, contracts only; and what others may not call."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.ledger.conftest import DEPOSIT, PERP, WAD
from tests.reverts import reverts


@pytest.fixture(params=["Ledger", "CollateralVault"])
def unwired(request: pytest.FixtureRequest, project: Any, usdc: Any, deployer: Any) -> Any:
    arguments = {"Ledger": (), "CollateralVault": (usdc, deployer)}[request.param]
    return getattr(project, request.param).deploy(*arguments, {"from": deployer})


def test_names_the_modules(unwired: Any, ledger: Any, vault: Any, deployer: Any, stranger: Any) -> None:
    receipt = unwired.wire([ledger, vault], {"from": deployer})
    assert receipt.events["ModulesWired"]["modules"] == [ledger.address, vault.address]
    assert unwired.isModule(ledger)
    assert unwired.isModule(vault)
    assert not unwired.isModule(stranger)
    assert not unwired.isModule(deployer)


def test_only_the_deployer(unwired: Any, ledger: Any, stranger: Any) -> None:
    with reverts("NotDeployer", stranger.address):
        unwired.wire([ledger], {"from": stranger})


def test_only_once(unwired: Any, ledger: Any, vault: Any, deployer: Any) -> None:
    unwired.wire([ledger], {"from": deployer})
    with reverts("AlreadyWired"):
        unwired.wire([vault], {"from": deployer})


def test_only_contracts(unwired: Any, ledger: Any, stranger: Any, deployer: Any) -> None:
    with reverts("NotAContract", stranger.address):
        unwired.wire([ledger, stranger], {"from": deployer})
    with reverts("NotAContract", "0x" + "00" * 20):
        unwired.wire([], {"from": deployer})


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("openAccount", ("0x" + "11" * 20, 0)),
        ("setOperator", (1, "0x" + "11" * 20, 1)),
        ("transferPosition", (1, 2, PERP, WAD, WAD, 64)),
        ("transferCash", (1, 2, WAD, DEPOSIT)),
        ("changeCash", (1, WAD, DEPOSIT)),
        ("changeCollateral", (1, 0, WAD)),
        ("transferCollateral", (1, 2, 0, WAD)),
    ],
)
def test_nobody_else_writes_the_ledger(ledger: Any, deployer: Any, function: str, arguments: tuple[Any, ...]) -> None:
    with reverts("NotAModule", deployer.address):
        getattr(ledger, function)(*arguments, {"from": deployer})


@pytest.mark.parametrize(("function", "arguments"), [("receiveFrom", 1), ("sendTo", 1), ("recordReceived", 0)])
def test_nobody_else_moves_tokens(vault: Any, deployer: Any, function: str, arguments: int) -> None:
    whom = ["0x" + "11" * 20] * arguments
    with reverts("NotAModule", deployer.address):
        getattr(vault, function)(255, *whom, WAD, {"from": deployer})
