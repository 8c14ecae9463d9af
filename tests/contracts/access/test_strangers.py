"""Every function that only some may call refuses a stranger before it looks at anything else."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak

from tests.contracts.access.conftest import ZERO, argument
from tests.coverage.reachable import functions
from tests.reverts import reverts

# How a contract says that the caller is the wrong one.
REFUSALS = {
    "AccessControlUnauthorizedAccount",
    "NotAModule",
    "NotAMember",
    "NotDeployer",
    "NotDoor",
    "TimelockUnauthorizedCaller",
}
OPEN = {("Timelock", "execute"), ("Timelock", "executeBatch")}  # anybody, as deployed: tested below
ROLES = ("Timelock", "RiskParameters", "CircuitBreaker", "InstrumentRegistry", "PriceDoor", "SpotSources", "CollateralVault")
ALL_ROLES = (*ROLES, "InsuranceFund", "TradingLimits")


def test_strangers_are_refused(deployed: dict[str, Any], stranger: Any) -> None:
    refused = 0
    for function in functions():
        for error in REFUSALS & set(function.errors.values()):
            if function.contract not in deployed or (function.contract, function.name) in OPEN:
                continue
            contract = deployed[function.contract]
            declared = next(item for item in contract.abi if item.get("name") == function.name and item["type"] == "function")
            call = getattr(contract, function.name)
            with reverts(error):
                call.call(*map(argument, declared["inputs"]), {"from": stranger})
            with reverts(error):
                call(*map(argument, declared["inputs"]), {"from": stranger})
            refused += 1
    assert refused > 70  # the search itself works


def test_who_may_execute_can_be_narrowed(project: Any, deployer: Any, governor: Any, stranger: Any) -> None:
    timelock = project.Timelock.deploy(0, [governor], [governor], {"from": deployer})
    nothing = b"\0" * 32
    one, many = (governor, 0, b"", nothing, nothing), ([governor], [0], [b""], nothing, nothing)
    for schedule, execute, operation in (
        (timelock.schedule, timelock.execute, one),
        (timelock.scheduleBatch, timelock.executeBatch, many),
    ):
        schedule(*operation, 0, {"from": governor})
        with reverts("AccessControlUnauthorizedAccount", stranger.address, ...):
            execute(*operation, {"from": stranger})
        execute(*operation, {"from": governor})
    assert timelock.isOperationDone(timelock.hashOperation(*one))
    assert timelock.isOperationDone(timelock.hashOperationBatch(*many))


@pytest.mark.parametrize("name", ALL_ROLES)
def test_roles_pass_on_and_end(deployed: dict[str, Any], governance: Any, stranger: Any, alice: Any, name: str) -> None:
    contract, role = deployed[name], keccak(text="A_ROLE")
    assert contract.getRoleAdmin(role) == "0x" + "00" * 32
    contract.grantRole(role, stranger, {"from": governance})
    assert contract.hasRole(role, stranger)
    contract.revokeRole(role, stranger, {"from": governance})
    assert not contract.hasRole(role, stranger)
    contract.grantRole(role, stranger, {"from": governance})
    with reverts("AccessControlBadConfirmation"):
        contract.renounceRole(role, stranger, {"from": alice})
    contract.renounceRole(role, stranger, {"from": stranger})
    assert not contract.hasRole(role, stranger)
    assert contract.supportsInterface("0x7965db0b")  # IAccessControl
    assert not contract.supportsInterface("0xffffffff")


def test_roles_are_named_by_their_hash(deployed: dict[str, Any]) -> None:
    seen = 0
    for contract in deployed.values():
        for item in contract.abi:
            name = item.get("name", "")
            if item["type"] == "function" and not item["inputs"] and name.isupper() and item["outputs"][0]["type"] == "bytes32":
                expected = bytes(32) if name == "DEFAULT_ADMIN_ROLE" else keccak(text=name)
                assert bytes(getattr(contract, name)()) == expected, name
                seen += 1
    assert seen > 15


def test_every_view_without_arguments_answers(deployed: dict[str, Any]) -> None:
    for name, contract in deployed.items():
        for item in contract.abi:
            if item["type"] == "function" and item["stateMutability"] in ("view", "pure") and not item["inputs"]:
                assert getattr(contract, item["name"])() is not None, (name, item["name"])


def test_modules_are_wired_once_and_are_contracts(project: Any, deployed: dict[str, Any], usdc: Any, deployer: Any, alice: Any) -> None:
    modules = [deployed["Clearing"]]
    make = {
        "Ledger": lambda: project.Ledger.deploy({"from": deployer}),
        "CollateralVault": lambda: project.CollateralVault.deploy(usdc, deployer, {"from": deployer}),
        "Nominations": lambda: project.Nominations.deploy(ZERO, ZERO, ZERO, {"from": deployer}),
    }
    for created in make.values():
        contract = created()
        with reverts("NotAContract", ZERO):
            contract.wire([], {"from": deployer})
        with reverts("NotAContract", alice.address):
            contract.wire([*modules, alice], {"from": deployer})
        contract.wire(modules, {"from": deployer})
        assert contract.isModule(modules[0])
        assert not contract.isModule(alice)
        with reverts("AlreadyWired"):
            contract.wire(modules, {"from": deployer})


def test_the_timelock_keeps_what_it_is_sent(deployed: dict[str, Any], stranger: Any) -> None:
    timelock = deployed["Timelock"]
    assert timelock.onERC721Received.call(stranger, stranger, 1, b"", {"from": stranger}) == "0x150b7a02"
    assert timelock.onERC1155Received.call(stranger, stranger, 1, 1, b"", {"from": stranger}) == "0xf23a6e61"
    assert timelock.onERC1155BatchReceived.call(stranger, stranger, [1], [1], b"", {"from": stranger}) == "0xbc197c81"
