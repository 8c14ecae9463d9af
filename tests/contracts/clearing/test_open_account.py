"""Clearing.openAccount and setOperator."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.clearing.conftest import CROSS, ISOLATED, PORTFOLIO
from tests.reverts import reverts


@pytest.mark.parametrize("mode", [ISOLATED, CROSS, PORTFOLIO])
def test_belongs_to_the_caller(clearing: Any, ledger: Any, alice: Any, mode: int) -> None:
    receipt = clearing.openAccount(mode, {"from": alice})
    account = ledger.accountCount()
    assert receipt.return_value == account
    assert receipt.events["AccountOpened"]["account"] == account
    assert tuple(ledger.account(account))[:2] == (alice, mode)


def test_one_owner_many_accounts(clearing: Any, ledger: Any, alice: Any) -> None:
    clearing.openAccount(CROSS, {"from": alice})
    clearing.openAccount(CROSS, {"from": alice})
    last = ledger.accountCount()
    assert ledger.account(last)[0] == ledger.account(last - 1)[0] == alice


def test_owner_names_operators(clearing: Any, ledger: Any, open_account: Any, alice: Any, bob: Any) -> None:
    account = open_account(alice)
    clearing.setOperator(account, bob, 3, {"from": alice})
    assert ledger.operatorScopes(account, bob) == 3
    clearing.setOperator(account, bob, 0, {"from": alice})
    assert ledger.operatorScopes(account, bob) == 0


def test_nobody_else_names_operators(clearing: Any, open_account: Any, alice: Any, bob: Any, stranger: Any) -> None:
    account = open_account(alice)
    clearing.setOperator(account, bob, 3, {"from": alice})
    for caller in (bob, stranger):  # not even an operator
        with reverts("NotAuthorised", account, caller.address):
            clearing.setOperator(account, stranger, 1, {"from": caller})
    for unowned in (0, account + 1):
        with reverts("NotAuthorised", unowned, alice.address):
            clearing.setOperator(unowned, alice, 1, {"from": alice})


def test_unknown_scopes(clearing: Any, open_account: Any, alice: Any, bob: Any) -> None:
    account = open_account(alice)
    for scopes in (4, 255):
        with reverts("UnknownScopes", scopes):
            clearing.setOperator(account, bob, scopes, {"from": alice})
