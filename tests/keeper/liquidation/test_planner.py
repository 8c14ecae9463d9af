"""Plans for the published portfolios: inside the contract's limits, recomputed here step by step, and to the target where one can get
there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from keeper.chain import Block
from keeper.liquidation import Conversion, Costs, Cover, Flag, Liquidation, PlannedLeg, Planner
from keeper.margin import Book, MarginResult, margin
from keeper.model import (
    DPRE_1,
    Account,
    Collateral,
    ExpiryMarket,
    Instrument,
    MarginMode,
    Market,
    Parameters,
    Position,
    SviSlice,
    UnderlyingMarket,
    Wad,
)
from keeper.monitoring import Assessment, Finding, Tier, find
from keeper.portfolio import ParameterTable, Rules, Spot, State
from tests.keeper.cases import CASES, Case, case_of
from tests.keeper.rules import RULES

OWN = 2
COSTS = Costs(unwind_rate=0.0013, gas=1.0, minimum_profit=None)


def with_health(account: Account, market: Market, parameters: Parameters, health: float) -> Account | None:
    """The account with its cash changed so that its health is as asked; None where nothing is required of it."""
    result = margin(Book.from_accounts([account], parameters), market, parameters)
    binding = float(result.maintenance[0] - result.long_options[0])
    if binding < 1e-6:
        return None
    missing = health * binding + float(result.long_options[0]) - float(result.margin_equity_maintenance[0])
    return replace(account, cash=account.cash + Wad.from_float(missing))


def assessment_of(accounts: list[Account], market: Market, parameters: Parameters, rules: Rules = RULES, **state: Any) -> Assessment:
    held = State(accounts={a.id: a for a in accounts}, **state)
    return Assessment.whole(Block(1, "0x1", "0x0", market.time), held, market, parameters, rules)


def rich(cash: int = 10**12) -> Account:
    return Account(OWN, "0x02", MarginMode.PORTFOLIO, Wad.whole(cash))


def without(account: Account, legs: Sequence[PlannedLeg], priced: MarginResult) -> Account:
    """The account after these legs left it at mark, realised pro rata."""
    marks = dict(zip(priced.book.table.instruments, priced.priced.value.tolist(), strict=True))
    positions, cash = dict(account.positions), account.cash
    for leg in legs:
        held = positions[leg.instrument]
        cost = held.cost.mul_div_up(leg.size, held.size)
        cash = cash + Wad.from_float(leg.size.to_float() * marks[leg.instrument]) - cost
        size = held.size - leg.size
        if size:
            positions[leg.instrument] = Position(size, held.cost - cost)
        else:
            del positions[leg.instrument]
    return replace(account, positions=positions, cash=cash)


def after(account: Account, plan: Liquidation, market: Market, parameters: Parameters, discount: float) -> MarginResult:
    """The account after the contract's steps: legs at mark, realised pro rata, then payment and fee out of its equity."""
    before = margin(Book.from_accounts([account], parameters), market, parameters)
    moved = without(account, plan.legs, before)
    result = margin(Book.from_accounts([moved], parameters), market, parameters)
    release = max(0.0, float(before.maintenance[0] - result.maintenance[0]))
    paid = min((discount + RULES.liquidation_fee) * release, max(0.0, float(before.equity[0])) * release / float(before.maintenance[0]))
    return margin(Book.from_accounts([replace(moved, cash=moved.cash - Wad.from_float(paid))], parameters), market, parameters)


def feeds(account: Account, market: Market) -> dict[str, Any]:
    """Token names and spots as the fold has them: token k is priced by spot k."""
    prices = {k: int(market.token_prices[token] * 1e18) for k, token in enumerate(account.collateral)}
    table = ParameterTable.empty()
    for k in prices:
        table = table.with_collateral(k, k, joins=True, haircut_initial=0, haircut_maintenance=0)
    spots = {k: Spot(market.time, price, price, 10_000) for k, price in prices.items()}
    return {"tokens": dict(enumerate(account.collateral)), "spots": spots, "table": table}


