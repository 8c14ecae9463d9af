"""WithdrawalQueue: what leaves per window is bounded; what exceeds it waits its turn and is paid in full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.clearing.conftest import SPOT, USDC, WAD, WETH
from tests.reverts import reverts

WINDOW = 3_600
UNIT = 10**12
HALTED = 2
ETH, GLOBAL = 0, 255


@pytest.fixture
def next_window(anvil: Any) -> Callable[[], None]:
    return lambda: anvil.set_time((anvil.time() // WINDOW + 1) * WINDOW + 1)


@pytest.fixture
def account(open_account: Any, vault: Any, govern: Any, next_window: Any, alice: Any) -> int:
    """1,000 USDC, all that there is; a quarter may leave per hour, and there is no amount that always may."""
    govern("OUTFLOW_FLOOR", 0)
    opened = open_account(alice, usdc=1_000)
    assert vault.recorded(USDC) == 1_000 * WAD
    next_window()
    return int(opened)


def test_what_fits_leaves_at_once(clearing: Any, withdrawal_queue: Any, usdc: Any, account: int, alice: Any, bob: Any) -> None:
    assert withdrawal_queue.room(USDC) == 250 * WAD
    receipt = clearing.withdraw(account, USDC, 250 * WAD, bob, {"from": alice})
    assert receipt.return_value == 0
    assert "WithdrawalQueued" not in receipt.events
    assert usdc.balanceOf(bob) == 250 * 10**6
    assert withdrawal_queue.room(USDC) == 0


def test_the_rest_waits_and_is_paid_in_full(
    clearing: Any,
    withdrawal_queue: Any,
    ledger: Any,
    vault: Any,
    usdc: Any,
    account: int,
    next_window: Any,
    alice: Any,
    bob: Any,
    stranger: Any,
) -> None:
    receipt = clearing.withdraw(account, USDC, 600 * WAD, bob, {"from": alice})
    event = receipt.events["WithdrawalQueued"]
    claim = int(receipt.return_value)
    assert tuple(event.values()) == (claim, account, USDC, bob, 350 * WAD)
    assert receipt.events["Withdrawn"]["quantity"] == 600 * WAD
    assert ledger.cash(account) == 400 * WAD
    assert vault.recorded(USDC) == 400 * WAD  # what waits is no longer the vault's
    assert usdc.balanceOf(bob) == 250 * 10**6
    assert usdc.balanceOf(withdrawal_queue) == 350 * 10**6
    assert tuple(withdrawal_queue.claimOf(claim)) == (bob, account, USDC, 0, 350 * WAD, 0)
    assert (withdrawal_queue.waiting(USDC), withdrawal_queue.claimable(claim)) == (350 * WAD, 0)
    with reverts("NothingToClaim", claim, 0, 350 * WAD):
        withdrawal_queue.claim(claim, {"from": stranger})

    # A quarter of what vault and queue hold as the window begins: 750, then 562.5.
    paid = 0
    for due in (1875 * WAD // 10, 140625 * WAD // 1_000, 350 * WAD):
        next_window()
        expected = min(due, 350 * WAD - paid)
        assert withdrawal_queue.claimable(claim) == expected
        receipt = withdrawal_queue.claim(claim, {"from": stranger})
        paid += expected
        assert tuple(receipt.events["WithdrawalPaid"].values()) == (claim, bob, expected, paid)
    assert usdc.balanceOf(bob) == 600 * 10**6
    assert usdc.balanceOf(withdrawal_queue) == 0
    next_window()
    with reverts("NothingToClaim", claim, 350 * WAD, 350 * WAD):
        withdrawal_queue.claim(claim, {"from": stranger})


def test_nobody_overtakes(
    clearing: Any, withdrawal_queue: Any, usdc: Any, open_account: Any, account: int, next_window: Any, alice: Any, bob: Any, carol: Any
) -> None:
    later = open_account(carol, usdc=1_000)
    next_window()
    first = int(clearing.withdraw(account, USDC, 1_000 * WAD, bob, {"from": alice}).return_value)  # 500 at once
    second = int(clearing.withdraw(later, USDC, 100 * WAD, carol, {"from": carol}).return_value)
    assert (usdc.balanceOf(bob), usdc.balanceOf(carol)) == (500 * 10**6, 0)
    next_window()  # a quarter of 1,500
    assert (withdrawal_queue.claimable(first), withdrawal_queue.claimable(second)) == (375 * WAD, 0)
    # Who comes now, with room for others used up, waits behind them, even for one unit.
    third = int(clearing.withdraw(later, USDC, UNIT, carol, {"from": carol}).return_value)
    assert withdrawal_queue.claimable(third) == 0
    next_window()  # a quarter of 1,125, less the unit: 281.25
    assert (withdrawal_queue.claimable(first), withdrawal_queue.claimable(second)) == (500 * WAD, 100 * WAD)
    # The later one claims first: what is released for the earlier stays.
    withdrawal_queue.claim(second, {"from": carol})
    withdrawal_queue.claim(third, {"from": carol})
    withdrawal_queue.claim(first, {"from": carol})
    assert (usdc.balanceOf(bob), usdc.balanceOf(carol)) == (1_000 * 10**6, 100 * 10**6 + 1)


def test_deposits_give_room(clearing: Any, withdrawal_queue: Any, usdc: Any, fund: Any, account: int, alice: Any) -> None:
    """Net of deposits: going in and out again uses nothing up, nor does it widen the room for others."""
    fund(account, alice, usdc_amount=400)
    assert withdrawal_queue.room(USDC) == 650 * WAD
    assert clearing.withdraw(account, USDC, 400 * WAD, alice, {"from": alice}).return_value == 0
    assert withdrawal_queue.room(USDC) == 250 * WAD


def test_a_deposit_does_not_widen_its_own_window(withdrawal_queue: Any, fund: Any, account: int, next_window: Any, alice: Any) -> None:
    next_window()
    fund(account, alice, usdc_amount=3_000)  # the first thing in this window
    assert withdrawal_queue.room(USDC) == 3_250 * WAD
    next_window()
    assert withdrawal_queue.room(USDC) == 1_000 * WAD


def test_whole_units(
    clearing: Any, withdrawal_queue: Any, usdc: Any, fund: Any, account: int, next_window: Any, alice: Any, bob: Any
) -> None:
    fund(account, alice, usdc_amount=0.000003)  # a quarter is 250.00000075
    next_window()
    claim = int(clearing.withdraw(account, USDC, 300 * WAD + 3 * UNIT, bob, {"from": alice}).return_value)
    assert usdc.balanceOf(bob) == 250 * 10**6
    next_window()
    withdrawal_queue.claim(claim, {"from": alice})
    assert usdc.balanceOf(bob) == 300 * 10**6 + 3


def test_what_always_may_leave(
    clearing: Any, withdrawal_queue: Any, weth: Any, open_account: Any, govern: Any, publish: Any, next_window: Any, alice: Any
) -> None:
    """In USD, by the token's price: 3,400 are one WETH."""
    govern("OUTFLOW_FLOOR", 3_400 * WAD)
    account = open_account(alice, usdc=10_000, weth=2)
    publish()
    next_window()
    publish()
    assert (withdrawal_queue.room(USDC), withdrawal_queue.room(WETH)) == (3_400 * WAD, WAD)
    assert clearing.withdraw(account, WETH, WAD, alice, {"from": alice}).return_value == 0
    assert clearing.withdraw(account, WETH, WAD // 2, alice, {"from": alice}).return_value == 1
    assert weth.balanceOf(withdrawal_queue) == WAD // 2


def test_a_token_without_a_price_has_the_share_alone(
    project: Any, withdrawal_queue: Any, clearing: Any, vault: Any, governance: Any, open_account: Any, next_window: Any, alice: Any
) -> None:
    token = project.TokenMock.deploy("Unpriced", "U", 18, {"from": alice})
    index = vault.tokenCount()
    vault.list(token, {"from": governance})
    account = open_account(alice)
    token.mint(alice, 100 * WAD, {"from": alice})
    token.approve(vault, 100 * WAD, {"from": alice})
    clearing.deposit(account, index, 100 * WAD, {"from": alice})
    next_window()
    assert withdrawal_queue.room(index) == 25 * WAD


def test_claims_wait_while_halted(
    clearing: Any,
    withdrawal_queue: Any,
    breaker: Any,
    guardian: Any,
    governance: Any,
    usdc: Any,
    fund: Any,
    account: int,
    next_window: Any,
    alice: Any,
) -> None:
    claim = int(clearing.withdraw(account, USDC, 600 * WAD, alice, {"from": alice}).return_value)
    next_window()
    breaker.tighten(GLOBAL, HALTED, {"from": guardian})
    assert withdrawal_queue.claimable(claim) == 0
    with reverts("ClaimsHalted"):
        withdrawal_queue.claim(claim, {"from": alice})
    # Nor does the queue move on meanwhile: a shutdown finds it as it was.
    fund(account, alice, usdc_amount=10_000)
    assert withdrawal_queue.waiting(USDC) == 350 * WAD
    breaker.loosen(GLOBAL, 0, {"from": governance})
    withdrawal_queue.claim(claim, {"from": alice})
    assert usdc.balanceOf(alice) == 600 * 10**6


def test_a_halt_of_what_the_account_holds_stops_its_claims(
    clearing: Any,
    withdrawal_queue: Any,
    breaker: Any,
    guardian: Any,
    governance: Any,
    govern: Any,
    usdc: Any,
    open_account: Any,
    maker_account: int,
    publish: Any,
    trade: Any,
    next_window: Any,
    alice: Any,
    carol: Any,
) -> None:
    """[A] Profit from a market that the guardian halted does not leave through a claim made just before; others' claims go on."""
    govern("OUTFLOW_FLOOR", 0)
    holder, other = open_account(alice, usdc=9_000_000), open_account(carol, usdc=9_000_000)
    publish()
    trade(holder, maker_account, "0.1", SPOT)
    next_window()
    publish()
    first = int(clearing.withdraw(holder, USDC, 8_000_000 * WAD, alice, {"from": alice}).return_value)
    second = int(clearing.withdraw(other, USDC, 10 * WAD, carol, {"from": carol}).return_value)
    next_window()
    breaker.tighten(ETH, HALTED, {"from": guardian})
    assert withdrawal_queue.claimable(first) == 0
    with reverts("ClaimsHalted"):
        withdrawal_queue.claim(first, {"from": alice})
    withdrawal_queue.claim(second, {"from": carol})  # behind it in the queue
    assert usdc.balanceOf(carol) == 10 * 10**6
    breaker.loosen(ETH, 0, {"from": governance})
    due = withdrawal_queue.claimable(first)
    assert due == 10**6 * WAD
    assert withdrawal_queue.claim(first, {"from": alice}).return_value == due


def test_only_a_shutdown_undoes_claims(project: Any, withdrawal_queue: Any, clearing: Any, anvil: Any, account: int, alice: Any) -> None:
    claim = int(clearing.withdraw(account, USDC, 600 * WAD, alice, {"from": alice}).return_value)
    with reverts("NotAModule", alice.address):
        withdrawal_queue.undo(claim, {"from": alice})
    from brownie import accounts  # noqa: PLC0415 - only once the project is loaded

    anvil.rpc("anvil_impersonateAccount", clearing.address)
    anvil.rpc("anvil_setBalance", clearing.address, hex(10**20))
    with reverts("NotShutDown"):
        withdrawal_queue.undo(claim, {"from": accounts.at(clearing.address, force=True)})


@pytest.fixture
def listed(
    clearing: Any, vault: Any, governance: Any, govern: Any, open_account: Any, next_window: Any, alice: Any
) -> Callable[[Any], tuple[int, int]]:
    """token -> (index, an account of alice that holds 100 of it), no floor to the outflow, at the beginning of a window."""

    def deposit(token: Any) -> tuple[int, int]:
        govern("OUTFLOW_FLOOR", 0)
        index, account, by = vault.tokenCount(), open_account(alice), {"from": alice}
        vault.list(token, {"from": governance})
        token.mint(alice, 100 * 10**6, by)
        token.approve(vault, 100 * 10**6, by)
        clearing.deposit(account, index, 100 * WAD, by)
        next_window()
        return index, account

    return deposit


def test_one_receiver_that_cannot_be_paid_stops_nobody(
    project: Any, clearing: Any, withdrawal_queue: Any, listed: Any, next_window: Any, alice: Any, bob: Any
) -> None:
    token = project.OddTokenMock.deploy(6, {"from": alice})
    index, account = listed(token)
    to_bob = int(clearing.withdraw(account, index, 35 * WAD, bob, {"from": alice}).return_value)  # 25 at once
    to_alice = int(clearing.withdraw(account, index, 5 * WAD, alice, {"from": alice}).return_value)
    token.freeze(bob, True, {"from": alice})
    next_window()
    with reverts("Frozen", bob.address):
        withdrawal_queue.claim(to_bob, {"from": alice})
    withdrawal_queue.claim(to_alice, {"from": alice})
    assert token.balanceOf(alice) == 5 * 10**6
    token.freeze(bob, False, {"from": alice})
    withdrawal_queue.claim(to_bob, {"from": alice})
    assert token.balanceOf(bob) == 35 * 10**6


def test_a_token_that_says_no_pays_later(
    project: Any, clearing: Any, withdrawal_queue: Any, listed: Any, next_window: Any, alice: Any
) -> None:
    by = {"from": alice}
    token = project.SilentTokenMock.deploy(by)
    index, account = listed(token)
    claim = int(clearing.withdraw(account, index, 30 * WAD, alice, by).return_value)
    next_window()
    token.setFails(True, by)
    with reverts("SafeERC20FailedOperation", token.address):
        withdrawal_queue.claim(claim, by)
    token.setFails(False, by)
    withdrawal_queue.claim(claim, by)
    assert token.balanceOf(alice) == 30 * 10**6


def test_unknown_claims(withdrawal_queue: Any, stranger: Any) -> None:
    assert withdrawal_queue.claimCount() == 0
    for claim in (0, 1):
        with reverts("UnknownClaim", claim):
            withdrawal_queue.claim(claim, {"from": stranger})
        with reverts("UnknownClaim", claim):
            withdrawal_queue.claimable(claim)


def test_modules_only(withdrawal_queue: Any, stranger: Any) -> None:
    with reverts("NotAModule", stranger.address):
        withdrawal_queue.noteInflow(USDC, WAD, {"from": stranger})
    with reverts("NotAModule", stranger.address):
        withdrawal_queue.request(1, USDC, stranger, WAD, {"from": stranger})


def test_the_books_balance_while_something_waits(
    clearing: Any,
    withdrawal_queue: Any,
    ledger: Any,
    vault: Any,
    usdc: Any,
    maker_account: int,
    open_account: Any,
    publish: Any,
    trade: Any,
    next_window: Any,
    alice: Any,
    maker: Any,
) -> None:
    """INV-LEDGER and INV-QUEUE: what waits has left the ledger and the vault's record alike."""
    account = open_account(alice, usdc=1_000)
    publish()
    trade(account, maker_account, "0.1", SPOT)
    next_window()
    publish()
    clearing.withdraw(maker_account, USDC, 9_000_000 * WAD, alice, {"from": maker})
    accounts = range(ledger.accountCount() + 1)
    assert sum(ledger.cash(i) - ledger.costs(i) for i in accounts) == vault.recorded(USDC)
    assert usdc.balanceOf(vault) * UNIT == vault.recorded(USDC)
    assert usdc.balanceOf(withdrawal_queue) * UNIT == withdrawal_queue.waiting(USDC) > 0
