"""Shocks on present accounts, against figures made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keeper.chain import Block
from keeper.errors import SimulationError
from keeper.model import WAD, Account, ExpiryMarket, Instrument, MarginMode, Position, SviSlice, Wad
from keeper.monitoring import Assessment, Assessor
from keeper.portfolio import HOUSE, Parameter, ParameterTable, Spot, State
from keeper.simulation import interpolated, shocked_market, simulate
from tests.keeper.engine.test_engine import SCENARIO
from tests.keeper.scalars import SCALARS

BLOCK = Block(7, "0x07", "0x06", 1_735_689_600)


def perps(number: int, cash: int, contracts: int, underlying: int = 0) -> Account:
    """Bought at 1000 USD."""
    position = Position(Wad(contracts * WAD), Wad(contracts * 1_000 * WAD))
    return Account(number, "0x" + "11" * 20, MarginMode.CROSS, Wad(cash * WAD), {}, {Instrument.perp(underlying): position})


@pytest.fixture
def assessment() -> Assessment:
    """Long 100 at 1000: account 2 on 6,000 USD, 3 on 10,000, 4 on 50,000; account 5 short 100 of underlying 1."""
    table = ParameterTable.empty().with_scenarios([SCENARIO])
    for name, value in SCALARS.items():
        table = table.with_parameter(int(Parameter[name]), value)
    accounts = [perps(2, 6_000, 100), perps(3, 10_000, 100), perps(4, 50_000, 100), perps(5, 50_000, -100, 1)]
    house = State().accounts[HOUSE]
    spots = {index: Spot(BLOCK.time, 1_000 * WAD, 1_000 * WAD, 10_000) for index in (0, 1)}
    state = State(accounts={HOUSE: house, **{account.id: account for account in accounts}}, spots=spots, table=table)
    return Assessor().assess(state, BLOCK)


def test_a_shock_finds_those_who_would_fall(assessment: Assessment) -> None:
    [step] = simulate(assessment, [("x", {0: 0.91}, 1.0)], call_health=1.25)
    assert step.fallen == (2, 3)
    assert step.tiers == {"BANKRUPT": 1, "FULL": 1}
    # Account 2: 6,000 - 9,000; maintenance 2.5 % of 91,000.
    assert step.deficit == pytest.approx(3_000.0)
    assert step.shortfall == pytest.approx((2_275 + 3_000) + (2_275 - 1_000))
    assert step.called == 2


def test_the_other_underlying_stays_where_it_is(assessment: Assessment) -> None:
    [fall, rise] = simulate(assessment, [("a", {0: 0.5}, 1.0), ("b", {1: 1.5}, 1.0)], call_health=1.25)
    assert 5 not in fall.fallen
    assert rise.fallen == (5,), "what happened in the step before is no part of this one"
    assert {finding.account for finding in rise.findings} == {5}


def test_nobody_falls_when_nothing_moves(assessment: Assessment) -> None:
    [step] = simulate(assessment, [("x", {}, 1.0)], call_health=1.25)
    assert (step.fallen, step.tiers, step.shortfall) == ((), {}, 0.0)


def test_excluded_accounts_are_not_counted(assessment: Assessment) -> None:
    [step] = simulate(assessment, [("x", {0: 0.91}, 1.0)], call_health=1.25, exclude=frozenset({2}))
    assert step.fallen == (3,)


def test_a_way_to_the_shock_has_equal_steps() -> None:
    steps = list(interpolated({0: 0.64}, 4.0, 2))
    assert [name for name, *_ in steps] == ["50%", "100%"]
    assert steps[0][1][0] == pytest.approx(0.8)
    assert steps[1][1][0] == pytest.approx(0.64)
    assert [vol for *_, vol in steps] == pytest.approx([2.0, 4.0])


def test_vols_are_scaled_and_forwards_move_with_the_spot(assessment: Assessment) -> None:
    svi = SviSlice(0.04, 0.1, -0.3, 0.01, 0.2, 1_000.0, 0.25)
    expiry = ExpiryMarket(BLOCK.time + 90 * 86_400, 1_010.0, 0.0, svi)
    before = replace(assessment.market.underlying(0), expiries=(expiry,))
    market = replace(assessment.market, underlyings={**assessment.market.underlyings, 0: before})
    [moved] = shocked_market(assessment.state, market, {0: 0.5}, vol=1.5).underlying(0).expiries
    assert moved.forward == pytest.approx(505.0)
    assert moved.svi is not None

    def vol(slice_: SviSlice) -> float:
        return math.sqrt((slice_.a + slice_.b * (slice_.rho * (0 - slice_.m) + math.hypot(0 - slice_.m, slice_.sigma))) / slice_.ref_tau)

    assert vol(moved.svi) == pytest.approx(1.5 * vol(svi))


@pytest.mark.parametrize(("factors", "vol"), [({7: 0.9}, 1.0), ({0: 0.0}, 1.0), ({0: math.nan}, 1.0), ({}, 0.0), ({}, math.nan)])
def test_impossible_shocks_are_named(assessment: Assessment, factors: dict[int, float], vol: float) -> None:
    with pytest.raises(SimulationError, match="expected a factor > 0"):
        shocked_market(assessment.state, assessment.market, factors, vol)