def fallen_in(case: Case, mode: MarginMode, health: float) -> tuple[Assessment, Finding] | None:
    """The case's account brought to that health, and what the keeper finds; None where nothing is required of it."""
    account, market, parameters = replace(case.account, mode=mode), case.market, case.parameters
    fallen = with_health(account, market, parameters, health) if account.positions else None
    if fallen is None:
        return None
    assessment = assessment_of([fallen, rich()], market, parameters, **feeds(fallen, market))
    [finding] = find(assessment, frozenset({OWN}))
    return assessment, finding


def situations() -> Iterator[Any]:
    for case in map(case_of, CASES):
        for mode, healths in ((MarginMode.PORTFOLIO, (1.03, 0.6)), (MarginMode.CROSS, (0.97, 0.2))):
            for health in healths:
                yield pytest.param(case, mode, health, id=f"{case.id}-{mode.name}-{health}")


@pytest.mark.parametrize(("case", "mode", "health"), list(situations()))
def test_plans_stay_within_the_limits_and_reach_the_target(case: Case, mode: MarginMode, health: float) -> None:
    situation = fallen_in(case, mode, health)
    if situation is None:
        return
    assessment, finding = situation
    fallen = assessment.state.accounts[finding.account]
    if finding.tier is Tier.BANKRUPT:
        return
    assert finding.tier is (Tier.PARTIAL if health > 1.0 else Tier.FULL)
    plan = Planner(assessment, OWN, COSTS).plan(finding, RULES.partial_discount)
    if not isinstance(plan, Liquidation):
        # Only where the risk is collateral that joined the legs: no leg can release it.
        assert fallen.collateral
        assert mode is MarginMode.PORTFOLIO
        return
    for leg in plan.legs:
        held = fallen.positions[leg.instrument].size.raw
        assert 0 < leg.size.raw <= held or held <= leg.size.raw < 0
    maintenance = float(assessment.figures.maintenance[0])
    if maintenance < RULES.small_account:
        assert {leg.instrument: leg.size for leg in plan.legs} == {i: p.size for i, p in fallen.positions.items()}
        return
    result = after(fallen, plan, case.market, case.parameters, RULES.partial_discount)
    release = maintenance - float(result.maintenance[0])
    assert release > 0.0
    assert float(result.maintenance[0]) > RULES.small_reward
    if finding.tier is Tier.PARTIAL:
        assert float(result.maintenance[0]) >= (1.0 - RULES.close_factor) * maintenance
    fell = float(assessment.figures.shortfall[0]) - float(result.shortfall[0])
    assert fell >= (1.0 - RULES.partial_discount - RULES.liquidation_fee) * release * (1.0 - 1e-9)
    assert float(result.health[0]) <= RULES.target_health
    if mode is MarginMode.CROSS or not fallen.collateral:
        assert float(result.health[0]) > RULES.partial_threshold


def test_a_book_on_the_brink_names_the_rest_of_it_too() -> None:
    """For the case that it is bankrupt by the time of inclusion; not where there is time, nor where the keeper could not take all."""
    named = 0
    for case in map(case_of, CASES):
        account = replace(case.account, mode=MarginMode.CROSS)
        for health, cash, expected in ((0.2, 10**12, True), (0.9, 10**12, False), (0.2, 0, False)):
            fallen = with_health(account, case.market, case.parameters, health) if account.positions else None
            if fallen is None:
                continue
            assessment = assessment_of([fallen, rich(cash)], case.market, case.parameters, **feeds(fallen, case.market))
            [finding] = find(assessment, frozenset({OWN}))
            plan = Planner(assessment, OWN, COSTS).plan(finding, RULES.partial_discount)
            if not isinstance(plan, Liquidation) or finding.tier is not Tier.FULL:
                continue
            whole = {i: p.size.raw for i, p in fallen.positions.items()}
            if not expected:
                assert plan.further == ()
                continue
            taken = dict.fromkeys(whole, 0)
            for leg in (*plan.legs, *plan.further):
                taken[leg.instrument] += leg.size.raw
            assert taken == whole
            assert bool(plan.further) == ({leg.instrument: leg.size.raw for leg in plan.legs} != whole)
            assert (plan.through_payment > 0.0) == bool(plan.further)
            named += bool(plan.further)
            smaller = plan.scaled(0.5)
            assert smaller is None or smaller.further == ()
    assert named >= 10


