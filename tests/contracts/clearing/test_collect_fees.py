"""Clearing.collectFees: whole token units of the house's cash to the insurance fund."""

from __future__ import annotations

from typing import Any

from tests.contracts.clearing.conftest import HOUSE, SPOT, USDC, WAD, fee


def test_sends_whole_units(
    clearing: Any, ledger: Any, vault: Any, usdc: Any, insurance_fund: Any, open_account: Any, publish: Any, trade: Any, signed: Any,
    settle: Any, alice: Any, stranger: Any, maker_account: int
) -> None:  # fmt: skip
    account = open_account(alice, usdc=50_000)
    publish()
    trade(account, maker_account, 7, SPOT)
    settle(signed(account, 1), signed(maker_account, -1), 1, SPOT * WAD)  # adds 2e-18 from each side
    recorded, held = vault.recorded(USDC), usdc.balanceOf(insurance_fund)
    collected = 2 * fee(7, SPOT)
    assert collected % 10**12 == 0
    assert ledger.cash(HOUSE) == collected + 4

    receipt = clearing.collectFees({"from": stranger})
    assert receipt.return_value == collected
    assert ledger.cash(HOUSE) == 4
    assert usdc.balanceOf(insurance_fund) - held == collected // 10**12
    assert recorded - vault.recorded(USDC) == collected
    assert receipt.events["CashChanged"]["reason"] == 7  # FEES_COLLECTED


def test_nothing_to_send(clearing: Any, ledger: Any, signed: Any, settle: Any, open_account: Any, publish: Any, alice: Any, stranger: Any, maker_account: int) -> None:  # fmt: skip  # noqa: E501
    assert clearing.collectFees({"from": stranger}).return_value == 0
    account = open_account(alice, usdc=50_000)
    publish()
    settle(signed(account, 1), signed(maker_account, -1), 1, SPOT * WAD)
    receipt = clearing.collectFees({"from": stranger})
    assert receipt.return_value == 0
    assert len(receipt.events) == 0
    assert ledger.cash(HOUSE) == 4
