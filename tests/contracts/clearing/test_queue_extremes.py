"""The withdrawal queue counts in 104 bits, 2e13 tokens: a token of which more is there stops by name, alone, and goes on once less is."""

from __future__ import annotations

from typing import Any

from tests.contracts.clearing.conftest import USDC, WAD, WETH
from tests.reverts import reverts

WINDOW = 3_600
ABOVE = 2**107  # a quarter of it may leave per window: beyond 104 bits


def test_a_window_too_wide_to_count(
    anvil: Any,
    clearing: Any,
    withdrawal_queue: Any,
    weth: Any,
    vault: Any,
    open_account: Any,
    govern: Any,
    publish: Any,
    alice: Any,
    bob: Any,
) -> None:
    def next_window() -> None:
        anvil.set_time((anvil.time() // WINDOW + 1) * WINDOW + 1)
        publish()

    govern("OUTFLOW_FLOOR", 0)
    account = open_account(alice, usdc=1_000, weth=100)
    next_window()
    clearing.withdraw(account, WETH, 60 * WAD, bob, {"from": alice})  # a part of it waits
    weth.mint(alice, ABOVE, {"from": alice})
    weth.approve(vault, ABOVE, {"from": alice})
    clearing.deposit(account, WETH, ABOVE, {"from": alice})
    next_window()
    for call in (
        lambda: withdrawal_queue.room(WETH),
        lambda: withdrawal_queue.waiting(WETH),
        lambda: withdrawal_queue.claimable(1),
        lambda: withdrawal_queue.claim(1, {"from": bob}),
        lambda: clearing.withdraw(account, WETH, WAD, bob, {"from": alice}),
        lambda: clearing.deposit(account, WETH, WAD, {"from": alice}),
    ):
        with reverts("SafeCastOverflowedUintDowncast", 104, ...):
            call()
    clearing.withdraw(account, USDC, WAD, bob, {"from": alice})  # the others go on
    govern("OUTFLOW_CAP", WAD // 100)
    withdrawal_queue.claim(1, {"from": bob})
    assert weth.balanceOf(bob) == 60 * WAD
