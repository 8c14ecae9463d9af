"""CollateralVault: listing, tokens in and out, and tokens that do not do what they say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.ledger.conftest import WAD
from tests.reverts import reverts

SETTLEMENT = 255
USD = 10**6


@pytest.fixture
def funded(usdc: Any, weth: Any, vault: Any, alice: Any) -> Any:
    """Alice with 1,000 USDC and 10 WETH, both approved."""
    for token, amount in ((usdc, 1_000 * USD), (weth, 10 * WAD)):
        token.mint(alice, amount, {"from": alice})
        token.approve(vault, 2**256 - 1, {"from": alice})
    return alice


def test_lists_the_settlement_token_at_its_birth(project: Any, usdc: Any, weth: Any, vault: Any, deployer: Any) -> None:
    fresh = project.CollateralVault.deploy(usdc, deployer, {"from": deployer})
    event = fresh.tx.events["TokenListed"]
    assert (event["index"], event["token"], event["decimals"]) == (SETTLEMENT, usdc, 6)
    assert vault.token(SETTLEMENT) == usdc
    assert vault.unit(SETTLEMENT) == 10**12
    assert vault.token(0) == weth
    assert vault.unit(0) == 1
    assert vault.tokenCount() == 1


def test_lists_in_order(project: Any, vault: Any, deployer: Any) -> None:
    for index in range(1, 8):
        token = project.TokenMock.deploy("T", "T", index, {"from": deployer})
        event = vault.list(token, {"from": deployer}).events["TokenListed"]
        assert (event["index"], event["token"], event["decimals"]) == (index, token, index)
        assert vault.unit(index) == 10 ** (18 - index)
    assert vault.tokenCount() == 8
    with reverts("TooManyTokens", 8):
        vault.list(project.TokenMock.deploy("T", "T", 6, {"from": deployer}), {"from": deployer})


def test_lists_for_its_admin_only(project: Any, vault: Any, deployer: Any, stranger: Any) -> None:
    token = project.TokenMock.deploy("T", "T", 6, {"from": deployer})
    with reverts("AccessControlUnauthorizedAccount", stranger.address, bytes(vault.LISTING_ADMIN())):
        vault.list(token, {"from": stranger})


def test_lists_a_token_once(vault: Any, usdc: Any, weth: Any, deployer: Any) -> None:
    for token in (usdc, weth):
        with reverts("TokenAlreadyListed", token.address):
            vault.list(token, {"from": deployer})


def test_refuses_more_than_18_decimals(project: Any, vault: Any, deployer: Any) -> None:
    token = project.TokenMock.deploy("T", "T", 19, {"from": deployer})
    with reverts("TooManyDecimals", token.address, 19):
        vault.list(token, {"from": deployer})


@pytest.mark.parametrize("function", ["token", "unit", "recorded"])
def test_unknown_tokens_have_no_figures(vault: Any, function: str) -> None:
    with reverts("UnknownToken", 1):
        getattr(vault, function)(1)


def test_receives_what_was_asked(vault: Any, usdc: Any, module: Any, funded: Any) -> None:
    event = vault.receiveFrom(SETTLEMENT, funded, 400 * WAD, {"from": module}).events["TokensReceived"]
    assert (event["index"], event["from"], event["quantity"], event["recorded"]) == (SETTLEMENT, funded, 400 * WAD, 400 * WAD)
    assert usdc.balanceOf(vault) == 400 * USD
    assert usdc.balanceOf(funded) == 600 * USD
    assert vault.recorded(SETTLEMENT) == 400 * WAD
    assert vault.recorded(0) == 0


def test_sends_what_was_asked(vault: Any, weth: Any, module: Any, funded: Any, stranger: Any) -> None:
    vault.receiveFrom(0, funded, 3 * WAD, {"from": module})
    event = vault.sendTo(0, stranger, 1, {"from": module}).events["TokensSent"]
    assert (event["index"], event["to"], event["quantity"], event["recorded"]) == (0, stranger, 1, 3 * WAD - 1)
    assert weth.balanceOf(stranger) == 1
    assert vault.recorded(0) == 3 * WAD - 1


def test_donations_are_not_recorded(vault: Any, usdc: Any, module: Any, funded: Any) -> None:
    vault.receiveFrom(SETTLEMENT, funded, WAD, {"from": module})
    usdc.transfer(vault, 5 * USD, {"from": funded})
    assert vault.recorded(SETTLEMENT) == WAD
    with reverts("InsufficientRecorded", SETTLEMENT, WAD, 2 * WAD):
        vault.sendTo(SETTLEMENT, funded, 2 * WAD, {"from": module})


def test_records_what_has_arrived(vault: Any, usdc: Any, module: Any, funded: Any) -> None:
    vault.receiveFrom(SETTLEMENT, funded, 10 * WAD, {"from": module})
    usdc.transfer(vault, 7 * USD, {"from": funded})
    event = vault.recordReceived(SETTLEMENT, 7 * WAD, {"from": module}).events["TokensReceived"]
    assert (event["from"], event["quantity"], event["recorded"]) == (module, 7 * WAD, 17 * WAD)
    with reverts("NotReceived", usdc.address, 17 * USD, 17 * USD, 1):
        vault.recordReceived(SETTLEMENT, 10**12, {"from": module})


@pytest.mark.parametrize("function", ["receiveFrom", "sendTo", "recordReceived"])
def test_quantities_in_token_units_only(vault: Any, module: Any, funded: Any, function: str) -> None:
    call = getattr(vault, function)
    whom = [] if function == "recordReceived" else [funded]
    with reverts("QuantityNotRepresentable", SETTLEMENT, WAD + 1):
        call(SETTLEMENT, *whom, WAD + 1, {"from": module})
    with reverts("QuantityNotRepresentable", SETTLEMENT, 10**12 - 1):
        call(SETTLEMENT, *whom, 10**12 - 1, {"from": module})
    with reverts("ZeroQuantity"):
        call(SETTLEMENT, *whom, 0, {"from": module})
    with reverts("UnknownToken", 3):
        call(3, *whom, WAD, {"from": module})


def test_what_the_sender_lacks(vault: Any, module: Any, funded: Any, stranger: Any) -> None:
    with reverts("ERC20InsufficientBalance", funded.address, 1_000 * USD, 1_001 * USD):
        vault.receiveFrom(SETTLEMENT, funded, 1_001 * WAD, {"from": module})
    with reverts("ERC20InsufficientAllowance", vault.address, 0, USD):
        vault.receiveFrom(SETTLEMENT, stranger, WAD, {"from": module})


def test_sending_to_itself_is_no_sending(vault: Any, usdc: Any, module: Any, funded: Any) -> None:
    vault.receiveFrom(SETTLEMENT, funded, WAD, {"from": module})
    with reverts("WrongAmountSent", usdc.address, USD, 0):
        vault.sendTo(SETTLEMENT, vault, WAD, {"from": module})


def test_refuses_a_token_with_a_fee(project: Any, vault: Any, module: Any, deployer: Any, alice: Any) -> None:
    token = project.FeeTokenMock.deploy(100, {"from": deployer})  # 1 % of every transfer
    vault.list(token, {"from": deployer})
    token.mint(alice, 100 * WAD, {"from": alice})
    token.approve(vault, 100 * WAD, {"from": alice})
    with reverts("WrongAmountReceived", token.address, 50 * WAD, 49 * WAD + WAD // 2):
        vault.receiveFrom(1, alice, 50 * WAD, {"from": module})


def test_refuses_a_token_that_charges_the_sender(project: Any, vault: Any, module: Any, deployer: Any, alice: Any) -> None:
    token = project.FeeTokenMock.deploy(0, {"from": deployer})
    vault.list(token, {"from": deployer})
    token.mint(alice, 100 * WAD, {"from": alice})
    token.approve(vault, 100 * WAD, {"from": alice})
    vault.receiveFrom(1, alice, 50 * WAD, {"from": module})
    token.setSenderFee(100, {"from": deployer})
    with reverts("WrongAmountSent", token.address, 10 * WAD, 10 * WAD + WAD // 10):
        vault.sendTo(1, alice, 10 * WAD, {"from": module})
