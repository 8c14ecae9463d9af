"""Accruals move equity while cash stays: the array form against exact integers, in the reference and in the kernels, tick after tick."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from keeper.chain import Block
from keeper.chain import events as ev
from keeper.errors import EventError
from keeper.model import WAD, Instrument, Wad
from keeper.monitoring import Assessor
from keeper.portfolio import Carry, State, fold
from tests.keeper.monitoring.test_assessment import PERP, account, at, initial

OTHER_PERP = Instrument.perp(1)
YEAR = 365 * 86_400


def charged(state: State) -> State:
    """Funding on ETH, a loss shared by its shorts, interest on the debts of every tenth account."""
    events: list[ev.Event] = [
        at(ev.FundingRateSet, underlying=0, rate_per_second=WAD // 500, funding_index=0, since=1_000, until=2_000 + YEAR, ended=False),
        at(ev.LossShared, debtor=1, instrument=PERP.pack(), longs=False, amount=1, loss_index=-3 * WAD, rounding=0),
        at(ev.DebitRateSet, per_year=WAD // 10, debit_index=0, since=1_000),
    ]
    for number, held in state.accounts.items():
        if number and number % 10 == 0:
            change = -500 * WAD - held.cash.raw
            events.append(at(ev.CashChanged, account=number, reason=1, change=change, cash=-500 * WAD))
            events.append(at(ev.InterestStarted, account=number, debit_index=0))
    return fold(state, events)


@pytest.mark.parametrize("accounts", [20, 200])  # the reference; the kernels
def test_equity_is_that_of_cash_less_what_is_owed(accounts: int) -> None:
    state = charged(initial(*(account(number, 900 + number, 1 if number % 3 else -2) for number in range(1, accounts + 1))))
    assessor = Assessor()
    for time in (1_000, 1_600, 9_999, 1_000 + YEAR):
        found = assessor.assess(state, Block(1, "", "", time)).figures
        owed = 0
        for row, number in enumerate(found.account_id.tolist()):
            held = state.accounts[number]
            size = sum(position.size.raw for position in held.positions.values())
            # One contract at 1,000: equity is cash, less funding, loss and interest by hand.
            carry = Fraction(size, WAD) * (time - 1_000) / 500 + (Fraction(-size, WAD) * 3 if size < 0 else 0)
            debt = max(0, -held.cash.raw)
            index = WAD // 10 * (time - 1_000) // (1_000 * YEAR)
            interest = Fraction(debt, WAD) * Fraction(index, 10**15)
            expected = Fraction(held.cash.raw, WAD) - carry - interest
            assert found.equity[row] == pytest.approx(float(expected), rel=1e-12, abs=1e-9)
            assert found.margin_equity_maintenance[row] == pytest.approx(float(expected), rel=1e-12, abs=1e-9)
            assert found.cash[row] == held.cash.to_float()
            owed += carry != 0
        assert owed or time == 1_000
        _same(found, Assessor().assess(state, Block(1, "", "", time)).figures)


def test_changes_beside_the_large_book_accrue_too() -> None:
    state = charged(initial(*(account(number, 900, 1) for number in range(1, 201))))
    assessor, block = Assessor(), Block(1, "", "", 5_000)
    assessor.assess(state, block)
    realised = [
        at(ev.CashChanged, account=5, reason=8, change=-8 * WAD, cash=892 * WAD),
        at(ev.CarryRealised, account=5, instrument=PERP.pack(), funding_index=8 * WAD),
    ]
    state = fold(state, realised)
    found = assessor.assess(state, Block(2, "", "", 6_000))
    assert assessor.beside == 1
    row = found.row(5)
    assert found.figures.equity[row] == pytest.approx(892 - 2)  # 1,000 s more at 0.002
    assert found.figures.equity[found.row(6)] == pytest.approx(900 - 10)
    assert float(found.alone(5).equity[0]) == pytest.approx(found.figures.equity[row])


def test_losses_that_come_later_count_at_once() -> None:
    state = initial(*(account(number, 900, -1) for number in range(1, 101)))
    assessor, block = Assessor(), Block(1, "", "", 1_000)
    assert assessor.assess(state, block).figures.equity[5] == pytest.approx(900)
    state = fold(state, [at(ev.LossShared, debtor=1, instrument=PERP.pack(), longs=False, amount=1, loss_index=-4 * WAD, rounding=0)])
    assert assessor.assess(state, block).figures.equity[5] == pytest.approx(896)


def test_nothing_is_owed_before_anything_is_charged() -> None:
    assert not Carry().ever
    state = charged(initial(account(1, 100, 1)))
    assert state.carry.ever
    due = state.carry.accrued(state.accounts[1], 1_500)
    assert due.cash == Wad(99 * WAD)
    assert due.positions == state.accounts[1].positions


def test_carry_of_a_position_that_is_not_there_is_a_gap() -> None:
    with pytest.raises(EventError, match="no position"):
        fold(initial(account(1, 100, 1)), [at(ev.CarryRealised, account=1, instrument=OTHER_PERP.pack(), funding_index=1)])


def _same(one: Any, other: Any) -> None:
    assert np.array_equal(one.account_id, other.account_id)
    for name in ("equity", "margin_equity_initial", "health", "maintenance"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-12)
