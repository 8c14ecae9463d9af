"""Interest on negative cash: flat, simple, to the house, frozen while a deficit is open."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any

import pytest

from scripts.anvil import Anvil
from tests.contracts.ledger.conftest import DEPOSIT, WAD, WITHDRAWAL
from tests.reverts import reverts

INTEREST, FUND = 9, 6
HOUSE = 0
YEAR = 365 * 86_400
RATE = WAD // 10


@pytest.fixture
def at(anvil: Anvil) -> Callable[[int], None]:
    """The next block's time, seconds from the latest."""
    return lambda seconds: anvil.rpc("evm_setNextBlockTimestamp", anvil.time() + seconds)


@pytest.fixture
def debt(ledger: Any, module: Any, buyer: int) -> Any:
    """A debt of 1,000 USD at 10 %; the receipt that made it."""
    ledger.setDebitRate(RATE, {"from": module})
    return ledger.changeCash(buyer, -1_000 * WAD, WITHDRAWAL, {"from": module})


def test_grows_with_time(ledger: Any, debt: Any, at: Any, buyer: int) -> None:
    at(YEAR // 2)
    receipt = ledger.accrue(buyer)
    entry = debt.events["InterestStarted"]["debitIndex"] if "InterestStarted" in debt.events else 0
    now = receipt.events["InterestStarted"]["debitIndex"]
    paid = -receipt.events["CashChanged"][0]["change"]
    assert paid == ceil(Fraction(1_000 * WAD * (now - entry), 10**15))
    assert abs(paid - 50 * WAD) <= 10**15  # a second at 10 %: 3e-9 of the debt
    assert ledger.cash(buyer) == -1_000 * WAD - paid
    assert ledger.cash(HOUSE) == paid
    assert [(e["account"], e["reason"]) for e in receipt.events["CashChanged"]] == [(buyer, INTEREST), (HOUSE, INTEREST)]


def test_is_in_the_book_before_it_is_realised(ledger: Any, module: Any, debt: Any, at: Any, buyer: int) -> None:
    at(YEAR)
    ledger.setDebitRate(0, {"from": module})
    carry, owed = ledger.accrued(buyer)
    assert carry == 0
    assert owed > 100 * WAD - 10**15
    assert ledger.book(buyer)[1] == -1_000 * WAD - owed
    ledger.accrue(buyer)
    assert ledger.cash(buyer) == -1_000 * WAD - owed
    assert tuple(ledger.accrued(buyer)) == (0, 0)


def test_is_paid_before_the_debt_changes(ledger: Any, module: Any, debt: Any, at: Any, buyer: int) -> None:
    at(1_000_000)
    receipt = ledger.changeCash(buyer, 400 * WAD, DEPOSIT, {"from": module})
    changes = [(e["account"], e["reason"], e["change"], e["cash"]) for e in receipt.events["CashChanged"]]
    paid = ledger.cash(HOUSE)
    assert paid > 0
    assert changes == [
        (buyer, INTEREST, -paid, -1_000 * WAD - paid),
        (HOUSE, INTEREST, paid, paid),
        (buyer, DEPOSIT, 400 * WAD, -600 * WAD - paid),
    ]
    at(1_000_000)
    ledger.accrue(buyer)
    second = ledger.cash(HOUSE) - paid
    assert abs(Fraction(second, 600 * WAD + paid) - Fraction(paid, 1_000 * WAD)) < Fraction(1, 10**7)  # of the smaller debt


def test_none_on_credit_and_none_from_before_the_debt(ledger: Any, module: Any, at: Any, buyer: int) -> None:
    ledger.setDebitRate(RATE, {"from": module})
    ledger.changeCash(buyer, 500 * WAD, DEPOSIT, {"from": module})
    at(YEAR)
    ledger.accrue(buyer)
    assert ledger.cash(buyer) == 500 * WAD
    receipt = ledger.changeCash(buyer, -600 * WAD, WITHDRAWAL, {"from": module})
    assert abs(receipt.events["InterestStarted"]["debitIndex"] - 10**14) < 10**9  # 10 % of a year, 1e15
    assert ledger.accrued(buyer)[1] == 0


def test_the_rate_of_the_past_stays(ledger: Any, module: Any, debt: Any, at: Any, buyer: int) -> None:
    at(YEAR)
    event = dict(ledger.setDebitRate(2 * RATE, {"from": module}).events["DebitRateSet"])
    assert event["perYear"] == ledger.debitRate() == 2 * RATE
    at(YEAR)
    ledger.setDebitRate(0, {"from": module})
    assert abs(ledger.accrued(buyer)[1] - 300 * WAD) <= 10**15


def test_stands_still_while_a_deficit_is_open(ledger: Any, module: Any, debt: Any, at: Any, buyer: int) -> None:
    at(YEAR)
    receipt = ledger.setDeficit(buyer, True, {"from": module})
    assert dict(receipt.events["DeficitSet"]) == {"account": buyer, "open": True}
    assert ledger.deficitOpen(buyer)
    paid = ledger.cash(HOUSE)
    assert abs(paid - 100 * WAD) <= 10**15
    at(YEAR)
    ledger.changeCash(buyer, 50 * WAD, FUND, {"from": module})
    assert ledger.cash(buyer) == -950 * WAD - paid
    ledger.setDeficit(buyer, False, {"from": module})
    assert not ledger.deficitOpen(buyer)
    assert ledger.accrued(buyer)[1] == 0
    at(YEAR)
    ledger.accrue(buyer)
    assert abs(ledger.cash(HOUSE) - paid - (950 * WAD + paid) // 10) <= 10**16


def test_the_house_owes_itself_none(ledger: Any, module: Any, at: Any) -> None:
    ledger.setDebitRate(RATE, {"from": module})
    ledger.changeCash(HOUSE, -100 * WAD, WITHDRAWAL, {"from": module})
    at(YEAR)
    ledger.accrue(HOUSE)
    assert ledger.cash(HOUSE) == -100 * WAD


def test_a_rate_of_zero_writes_nothing(ledger: Any, module: Any, at: Any, buyer: int) -> None:
    receipt = ledger.changeCash(buyer, -WAD, WITHDRAWAL, {"from": module})
    at(YEAR)
    assert "InterestStarted" not in receipt.events
    assert "CashChanged" not in ledger.accrue(buyer).events


def test_rates_that_do_not_fit(ledger: Any, module: Any) -> None:
    with reverts("RateOutOfRange", 2**64):
        ledger.setDebitRate(2**64, {"from": module})