@pytest.mark.parametrize(("case", "mode", "health"), list(situations())[::3])
def test_the_kernels_plan_as_the_reference_does(case: Case, mode: MarginMode, health: float) -> None:
    situation = fallen_in(case, mode, health)
    if situation is None:
        return
    assessment, finding = situation
    expected = Planner(assessment, OWN, COSTS).plan(finding, RULES.partial_discount)
    got = Planner(replace(assessment, compiled=True), OWN, COSTS).plan(finding, RULES.partial_discount)
    if not isinstance(expected, Liquidation):
        assert got == expected
        return
    assert isinstance(got, Liquidation)
    assert (got.legs, got.witness) == (expected.legs, expected.witness)
    assert got.health_after == pytest.approx(expected.health_after, rel=1e-9)
    assert got.payment == pytest.approx(expected.payment, rel=1e-9)


SLICE = SviSlice(0.02, 0.1, -0.3, 0.0, 0.2, 50_100.0, 30 / 365)


def test_hedged_books_are_not_left_naked() -> None:
    """A short call against a long perp: the perp alone must not be taken, however large its notional."""
    expiry = 1_782_592_000
    market = Market(1_780_000_000, {0: UnderlyingMarket(50_000.0, 50_000.0, expiries=(ExpiryMarket(expiry, 50_100.0, 0.02, SLICE),))})
    call, perp = Instrument.call(0, expiry, 45_000), Instrument.perp(0)
    book = {call: Position(Wad.whole(-10), Wad.whole(0)), perp: Position(Wad.whole(4), Wad.whole(200_000))}
    account = with_health(Account(1, "0x01", MarginMode.PORTFOLIO, Wad.whole(0), {}, book), market, DPRE_1, 0.9)
    assert account is not None
    assessment = assessment_of([account, rich()], market, DPRE_1)
    [finding] = find(assessment, frozenset({OWN}))
    plan = Planner(assessment, OWN, COSTS).plan(finding, RULES.partial_discount)
    assert isinstance(plan, Liquidation)
    assert perp not in [leg.instrument for leg in plan.legs]
    result = after(account, plan, market, DPRE_1, RULES.dutch_discount_start)
    assert RULES.partial_threshold < float(result.health[0]) <= RULES.target_health


FLAT = Market(1_780_000_000, {0: UnderlyingMarket(1000.0, 1000.0)}, token_prices={"WETH": 1000.0})
WITH_WETH = DPRE_1.with_collateral(Collateral("WETH", 0.1, 0.05, 0))
PERP = Instrument.perp(0)
PRICED = {"tokens": {0: "WETH", 255: "USDC"}, "spots": {0: Spot(FLAT.time, 1000 * 10**18, 1000 * 10**18, 10_000)}}


def holder(size: int, equity: float, id: int = 1, **collateral: Wad) -> Account:  # noqa: A002 - the field's name
    """A CROSS account with `size` perps at 1000 USD."""
    position = Position(Wad.whole(size), Wad.whole(1000 * size))
    return Account(id, "0x01", MarginMode.CROSS, Wad.from_float(equity), collateral, {PERP: position} if size else {})


def plan_for(
    account: Account, own: Account | None = None, costs: Costs = COSTS, discount: float = 0.02, *, compiled: bool = False, **state: Any
) -> Any:
    assessment = replace(assessment_of([account, own or rich()], FLAT, WITH_WETH, **state), compiled=compiled)
    [finding] = find(assessment, frozenset({OWN}))
    return Planner(assessment, OWN, costs).plan(finding, discount)


def test_a_bankrupt_account_loses_everything_at_once() -> None:
    plan = plan_for(holder(100, -50.0))
    assert isinstance(plan, Liquidation)
    assert plan.tier is Tier.BANKRUPT
    assert [(leg.instrument, leg.size) for leg in plan.legs] == [(PERP, Wad.whole(100))]


