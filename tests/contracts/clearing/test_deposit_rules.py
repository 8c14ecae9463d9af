"""TradingLimits.requireDeposit, permits, and tokens that do not do what they say."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from scripts.anvil import CHAIN_ID
from tests.contracts.clearing.conftest import KEYS, SPOT, USDC, WAD, WETH
from tests.reverts import reverts

USD = 10**6


@pytest.fixture
def listed(vault: Any, governance: Any) -> Any:
    """Lists a token; its index."""

    def listing(token: Any) -> int:
        index = int(vault.tokenCount())
        vault.list(token, {"from": governance})
        return index

    return listing


@pytest.fixture
def approved(vault: Any) -> Any:
    def approve(token: Any, holder: Any, amount: int) -> None:
        token.mint(holder, amount, {"from": holder})
        token.approve(vault, 2**255, {"from": holder})

    return approve


# --- caps ---


@pytest.mark.parametrize(("index", "unit"), [(USDC, 10**12), (WETH, 1)])
def test_deposit_cap(
    clearing: Any,
    vault: Any,
    usdc: Any,
    weth: Any,
    trading_limits: Any,
    governance: Any,
    open_account: Any,
    approved: Any,
    alice: Any,
    index: int,
    unit: int,
) -> None:
    account = open_account(alice)
    recorded = vault.recorded(index)
    trading_limits.setTokenLimits(index, (recorded + 5 * WAD, 0), {"from": governance})
    approved(usdc if index == USDC else weth, alice, 10 * WAD // unit)
    clearing.deposit(account, index, 5 * WAD, {"from": alice})
    with reverts("DepositCapReached", index, recorded + 5 * WAD + unit, recorded + 5 * WAD):
        clearing.deposit(account, index, unit, {"from": alice})
    trading_limits.setTokenLimits(index, (0, 0), {"from": governance})
    clearing.deposit(account, index, unit, {"from": alice})


def test_concentration_of_an_account(
    clearing: Any, weth: Any, usdc: Any, trading_limits: Any, governance: Any, open_account: Any, approved: Any, alice: Any
) -> None:
    """One account holds at most so much of a token; of the settlement token any amount."""
    account, other = open_account(alice), open_account(alice)
    trading_limits.setTokenLimits(WETH, (0, 5 * WAD), {"from": governance})
    trading_limits.setTokenLimits(USDC, (0, 1), {"from": governance})
    approved(weth, alice, 20 * WAD)
    approved(usdc, alice, 100 * USD)
    clearing.deposit(account, WETH, 5 * WAD, {"from": alice})
    with reverts("AccountCapReached", account, WETH, 5 * WAD + 1, 5 * WAD):
        clearing.deposit(account, WETH, 1, {"from": alice})
    clearing.deposit(other, WETH, 5 * WAD, {"from": alice})
    clearing.deposit(account, USDC, 100 * WAD, {"from": alice})


# --- somebody else's account ---


def test_foreign_deposits_have_a_least_value(
    clearing: Any, ledger: Any, usdc: Any, weth: Any, open_account: Any, approved: Any, publish: Any, govern: Any, alice: Any, bob: Any
) -> None:
    """Dust of a new token would add an underlying to the account, which every witness of it must name."""
    account = open_account(alice)
    publish()
    approved(weth, bob, WAD)
    approved(usdc, bob, 100 * USD)
    least = 10 * WAD * WAD // (SPOT * WAD) + 1  # 10 USD of WETH, in tokens
    with reverts("ForeignDepositTooSmall", account, (least - 1) * SPOT, 10 * WAD):
        clearing.deposit(account, WETH, least - 1, {"from": bob})
    clearing.deposit(account, WETH, least, {"from": bob})
    with reverts("ForeignDepositTooSmall", account, 10 * WAD - 10**12, 10 * WAD):
        clearing.deposit(account, USDC, 10 * WAD - 10**12, {"from": bob})
    govern("MIN_FOREIGN_DEPOSIT", 0)
    clearing.deposit(account, USDC, 10**12, {"from": bob})


@pytest.mark.parametrize("scope", [1, 2])
def test_an_operator_is_no_stranger(clearing: Any, usdc: Any, open_account: Any, approved: Any, alice: Any, bob: Any, scope: int) -> None:
    account = open_account(alice)
    approved(usdc, bob, USD)
    clearing.setOperator(account, bob, scope, {"from": alice})
    clearing.deposit(account, USDC, 10**12, {"from": bob})


def test_a_token_without_a_price_is_worth_nothing_to_strangers(
    project: Any, clearing: Any, listed: Any, open_account: Any, approved: Any, alice: Any, bob: Any
) -> None:
    token = project.TokenMock.deploy("T", "T", 18, {"from": alice})
    index = listed(token)
    account = open_account(alice)
    approved(token, bob, 1_000 * WAD)
    with reverts("ForeignDepositTooSmall", account, 0, 10 * WAD):
        clearing.deposit(account, index, 1_000 * WAD, {"from": bob})


# --- permits ---


def permit(token: Any, owner: str, spender: str, value: int, deadline: int, nonce: int = 0) -> tuple[int, int, bytes, bytes]:
    data = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Permit": [
                {"name": "owner", "type": "address"},
                {"name": "spender", "type": "address"},
                {"name": "value", "type": "uint256"},
                {"name": "nonce", "type": "uint256"},
                {"name": "deadline", "type": "uint256"},
            ],
        },
        "primaryType": "Permit",
        "domain": {"name": "Permit token", "version": "1", "chainId": CHAIN_ID, "verifyingContract": token.address},
        "message": {"owner": owner, "spender": spender, "value": value, "nonce": nonce, "deadline": deadline},
    }
    signature = Account.sign_message(encode_typed_data(full_message=data), KEYS[owner])
    return deadline, signature.v, signature.r.to_bytes(32, "big"), signature.s.to_bytes(32, "big")


@pytest.fixture
def permitted(project: Any, vault: Any, listed: Any, anvil: Any, open_account: Any, alice: Any) -> tuple[Any, int, int, Any]:
    """(token, index, account, alice's permit for 5)."""
    token = project.PermitTokenMock.deploy("Permit token", "PERMIT", 18, {"from": alice})
    token.mint(alice, 10 * WAD, {"from": alice})
    index, account = listed(token), open_account(alice)
    return token, index, account, permit(token, alice.address, vault.address, 5 * WAD, anvil.time() + 60)


def test_deposit_by_permit(clearing: Any, ledger: Any, vault: Any, permitted: Any, alice: Any) -> None:
    token, index, account, signature = permitted
    clearing.depositWithPermit(account, index, 5 * WAD, *signature, {"from": alice})
    assert ledger.collateral(account, index) == 5 * WAD
    assert token.allowance(alice, vault) == 0


def test_a_permit_that_was_sent_by_somebody_else_first(
    clearing: Any, ledger: Any, vault: Any, permitted: Any, alice: Any, stranger: Any
) -> None:
    token, index, account, signature = permitted
    token.permit(alice, vault, 5 * WAD, *signature, {"from": stranger})
    clearing.depositWithPermit(account, index, 5 * WAD, *signature, {"from": alice})
    assert ledger.collateral(account, index) == 5 * WAD


def test_a_permit_of_another_quantity_or_person(clearing: Any, vault: Any, permitted: Any, alice: Any, bob: Any) -> None:
    _, index, account, signature = permitted
    with reverts("ERC20InsufficientAllowance", vault.address, 0, 4 * WAD):
        clearing.depositWithPermit(account, index, 4 * WAD, *signature, {"from": alice})
    with reverts("ERC20InsufficientAllowance", vault.address, 0, 5 * WAD):
        clearing.depositWithPermit(account, index, 5 * WAD, *signature, {"from": bob})


def test_a_token_without_permits_needs_an_approval(
    clearing: Any, usdc: Any, open_account: Any, approved: Any, ledger: Any, alice: Any
) -> None:
    account = open_account(alice)
    approved(usdc, alice, 10 * USD)
    clearing.depositWithPermit(account, USDC, 10 * WAD, 2**255, 27, b"\0" * 32, b"\0" * 32, {"from": alice})
    assert ledger.cash(account) == 10 * WAD
    with reverts("UnknownToken", 7):
        clearing.depositWithPermit(account, 7, WAD, 2**255, 27, b"\0" * 32, b"\0" * 32, {"from": alice})


# --- odd tokens ---


def test_a_token_that_returns_nothing(
    project: Any, clearing: Any, ledger: Any, listed: Any, open_account: Any, approved: Any, alice: Any
) -> None:
    token = project.SilentTokenMock.deploy({"from": alice})
    index, account = listed(token), open_account(alice)
    approved(token, alice, 10 * USD)
    clearing.deposit(account, index, 10 * WAD, {"from": alice})
    clearing.withdraw(account, index, 2 * WAD, alice, {"from": alice})
    assert (ledger.collateral(account, index), token.balanceOf(alice)) == (8 * WAD, 2 * USD)


def test_a_token_that_returns_false(
    project: Any, clearing: Any, ledger: Any, listed: Any, open_account: Any, approved: Any, alice: Any
) -> None:
    token = project.SilentTokenMock.deploy({"from": alice})
    index, account = listed(token), open_account(alice)
    approved(token, alice, 10 * USD)
    clearing.deposit(account, index, 2 * WAD, {"from": alice})
    token.setFails(True, {"from": alice})
    with reverts("SafeERC20FailedOperation", token.address):
        clearing.deposit(account, index, 2 * WAD, {"from": alice})
    with reverts("SafeERC20FailedOperation", token.address):
        clearing.withdraw(account, index, WAD, alice, {"from": alice})
    assert ledger.collateral(account, index) == 2 * WAD


def test_a_token_with_a_fee(project: Any, clearing: Any, ledger: Any, listed: Any, open_account: Any, approved: Any, alice: Any) -> None:
    token = project.FeeTokenMock.deploy(100, {"from": alice})
    index, account = listed(token), open_account(alice)
    approved(token, alice, 10 * WAD)
    with reverts("WrongAmountReceived", token.address, 10 * WAD, 99 * WAD // 10):
        clearing.deposit(account, index, 10 * WAD, {"from": alice})
    assert ledger.collateral(account, index) == 0


def test_a_token_that_rebases_up_is_a_donation(
    project: Any, clearing: Any, vault: Any, ledger: Any, listed: Any, open_account: Any, approved: Any, alice: Any
) -> None:
    token = project.OddTokenMock.deploy(18, {"from": alice})
    index, account = listed(token), open_account(alice)
    approved(token, alice, 10 * WAD)
    clearing.deposit(account, index, 4 * WAD, {"from": alice})
    token.rebase(2 * WAD, {"from": alice})
    assert (token.balanceOf(vault), vault.recorded(index), ledger.collateral(account, index)) == (8 * WAD, 4 * WAD, 4 * WAD)
    clearing.withdraw(account, index, 4 * WAD, alice, {"from": alice})
    assert token.balanceOf(vault) == 4 * WAD


def test_a_token_that_rebases_down_lets_nobody_else_in(
    project: Any, clearing: Any, vault: Any, listed: Any, open_account: Any, approved: Any, alice: Any
) -> None:
    token = project.OddTokenMock.deploy(18, {"from": alice})
    index, account = listed(token), open_account(alice)
    approved(token, alice, 10 * WAD)
    clearing.deposit(account, index, 4 * WAD, {"from": alice})
    token.rebase(WAD // 2, {"from": alice})
    with reverts("BalanceBelowRecorded", token.address, 2 * WAD, 4 * WAD):
        clearing.deposit(account, index, WAD, {"from": alice})
    clearing.withdraw(account, index, 2 * WAD, alice, {"from": alice})  # as long as there is some
    token.rebase(WAD, {"from": alice})


def test_a_token_that_blocks_a_holder_stops_nobody_else(
    project: Any, clearing: Any, listed: Any, open_account: Any, approved: Any, alice: Any, bob: Any
) -> None:
    token = project.OddTokenMock.deploy(6, {"from": alice})
    index, account = listed(token), open_account(alice)
    approved(token, alice, 10 * USD)
    clearing.deposit(account, index, 4 * WAD, {"from": alice})
    token.freeze(bob, True, {"from": alice})
    with reverts("Frozen", bob.address):
        clearing.withdraw(account, index, WAD, bob, {"from": alice})
    clearing.withdraw(account, index, WAD, alice, {"from": alice})
    token.freeze(alice, True, {"from": alice})
    with reverts("Frozen", alice.address):
        clearing.deposit(account, index, WAD, {"from": alice})


@pytest.mark.parametrize("function", ["depositWithPermit", "transfer", "multicall", "settleBatch"])
def test_a_token_that_calls_back(
    project: Any,
    clearing: Any,
    ledger: Any,
    listed: Any,
    open_account: Any,
    approved: Any,
    publish: Any,
    signed: Any,
    alice: Any,
    bob: Any,
    function: str,
) -> None:
    """By whatever way it comes back in, it meets the guard."""
    token = project.CallbackTokenMock.deploy({"from": alice})
    index, account, other = listed(token), open_account(alice), open_account(alice)
    approved(token, alice, 10 * WAD)
    deposit = clearing.deposit.encode_input(account, index, WAD)
    publish()
    fill = (signed(account, 1).as_tuple(), signed(other, -1).as_tuple(), WAD, SPOT * WAD)
    call = {
        "depositWithPermit": clearing.depositWithPermit.encode_input(account, index, WAD, 0, 0, b"\0" * 32, b"\0" * 32),
        "transfer": clearing.transfer.encode_input(account, other, index, 1),
        "multicall": clearing.multicall.encode_input([deposit]),
        "settleBatch": clearing.settleBatch.encode_input([fill], True),
    }[function]
    token.setCallback(clearing, call, {"from": alice})
    with reverts("ReentrancyGuardReentrantCall"):
        clearing.deposit(account, index, WAD, {"from": alice})
    assert ledger.collateral(account, index) == 0
