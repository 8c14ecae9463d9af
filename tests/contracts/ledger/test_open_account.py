"""Ledger.openAccount, setOperator and who is authorised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.ledger.conftest import CROSS, ISOLATED, PORTFOLIO
from tests.reverts import reverts

TRADES, WITHDRAWS = 1, 2
ZERO_ADDRESS = "0x" + "00" * 20


@pytest.mark.parametrize("mode", [ISOLATED, CROSS, PORTFOLIO])
def test_ids_count_up_from_one(ledger: Any, module: Any, alice: Any, bob: Any, mode: int) -> None:
    assert ledger.accountCount() == 0
    event = ledger.openAccount(alice, mode, {"from": module}).events["AccountOpened"]
    assert (event["account"], event["owner"], event["mode"]) == (1, alice, mode)
    ledger.openAccount(bob, mode, {"from": module})
    assert ledger.accountCount() == 2
    assert tuple(ledger.account(1)) == (alice, mode, 0, 0, True, False, 0)
    assert tuple(ledger.account(2)) == (bob, mode, 0, 0, True, False, 0)
    assert tuple(ledger.account(3)) == (ZERO_ADDRESS, 0, 0, 0, False, False, 0)


def test_the_house_exists_and_belongs_to_nobody(ledger: Any, module: Any) -> None:
    assert tuple(ledger.account(0)) == (ZERO_ADDRESS, 0, 0, 0, True, False, 0)
    assert not ledger.isAuthorised(0, ZERO_ADDRESS, TRADES)
    assert not ledger.isAuthorised(0, module, TRADES)


def test_unknown_account_has_no_book(ledger: Any) -> None:
    with reverts("UnknownAccount", 7):
        ledger.book(7)


@pytest.mark.parametrize(
    ("scopes", "may_trade", "may_withdraw"), [(0, False, False), (TRADES, True, False), (WITHDRAWS, False, True), (3, True, True)]
)
def test_operator_may_what_its_scopes_say(
    ledger: Any, module: Any, alice: Any, bob: Any, account_of: Callable[..., int], scopes: int, may_trade: bool, may_withdraw: bool
) -> None:
    account = account_of(alice)
    event = ledger.setOperator(account, bob, scopes, {"from": module}).events["OperatorSet"]
    assert (event["account"], event["operator"], event["scopes"]) == (account, bob, scopes)
    assert ledger.operatorScopes(account, bob) == scopes
    assert ledger.isAuthorised(account, bob, TRADES) == may_trade
    assert ledger.isAuthorised(account, bob, WITHDRAWS) == may_withdraw
    assert ledger.isAuthorised(account, bob, TRADES | WITHDRAWS) == (may_trade and may_withdraw)


def test_owner_may_everything_and_nobody_nothing(ledger: Any, alice: Any, stranger: Any, account_of: Callable[..., int]) -> None:
    account = account_of(alice)
    assert ledger.isAuthorised(account, alice, TRADES | WITHDRAWS)
    assert not ledger.isAuthorised(account, stranger, TRADES)
    assert not ledger.isAuthorised(account, stranger, 0)  # no scope at all is no permission


def test_revoked_operator(ledger: Any, module: Any, alice: Any, bob: Any, account_of: Callable[..., int]) -> None:
    account = account_of(alice)
    ledger.setOperator(account, bob, TRADES, {"from": module})
    ledger.setOperator(account, bob, 0, {"from": module})
    assert not ledger.isAuthorised(account, bob, TRADES)


def test_operator_of_an_unknown_account(ledger: Any, module: Any, bob: Any) -> None:
    with reverts("UnknownAccount", 9):
        ledger.setOperator(9, bob, TRADES, {"from": module})
