"""The fund's shares as ERC-20 and ERC-4626: what standard functions return, and every way in which they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scripts.anvil import Anvil
from tests.reverts import reverts

WAD = 10**18
USDC = 10**6
SHARE = 10**12
DEPOSIT = 1_000
DAY = 86_400
ZERO = "0x" + "00" * 20


@pytest.fixture
def token(project: Any, deployer: Any) -> Any:
    return project.SilentTokenMock.deploy({"from": deployer})


@pytest.fixture
def fund(project: Any, token: Any, deployer: Any, governor: Any) -> Any:
    parameters = project.RiskParameters.deploy(governor, {"from": deployer})
    return project.InsuranceFund.deploy(token, parameters, governor, {"from": deployer})


@pytest.fixture
def pay(token: Any, fund: Any) -> Callable[[Any], dict[str, Any]]:
    """Tokens and an allowance for the fund."""

    def prepared(who: Any) -> dict[str, Any]:
        token.mint(who, DEPOSIT * USDC, {"from": who})
        token.approve(fund, DEPOSIT * USDC, {"from": who})
        return {"from": who}

    return prepared


@pytest.fixture
def shares(fund: Any, pay: Any, alice: Any) -> int:
    fund.deposit(DEPOSIT * USDC, alice, pay(alice))
    return int(fund.balanceOf(alice))


def test_standard_figures(fund: Any, token: Any, shares: int, alice: Any) -> None:
    assert (fund.name(), fund.symbol(), fund.decimals()) == ("DPRE insurance fund share", "dpreIF", 12)
    assert fund.asset() == token
    assert shares == fund.totalSupply() == DEPOSIT * SHARE
    assert fund.totalAssets() == DEPOSIT * USDC
    assert fund.convertToShares(USDC) == fund.previewDeposit(USDC) == fund.previewWithdraw(USDC) == SHARE
    assert fund.convertToAssets(SHARE) == fund.previewMint(SHARE) == fund.previewRedeem(SHARE) == USDC
    assert fund.maxDeposit(alice) == fund.maxMint(alice) == 2**256 - 1
    assert fund.maxWithdraw(alice) == fund.maxRedeem(alice) == 0


def test_minting_is_depositing_by_shares(fund: Any, token: Any, pay: Any, alice: Any, bob: Any) -> None:
    fund.mint(7 * SHARE, bob, pay(alice))
    assert fund.balanceOf(bob) == 7 * SHARE
    assert token.balanceOf(fund) == 7 * USDC


def test_shares_move(fund: Any, shares: int, alice: Any, bob: Any, carol: Any) -> None:
    fund.transfer(bob, 3, {"from": alice})
    fund.approve(carol, 5, {"from": alice})
    receipt = fund.transferFrom(alice, bob, 2, {"from": carol})
    assert (fund.balanceOf(alice), fund.balanceOf(bob)) == (shares - 5, 5)
    assert fund.allowance(alice, carol) == 3
    assert receipt.events["Approval"]["value"] == 3  # logs tell allowances
    fund.approve(carol, 2**256 - 1, {"from": alice})
    fund.transferFrom(alice, bob, 2, {"from": carol})
    assert fund.allowance(alice, carol) == 2**256 - 1


def test_transfers_are_refused(fund: Any, shares: int, alice: Any, bob: Any, carol: Any) -> None:
    with reverts("ERC20InvalidReceiver", ZERO):
        fund.transfer(ZERO, 1, {"from": alice})
    with reverts("ERC20InsufficientBalance", bob.address, 0, 1):
        fund.transfer(alice, 1, {"from": bob})
    with reverts("ERC20InvalidSpender", ZERO):
        fund.approve(ZERO, 1, {"from": alice})
    with reverts("ERC20InsufficientAllowance", carol.address, 0, 1):
        fund.transferFrom(alice, bob, 1, {"from": carol})
    fund.approve(carol, shares + 1, {"from": alice})
    with reverts("ERC20InvalidReceiver", ZERO):
        fund.transferFrom(alice, ZERO, 1, {"from": carol})
    with reverts("ERC20InsufficientBalance", alice.address, shares, shares + 1):
        fund.transferFrom(alice, bob, shares + 1, {"from": carol})
    with reverts("ERC20InsufficientBalance", bob.address, 0, 1):
        fund.requestExit(1, {"from": bob})
    for of_nobody in (fund.withdraw, fund.redeem):
        with reverts("ERC20InvalidApprover", ZERO):
            of_nobody(0, bob, ZERO, {"from": bob})
    with reverts("ERC20InvalidApprover", ZERO):
        fund.transferFrom(ZERO, bob, 0, {"from": bob})


def test_nobody_gets_the_shares(fund: Any, pay: Any, alice: Any) -> None:
    by = pay(alice)
    with reverts("ERC20InvalidReceiver", ZERO):
        fund.deposit(USDC, ZERO, by)
    with reverts("ERC20InvalidReceiver", ZERO):
        fund.mint(SHARE, ZERO, by)


def test_nothing_can_be_withdrawn_at_once(fund: Any, shares: int, alice: Any, bob: Any) -> None:
    """Not even by others; nothing of nothing may."""
    with reverts("ERC4626ExceededMaxWithdraw", alice.address, 1, 0):
        fund.withdraw(1, bob, alice, {"from": bob})
    with reverts("ERC4626ExceededMaxRedeem", alice.address, 1, 0):
        fund.redeem(1, bob, alice, {"from": bob})
    fund.withdraw(0, bob, alice, {"from": bob})
    fund.redeem(0, bob, alice, {"from": bob})
    assert fund.balanceOf(alice) == shares


def test_a_token_that_says_no(fund: Any, token: Any, pay: Any, shares: int, anvil: Anvil, alice: Any, keeper: Any, governor: Any) -> None:
    """Whatever moves tokens reverts with it, and nothing is lost: later it goes through."""
    fund.setMember(keeper, 100 * WAD, DAY, {"from": governor})
    fund.requestExit(shares // 2, {"from": alice})
    _, _, ends = map(int, fund.epoch())
    anvil.set_time(ends + 7 * DAY + 60)
    fund.settleExits({"from": alice})
    by = pay(alice)
    calls = (
        lambda: fund.deposit(USDC, alice, by),
        lambda: fund.mint(SHARE, alice, by),
        lambda: fund.draw(1, 0, WAD, governor, {"from": keeper}),
        lambda: fund.claim(1, by),
    )
    token.setFails(True, by)
    for call in calls:
        with reverts("SafeERC20FailedOperation", token.address):
            call()
    for refused in (lambda: fund.withdraw(0, alice, alice, by), lambda: fund.redeem(0, alice, alice, by)):
        with reverts("SafeERC20FailedOperation", token.address):
            refused()
    token.setFails(False, by)
    for call in calls:
        call()
