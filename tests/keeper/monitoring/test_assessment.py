"""Assessment of a folded state: the book is kept while only prices move; one account without a price blinds nobody."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.chain import Block
from keeper.chain import events as ev
from keeper.model import WAD, Instrument
from keeper.monitoring import Assessor, Tier, find
from keeper.portfolio import Parameter, State, fold

USDC = "0x" + "0c" * 20
PERP, OTHER = Instrument.perp(0), Instrument.perp(1)
DEFAULTS = {
    "MAINTENANCE_FACTOR": WAD * 8 // 10,
    "VOL_TENOR_FLOOR": 86_400,
    "VOL_TENOR_PIVOT": 30 * 86_400,
    "MAX_BASIS": WAD // 20,
    "TIER_1_LIMIT": 10**7 * WAD,
    "TIER_2_LIMIT": 5 * 10**7 * WAD,
    "TIER_1_INITIAL": WAD // 20,
    "TIER_1_MAINTENANCE": WAD // 40,
    "PARTIAL_THRESHOLD": WAD * 105 // 100,
    "FULL_THRESHOLD": WAD,
    "DEBT_CAP": 100 * WAD,
}


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
        *(at(ev.ParameterSet, parameter=int(Parameter[name]), previous=0, value=value) for name, value in DEFAULTS.items()),
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


def test_the_book_is_rebuilt_only_when_accounts_change() -> None:
    state, assessor = initial(account(1, 100, 1)), Assessor()
    block = Block(1, "", "", 1000)
    first = assessor.assess(state, block).book
    moved = fold(state, [price(990)])
    assert assessor.assess(moved, block).book is first
    assert assessor.assess(moved, block).result.equity[1] == pytest.approx(90.0)
    traded = fold(moved, [at(ev.CashChanged, account=1, reason=0, change=WAD, cash=101 * WAD)])
    assert assessor.assess(traded, block).book is not first
    governed = fold(moved, [at(ev.ParameterSet, parameter=int(Parameter.TIER_1_MAINTENANCE), previous=0, value=WAD // 2)])
    assert assessor.assess(governed, block).health()[1] < assessor.assess(moved, block).health()[1]


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