@pytest.mark.parametrize("compiled", [False, True])
def test_the_keepers_own_margin_bounds_what_it_takes(compiled: bool) -> None:
    """A short perp of 100,000 USD asks a PORTFOLIO account for some 18 %: with 5,000 it can take a quarter at most."""
    whole = plan_for(holder(-100, -50.0), compiled=compiled)
    part = plan_for(holder(-100, -50.0), own=rich(5_000), compiled=compiled)
    assert isinstance(whole, Liquidation)
    assert isinstance(part, Liquidation)
    assert whole.legs[0].size == Wad.whole(-100)
    assert 0 > part.legs[0].size.raw >= -25 * 10**18


@pytest.mark.parametrize("compiled", [False, True])
def test_what_is_taken_in_a_round_counts_against_the_next_plan(compiled: bool) -> None:
    assessment = assessment_of([holder(-100, -50.0), holder(-100, -50.0, id=3), rich(26_000)], FLAT, WITH_WETH)
    planner = Planner(replace(assessment, compiled=compiled), OWN, COSTS)
    one, other = find(assessment, frozenset({OWN}))
    plan = planner.plan(one, 0.02)
    assert isinstance(plan, Liquidation)
    planner.accept(plan)
    following = planner.plan(other, 0.02)
    assert isinstance(following, Liquidation)
    assert abs(following.legs[0].size.raw) < abs(plan.legs[0].size.raw)


def test_an_account_it_cannot_take_is_flagged_once() -> None:
    assert isinstance(plan_for(holder(-100, -50.0), own=rich(1)), Flag)
    assert plan_for(holder(-100, -50.0), own=rich(1), clocks={1: FLAT.time - 60}) is None
    assert isinstance(plan_for(holder(-100, -50.0), own=rich(1), clocks={1: FLAT.time - 3000}), Flag)
    assert plan_for(holder(-100, 2_570.0), own=rich(1)) is None, "tier 1 has no clock"


def test_a_larger_discount_asks_for_more_legs() -> None:
    """What the account pays lowers its health, so that more must go to reach the target."""
    early, late = plan_for(holder(-100, 1_500.0)), plan_for(holder(-100, 1_500.0), discount=0.2)
    assert late.payment > 5 * early.payment
    assert abs(late.legs[0].size.raw) > abs(early.legs[0].size.raw)
    assert late.health_after == pytest.approx(early.health_after, abs=0.01)


def test_solvency_comes_first_unless_told_otherwise() -> None:
    account = holder(-1, 20.0)
    assert isinstance(plan_for(account), Liquidation)
    assert plan_for(account, costs=replace(COSTS, gas=100.0, minimum_profit=0.0)) is None


def test_a_covered_calls_debt_is_paid_where_no_leg_helps() -> None:
    """Taking the short call would leave the spot naked: collateral goes to the debt instead."""
    case = next(case for case in map(case_of, CASES) if case.id == "dpre1-directed-covered-call")
    market, parameters = case.market, case.parameters
    fallen = with_health(case.account, market, parameters, 0.9)
    assert fallen is not None
    assert fallen.cash.to_float() < -RULES.debt_cap
    assessment = assessment_of([fallen, rich()], market, parameters, **feeds(fallen, market))
    [finding] = find(assessment, frozenset({OWN}))
    plan = Planner(assessment, OWN, COSTS).plan(finding, RULES.partial_discount)
    assert isinstance(plan, Conversion)
    assert plan.legs == (), "a call far from the money covers nothing that its spot is missed for"


@pytest.mark.parametrize("discount", [0.01, 0.03, 0.05])
def test_what_the_collateral_covered_follows_it(discount: float) -> None:
    """A call deep in the money is naked without its spot. Cheaper collateral leaves the account with less, so more of the call must go."""
    case = next(case for case in map(case_of, CASES) if case.id == "dpre1-directed-covered-call")
    market, parameters = case.market, case.parameters
    [token], [out_of_the_money] = case.account.collateral, case.account.positions
    spot = market.token_prices[token]
    deep = Instrument.call(out_of_the_money.underlying, out_of_the_money.expiry, round(0.15 * spot))
    positions = {deep: Position(Wad.whole(-10), Wad.from_float(-8.5 * spot))}
    account = replace(case.account, cash=Wad.whole(-400), collateral={token: Wad.whole(10)}, positions=positions)
    assessment = assessment_of([account, rich()], market, parameters, **feeds(account, market))
    [finding] = find(assessment, frozenset({OWN}))
    assert finding.tier is Tier.DEBT
    asked: list[int] = []

    def told(of: int) -> float:
        asked.append(of)
        return discount

    plan = Planner(assessment, OWN, COSTS, told).plan(finding, RULES.partial_discount)
    assert isinstance(plan, Conversion)
    assert set(asked) == {account.id}
    assert [leg.instrument for leg in plan.legs] == [deep]
    assert_shortfall_stays(account, plan, market, parameters, discount)


