"""What waits in the withdrawal queue when governance shuts down shares like everything else."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.model import MarginMode
from scripts.deploy import SETTLEMENT
from scripts.parameter_list import governed_parameters
from tests.contracts.waterfall.shutdown.conftest import ETH_PERP, WINDOW
from tests.reverts import reverts

WAD = 10**18
UNIT = 10**12  # of USDC
WETH = 0


@pytest.fixture
def leave(
    clearing: Any, publish: Any, risk_parameters: Any, governance: Any, anvil: Any
) -> Callable[[SimpleNamespace, Any, int, int], int]:
    """Withdraws at the begin of a window of which a quarter of a token may leave, nothing being free of that; the claim on the rest."""
    risk_parameters.set(governed_parameters()["OUTFLOW_FLOOR"].index, 0, {"from": governance})

    def withdraw(party: Any, owner: Any, token: int, quantity: int) -> int:
        anvil.set_time((anvil.time() // 3_600 + 1) * 3_600 + 1)
        publish()
        return int(clearing.withdraw(party.account, token, quantity, owner, {"from": owner}).return_value)

    return withdraw


def test_who_leaves_ahead_of_a_shutdown_shares_like_the_rest(
    settlement: Any,
    withdrawal_queue: Any,
    world: Any,
    leave: Any,
    shut: Any,
    fix: Any,
    publish: Any,
    anyone: Any,
    account_of: Any,
    guardian: Any,
    usdc: Any,
) -> None:
    """[A] With the loss in sight somebody asks for everything. The cap lets a part go in time; the rest used to be paid in full after
    the shutdown, while everyone else got his share of what was left."""
    runner = account_of(guardian, MarginMode.CROSS, usdc=200_000)
    claim = leave(runner, guardian, SETTLEMENT, 200_000 * WAD)
    in_time = usdc.balanceOf(guardian)
    waits = 200_000 * WAD - in_time * UNIT
    assert (in_time > 0, withdrawal_queue.waiting(SETTLEMENT)) == (True, waits)
    publish({"ETH": 1_500.0})
    shut()
    fix()
    accounts = [*world.accounts, runner.account]
    with reverts("WithdrawalsWait", SETTLEMENT, waits):
        settlement.settle(accounts, anyone)
    receipt = settlement.undoWithdrawals([claim], anyone)
    assert dict(receipt.events["WithdrawalUndone"]) == {"id": claim, "account": runner.account, "token": SETTLEMENT, "quantity": waits}
    assert "WithdrawalUndone" not in settlement.undoWithdrawals([claim], anyone).events
    with reverts("NothingToClaim", claim, 0, 0):
        withdrawal_queue.claim(claim, anyone)
    settlement.settle(accounts, anyone)
    settlement.finalise(anyone)
    assert settlement.claimOf(runner.account) == waits
    settlement.claim(runner.account, SETTLEMENT, anyone)
    settlement.claim(world.short.account, SETTLEMENT, anyone)
    paid = usdc.balanceOf(guardian) - in_time
    ratio = settlement.ratio() / WAD
    assert ratio < 0.97
    # In settlement tokens; the pool's collateral makes up the rest of the ratio.
    assert 0.9 * ratio * waits < paid * UNIT <= ratio * waits  # before: all of what waited


def test_what_was_released_before_is_paid_after(
    settlement: Any,
    withdrawal_queue: Any,
    world: Any,
    leave: Any,
    shut: Any,
    anyone: Any,
    account_of: Any,
    guardian: Any,
    anvil: Any,
    usdc: Any,
) -> None:
    runner = account_of(guardian, MarginMode.CROSS, usdc=200_000)
    claim = leave(runner, guardian, SETTLEMENT, 200_000 * WAD)
    anvil.advance(3_600)
    withdrawal_queue.claim(claim, anyone)
    claimed = withdrawal_queue.claimOf(claim)
    assert 0 < claimed["paid"] < claimed["quantity"]
    shut()
    anvil.advance(36_000)
    assert withdrawal_queue.claimable(claim) == 0  # no window releases anything any more
    settlement.undoWithdrawals([claim], anyone)
    assert withdrawal_queue.claimOf(claim)["quantity"] == claimed["paid"]
    assert (withdrawal_queue.waiting(SETTLEMENT), usdc.balanceOf(withdrawal_queue)) == (0, 0)


def test_collateral_that_waits_answers_for_its_owners_debt(
    settlement: Any,
    ledger: Any,
    world: Any,
    leave: Any,
    shut: Any,
    fix: Any,
    publish: Any,
    anyone: Any,
    bob: Any,
    account_of: Any,
    carol: Any,
    trade_at_mark: Any,
    weth: Any,
    withdrawal_queue: Any,
) -> None:
    """[A] A debtor asks for his collateral back while he can: what waits of it still pays his debt."""
    party = account_of(carol, MarginMode.CROSS, usdc=4_000, weth=20)
    claim = leave(party, carol, WETH, 20 * WAD)
    waits = withdrawal_queue.waiting(WETH)
    publish()
    trade_at_mark(party, world.short, ETH_PERP, 5)
    publish({"ETH": 2_000.0})
    shut()
    fix()
    accounts = [*world.accounts, party.account]
    with reverts("WithdrawalsWait", WETH, waits):
        settlement.settle(accounts, anyone)
    settlement.undoWithdrawals([claim], anyone)
    assert ledger.collateral(party.account, WETH) == waits
    receipt = settlement.settle(accounts, anyone)
    event = next(e for e in receipt.events["AccountSettled"] if e["account"] == party.account)
    assert event["pooled"] == event["debt"] > 2_000 * WAD


@pytest.mark.parametrize("silent", [False, True], ids=["reverts", "returns false"])
def test_a_token_that_cannot_move_delays_by_a_window(
    settlement: Any,
    withdrawal_queue: Any,
    world: Any,
    project: Any,
    leave: Any,
    shut: Any,
    fix: Any,
    anyone: Any,
    account_of: Any,
    vault: Any,
    clearing: Any,
    governance: Any,
    guardian: Any,
    move_time: Any,
    silent: bool,
) -> None:
    by = {"from": guardian}
    token = project.SilentTokenMock.deploy(by) if silent else project.OddTokenMock.deploy(18, by)
    unit = 10 ** (18 - token.decimals())

    def stops(stopped: bool) -> None:
        if silent:
            token.setFails(stopped, by)
        else:
            token.freeze(withdrawal_queue, stopped, by)

    index = vault.tokenCount()
    vault.list(token, {"from": governance})
    party = account_of(guardian, MarginMode.CROSS)
    token.mint(guardian, 8 * WAD // unit, by)
    token.approve(vault, 8 * WAD // unit, by)
    clearing.deposit(party.account, index, 8 * WAD, {"from": guardian})
    claim = leave(party, guardian, index, 8 * WAD)
    stops(True)
    shut()
    fix()
    with reverts("UnknownClaim", claim + 1):
        settlement.undoWithdrawals([claim + 1], anyone)
    with reverts(*(("SafeERC20FailedOperation", token.address) if silent else ("Frozen", withdrawal_queue.address))):
        settlement.undoWithdrawals([claim], anyone)
    accounts = [*world.accounts, party.account]
    with reverts("WithdrawalsWait", index, 6 * WAD):
        settlement.settle(accounts, anyone)
    move_time(WINDOW)
    settlement.settle(accounts, anyone)
    settlement.finalise(anyone)
    settlement.claim(world.long.account, SETTLEMENT, anyone)
    stops(False)
    settlement.undoWithdrawals([claim], anyone)
    settlement.claim(party.account, index, anyone)
    assert token.balanceOf(guardian) == 8 * WAD // unit
