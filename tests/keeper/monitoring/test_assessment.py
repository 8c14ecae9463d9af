"""Assessment of a folded state: the book is kept while only prices move; one account without a price blinds nobody."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from keeper.chain import Block
from keeper.chain import events as ev
from keeper.model import WAD, Instrument
from keeper.monitoring import Assessment, Assessor, Figures, Tier, find
from keeper.portfolio import Parameter, State, fold
from tests.keeper.scalars import SCALARS

USDC = "0x" + "0c" * 20
PERP, OTHER = Instrument.perp(0), Instrument.perp(1)


def at(kind: type[ev.Event], **values: Any) -> ev.Event:
    return kind(block=1, index=0, transaction="0x", **values)


def price(spot: int, underlying: int = 0) -> ev.Event:
    return at(ev.MarketUpdated, underlying=underlying, timestamp=1000, spot=spot * WAD, mark=spot * WAD, confidence=10_000)


def account(number: int, cash: int, size: int, instrument: Instrument = PERP) -> list[ev.Event]:
    return [
        at(ev.AccountOpened, account=number, owner="0x" + "aa" * 20, mode=1),
        at(ev.CashChanged, account=number, reason=0, change=cash * WAD, cash=cash * WAD),
        at(
            ev.PositionChanged,
            account=number,
            instrument=instrument.pack(),
            size=size * WAD,
            cost=1000 * size * WAD,
            funding_index=0,
            price=0,
        ),
    ]


def initial(*accounts: list[ev.Event]) -> State:
    scenario = (-(WAD // 5)) % 2**64 << 128 | WAD << 64 | 1 << 8 | 1
    events = [
        at(ev.TokenListed, token_index=255, token=USDC, decimals=6),
        *(at(ev.ParameterSet, parameter=int(Parameter[name]), previous=0, value=value) for name, value in SCALARS.items()),
        at(ev.ScenariosSet, words=(scenario,)),
        price(1000),
        *(event for listed in accounts for event in listed),
    ]
    return fold(State(), events, {USDC: "USDC"})


def test_tiers_follow_the_price() -> None:
    state, assessor = initial(account(1, 100, 1)), Assessor()
    seen = {}
    for spot in (1000, 927, 925, 923, 900, 899):
        state = fold(state, [price(spot)])
        findings = find(assessor.assess(state, Block(1, "", "", 1000)))
        seen[spot] = findings[0].tier if findings else None
    # 100 USD behind one contract: health = (100 - fall) / (2.5 % of the mark).
    assert seen == {1000: None, 927: None, 925: None, 923: Tier.FULL, 900: Tier.FULL, 899: Tier.BANKRUPT}
    state = fold(state, [price(924)])
    assert find(assessor.assess(state, Block(1, "", "", 1000)))[0].tier is Tier.PARTIAL


def test_accounts_that_changed_are_margined_beside_the_others() -> None:
    """A book of 200 accounts in the kernels, one account after the other changed: every figure as a fresh pass has it."""
    state, assessor = initial(*(account(number, 40 + number, 1) for number in range(1, 201))), Assessor()
    block = Block(1, "", "", 1000)
    assessor.assess(state, block)
    for number in range(1, 60):
        state = fold(state, [price(1000 - number), at(ev.CashChanged, account=number, reason=0, change=WAD, cash=(41 + number) * WAD)])
        found = assessor.assess(state, block)
        assert assessor.beside == number
        _assert_same(found, Assessor().assess(state, block))
    assessor.settle()
    _assert_same(assessor.assess(state, block), Assessor().assess(state, block))
    assert assessor.beside == 0


def test_new_accounts_and_forgotten_ones_are_noticed() -> None:
    state, assessor = initial(*(account(number, 40 + number, 1) for number in range(1, 101))), Assessor()
    block = Block(1, "", "", 1000)
    assessor.assess(state, block)
    opened = fold(state, account(101, 3, 1))
    found = assessor.assess(opened, block)
    assert find(found)[0].account == 101
    _assert_same(found, Assessor().assess(opened, block))
    again = assessor.assess(state, block)
    assert 101 not in again.figures.account_id
    _assert_same(again, Assessor().assess(state, block))


def test_parameters_count_at_once() -> None:
    state, assessor = initial(account(1, 100, 1)), Assessor()
    block = Block(1, "", "", 1000)
    before = assessor.assess(state, block).health()[1]
    governed = fold(state, [at(ev.ParameterSet, parameter=int(Parameter.TIER_1_MAINTENANCE), previous=0, value=WAD // 2)])
    assert assessor.assess(governed, block).health()[1] < before


def test_health_may_be_asked_of_the_threatened_only() -> None:
    state = initial(account(1, 30, 1), account(2, 500, 1), account(3, 600, 1))
    found = Assessor().assess(state, Block(1, "", "", 1000))
    assert set(found.health()) == {1, 2, 3}
    assert set(found.health(below=1.25)) == {1}
    assert set(found.health(below=1.25, also={3})) == {1, 3}


def _assert_same(found: Assessment, truth: Assessment) -> None:
    order, other = np.argsort(found.figures.account_id), np.argsort(truth.figures.account_id)
    for item in fields(Figures):
        ours, theirs = getattr(found.figures, item.name)[order], getattr(truth.figures, item.name)[other]
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-9, err_msg=item.name)


def test_one_account_without_a_price_blinds_nobody() -> None:
    state = initial(account(1, 10, 1), account(2, 100, 5, OTHER))
    assessment = Assessor().assess(state, Block(1, "", "", 1000))
    assert assessment.unpriced == (2,)
    assert [finding.account for finding in find(assessment)] == [1]
    priced = Assessor().assess(fold(state, [price(1000, 1)]), Block(1, "", "", 1000))
    assert priced.unpriced == ()


def test_marks_of_an_account_are_those_of_its_instruments() -> None:
    assessment = Assessor().assess(initial(account(1, 10, 1)), Block(1, "", "", 1000))
    assert assessment.marks_of(1) == {PERP: 1000.0}
    assert assessment.marks_of(99) == {}