def assert_shortfall_stays(account: Account, plan: Conversion, market: Market, parameters: Parameters, discount: float) -> None:
    """The rules of convertCollateralWithLegs: alone the shortfall rises, with the legs it does not, nor does it fall by more than the
    buffer of that rise."""
    [token] = account.collateral
    price = market.token_prices[token]
    paid = plan.quantity.to_float() * price * (1.0 - discount)
    poorer = replace(
        account,
        cash=account.cash + Wad.from_float(paid),
        collateral={token: account.collateral[token] - plan.quantity},
    )
    book = margin(Book.from_accounts([account, replace(poorer, id=account.id + 100)], parameters), market, parameters)
    before, between = (float(x) for x in book.maintenance - book.margin_equity_maintenance)
    assert between > before
    moved = margin(Book.from_accounts([without(poorer, plan.legs, book)], parameters), market, parameters)
    afterwards = float((moved.maintenance - moved.margin_equity_maintenance)[0])
    assert before - RULES.conversion_buffer * (between - before) <= afterwards <= before


def test_quantities_are_whole_units_of_the_token() -> None:
    """WBTC has 8 decimals: what is no multiple of 1e-8 is refused by the vault."""
    units = {"units": {0: 10**10}, **PRICED}
    plan = plan_for(holder(0, -333.33333, WETH=Wad.whole(2)), **units)
    assert isinstance(plan, Conversion)
    assert plan.quantity.raw % 10**10 == 0
    assert plan.quantity.to_float() == pytest.approx(333.33333 / 990.0, rel=1e-6)
    assert plan_for(holder(0, -333.33333, WETH=Wad.whole(2)), **PRICED).quantity.raw % 10**10, "the control: without it, it is none"


@pytest.mark.parametrize(("weth", "cash", "expected"), [(2, -500.0, 0.5 / 0.99), (1, -5000.0, 1.0)])
def test_debt_is_paid_with_collateral(weth: int, cash: float, expected: float) -> None:
    plan = plan_for(holder(0, cash, WETH=Wad.whole(weth)), **PRICED)
    assert isinstance(plan, Conversion)
    assert plan.index == 0
    assert plan.quantity.to_float() == pytest.approx(expected, rel=1e-6)
    assert plan.limit.to_float() == pytest.approx(plan.quantity.to_float() * 990.0, rel=1e-6)
    assert plan.limit.to_float() <= -cash * (1.0 + RULES.conversion_buffer)


def test_a_buyer_without_cash_converts_nothing() -> None:
    assert plan_for(holder(0, -500.0, WETH=Wad.whole(2)), own=rich(0), **PRICED) is None


def test_what_is_left_without_positions_and_collateral_is_covered() -> None:
    assert plan_for(holder(0, -0.5)) == Cover(1)


def test_findings_are_sorted_by_what_the_fund_stands_to_lose() -> None:
    accounts = [holder(-10, 100.0), holder(-1000, 10_000.0, id=3), holder(-10, 5_000.0, id=4), rich()]
    findings = find(assessment_of(accounts, FLAT, WITH_WETH), frozenset({OWN}))
    assert [finding.account for finding in findings] == [3, 1]
    assert findings[0].urgency > findings[1].urgency


def test_scaling_keeps_proportions_and_ends_in_nothing() -> None:
    plan = plan_for(holder(-100, -50.0))
    assert plan.scaled(0.25).legs[0].size == Wad.whole(-25)
    assert plan.scaled(1e-30) is None
