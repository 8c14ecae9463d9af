"""Clearing.deposit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.clearing.conftest import HOUSE, USDC, WAD, WETH
from tests.reverts import reverts


@pytest.fixture(params=["deposit", "depositWithPermit"])
def deposit(request: pytest.FixtureRequest, clearing: Any) -> Callable[..., Any]:
    """deposit(account, index, quantity, {"from": alice}) either way; the permit is none, so that an approval counts."""
    permit = (0, 0, *[bytes(32)] * 2) if request.param == "depositWithPermit" else ()
    return lambda account, index, quantity, by: getattr(clearing, request.param)(account, index, quantity, *permit, by)


def test_settlement_tokens_are_cash(clearing: Any, ledger: Any, vault: Any, usdc: Any, open_account: Any, alice: Any) -> None:
    account = open_account(alice)
    recorded = vault.recorded(USDC)
    usdc.mint(alice, 1_250_000_001, {"from": alice})
    usdc.approve(vault, 1_250_000_001, {"from": alice})
    receipt = clearing.deposit(account, USDC, 1_250_000_001 * 10**12, {"from": alice})
    quantity = 1_250_000_001 * 10**12
    event = receipt.events["Deposited"]
    assert (event["account"], event["token"], event["from"], event["quantity"]) == (account, USDC, alice, quantity)
    assert ledger.cash(account) == quantity
    assert vault.recorded(USDC) - recorded == quantity
    assert usdc.balanceOf(alice) == 0


def test_other_tokens_are_collateral(ledger: Any, vault: Any, weth: Any, open_account: Any, alice: Any) -> None:
    account = open_account(alice, weth=2.5)
    assert ledger.collateral(account, WETH) == 25 * WAD // 10
    assert ledger.cash(account) == 0
    assert vault.recorded(WETH) == weth.balanceOf(vault) == 25 * WAD // 10


def test_anyone_deposits_for_anyone(clearing: Any, ledger: Any, vault: Any, usdc: Any, open_account: Any, alice: Any, bob: Any) -> None:
    account = open_account(alice)
    usdc.mint(bob, 10 * 10**6, {"from": bob})
    usdc.approve(vault, 10 * 10**6, {"from": bob})
    clearing.deposit(account, USDC, 10 * WAD, {"from": bob})
    assert ledger.cash(account) == 10 * WAD


@pytest.mark.parametrize("index", [USDC, WETH])
def test_needs_no_price(ledger: Any, open_account: Any, move_time: Any, fund: Any, alice: Any, index: int) -> None:
    account = open_account(alice)
    move_time(86_400)
    fund(account, alice, **({"usdc_amount": 1} if index == USDC else {"weth_amount": 1}))
    assert (ledger.cash(account), ledger.collateral(account, WETH)) == ((WAD, 0) if index == USDC else (0, WAD))


def test_refuses_nothing(deposit: Any, open_account: Any, alice: Any) -> None:
    account = open_account(alice)
    with reverts("ZeroAmount"):
        deposit(account, USDC, 0, {"from": alice})


def test_refuses_unknown_accounts(deposit: Any, ledger: Any, vault: Any, usdc: Any, open_account: Any, alice: Any) -> None:
    unknown = open_account(alice) + 1
    usdc.mint(alice, 10**6, {"from": alice})
    usdc.approve(vault, 10**6, {"from": alice})
    for account in (unknown, HOUSE):
        with reverts("UnknownAccount", account):
            deposit(account, USDC, WAD, {"from": alice})
    assert usdc.balanceOf(alice) == 10**6


def test_refuses_unknown_tokens(deposit: Any, open_account: Any, alice: Any) -> None:
    account = open_account(alice)
    with reverts("UnknownToken", 1):
        deposit(account, 1, WAD, {"from": alice})


def test_refuses_fractions_of_a_token_unit(deposit: Any, open_account: Any, alice: Any) -> None:
    account = open_account(alice)
    with reverts("QuantityNotRepresentable", USDC, WAD + 1):
        deposit(account, USDC, WAD + 1, {"from": alice})


def test_refuses_what_the_ledger_cannot_hold(deposit: Any, vault: Any, weth: Any, open_account: Any, alice: Any) -> None:
    account = open_account(alice)
    weth.mint(alice, 2**256 - 1 - weth.totalSupply(), {"from": alice})
    weth.approve(vault, 2**256 - 1, {"from": alice})
    with reverts("AmountOutOfRange", 2**127):
        deposit(account, WETH, 2**127, {"from": alice})
    with reverts("SafeCastOverflowedUintToInt", 2**255):
        deposit(account, WETH, 2**255, {"from": alice})


def test_refuses_what_the_sender_lacks(deposit: Any, usdc: Any, vault: Any, open_account: Any, alice: Any) -> None:
    account = open_account(alice)
    usdc.approve(vault, 10**12, {"from": alice})
    with reverts("ERC20InsufficientBalance", alice.address, 0, 10**6):
        deposit(account, USDC, WAD, {"from": alice})


@pytest.mark.parametrize("function", ["deposit", "withdraw"])
def test_token_cannot_re_enter(
    project: Any, clearing: Any, vault: Any, ledger: Any, governance: Any, open_account: Any, alice: Any, function: str
) -> None:
    token = project.CallbackTokenMock.deploy({"from": alice})
    index = vault.tokenCount()
    vault.list(token, {"from": governance})
    account = open_account(alice)
    token.mint(alice, 10 * WAD, {"from": alice})
    token.approve(vault, 10 * WAD, {"from": alice})
    arguments = (account, index, WAD) if function == "deposit" else (account, index, WAD, alice)
    token.setCallback(clearing, getattr(clearing, function).encode_input(*arguments), {"from": alice})
    with reverts("ReentrancyGuardReentrantCall"):
        clearing.deposit(account, index, WAD, {"from": alice})
    assert ledger.collateral(account, index) == 0
