"""Accounts, market data and parameters: what they refuse, and the default tables."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from keeper.errors import AccountError, MarketError, ParameterError
from keeper.model import (
    DPRE_1,
    DPRE_1_REDUCED,
    Account,
    Collateral,
    CorrelationGroup,
    ExpiryMarket,
    Instrument,
    MarginMode,
    Market,
    Position,
    Scenario,
    SviSlice,
    UnderlyingMarket,
    VolDirection,
    Wad,
    tail_weight,
)

NAN, INF = float("nan"), float("inf")
SLICE = SviSlice(a=0.01, b=0.1, rho=-0.3, m=0.0, sigma=0.2, ref_forward=100.0, ref_tau=0.1)
UNDERLYING = UnderlyingMarket(100.0, 101.0, expiries=(ExpiryMarket(200, 102.0), ExpiryMarket(100, 101.0)))


def test_default_table_is_the_one_of_the_specification() -> None:
    table = DPRE_1.scenarios
    assert len(table) == 35
    core, tails = table[:27], table[27:]
    assert [s.spot_shock for s in core[::3]] == [-0.18, -0.135, -0.09, -0.045, 0.0, 0.045, 0.09, 0.135, 0.18]
    assert {tuple(s.vol.name for s in core[i : i + 3]) for i in range(0, 27, 3)} == {("UP", "NONE", "DOWN")}
    assert all(s.core and s.weight == 1.0 for s in core)
    assert [(s.spot_shock, s.weight) for s in tails] == [
        (-0.66, 0.21),
        (-0.33, 0.42),
        (0.5, 0.2772),
        (1.0, 0.1386),
        (2.0, 0.0693),
        (3.0, 0.0462),
        (4.0, 0.03465),
        (5.0, 0.02772),
    ]
    assert all(s.vol is VolDirection.UP and not s.core for s in tails)
    assert len(DPRE_1_REDUCED.scenarios) == 23
    assert DPRE_1_REDUCED.scenarios[15:] == tails


@pytest.mark.parametrize(("move", "weight"), [(-0.33, 0.48), (1.0, 0.16), (2.0, 0.08), (4.0, 0.04), (5.0, 0.032)])
def test_tail_weights_of_a_price_range_of_16_percent(move: float, weight: float) -> None:
    """The published rows of models.json (extended_scenario_weight), rounded there."""
    assert tail_weight(move, 0.16) == pytest.approx(weight, abs=0.006)


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(SLICE, a=NAN),
        lambda: replace(SLICE, b=-0.1),
        lambda: replace(SLICE, rho=1.0),
        lambda: replace(SLICE, sigma=0.0),
        lambda: replace(SLICE, a=-0.1),
        lambda: replace(SLICE, ref_tau=0.0),
        lambda: replace(SLICE, ref_forward=-1.0),
        lambda: ExpiryMarket(0, 1.0),
        lambda: ExpiryMarket(1, INF),
        lambda: ExpiryMarket(1, 1.0, rate=NAN),
        lambda: ExpiryMarket(1, 1.0, settlement=0.0),
        lambda: replace(UNDERLYING, spot=0.0),
        lambda: replace(UNDERLYING, mark=NAN),
        lambda: replace(UNDERLYING, confidence=1.01),
        lambda: replace(UNDERLYING, spot_scale=0.99),
        lambda: replace(UNDERLYING, expiries=(ExpiryMarket(1, 1.0), ExpiryMarket(1, 2.0))),
        lambda: CorrelationGroup((), 0.1),
        lambda: CorrelationGroup((1, 1), 0.1),
        lambda: CorrelationGroup((1,), 0.51),
        lambda: Market(-1, {}),
        lambda: Market(1, {256: UNDERLYING}),
        lambda: Market(1, {}, token_prices={"WETH": NAN}),
        lambda: Market(1, {}, groups=(CorrelationGroup((1, 2), 0.1), CorrelationGroup((2,), 0.1))),
        lambda: Market(1, {0: UNDERLYING}).underlying(1),
        lambda: Market(1, {0: UNDERLYING}).moved(0, 0.0),
    ],
)
def test_market_data_outside_their_domain(make: Callable[[], object]) -> None:
    with pytest.raises(MarketError, match=r"expected|expects|twice"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scenario(-1.0, VolDirection.UP),
        lambda: Scenario(NAN, VolDirection.UP),
        lambda: Scenario(0.1, 1),  # type: ignore[arg-type]
        lambda: Scenario(0.1, VolDirection.UP, weight=1.1),
        lambda: Collateral("WETH", 0.1, 0.2),
        lambda: Collateral("WETH", 0.2, 0.1, underlying=256),
        lambda: replace(DPRE_1, roll_min=-0.01),
        lambda: replace(DPRE_1, vega_free=NAN),
        lambda: replace(DPRE_1, scenarios=()),
        lambda: replace(DPRE_1, scenarios=DPRE_1.scenarios * 2),
        lambda: replace(DPRE_1, vol_tenor_floor=0.0),
        lambda: replace(DPRE_1, tier_1_limit=60e6),
        lambda: DPRE_1.with_collateral(Collateral("A", 0.1, 0.1), Collateral("A", 0.2, 0.1)),
    ],
)
def test_parameters_outside_their_domain(make: Callable[[], object]) -> None:
    with pytest.raises(ParameterError, match="expected"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Account(-1, "", MarginMode.CROSS, Wad(0)),
        lambda: Account(1, "", 1, Wad(0)),  # type: ignore[arg-type]
        lambda: Account(1, "", MarginMode.CROSS, 0.0),  # type: ignore[arg-type]
        lambda: Account(1, "", MarginMode.CROSS, Wad(0), {"WETH": Wad(-1)}),
        lambda: Account(1, "", MarginMode.CROSS, Wad(0), {}, {Instrument.perp(0): Position(Wad(0), Wad(1))}),
        lambda: Position(1.0, Wad(0)),  # type: ignore[arg-type]
    ],
)
def test_accounts_the_ledger_could_not_hold(make: Callable[[], object]) -> None:
    with pytest.raises(AccountError, match="expect"):
        make()


def test_accounts_do_not_change_behind_their_back() -> None:
    positions = {Instrument.perp(0): Position(Wad.whole(1), Wad(0))}
    account = Account(1, "0x", MarginMode.CROSS, Wad(0), {}, positions)
    positions.clear()
    assert len(account.positions) == 1
    with pytest.raises(TypeError):
        account.positions[Instrument.perp(1)] = account.positions[Instrument.perp(0)]  # type: ignore[index]


def test_expiries_are_ordered_and_a_move_keeps_the_basis() -> None:
    market = Market(150, {3: UNDERLYING, 1: UNDERLYING}, token_prices={"WETH": 50.0, "USDT": 1.0})
    assert list(market.underlyings) == [1, 3]
    moved = market.moved(3, 0.5, tokens=("WETH",))
    assert moved.underlyings[1] == UNDERLYING
    assert moved.underlyings[3] == UnderlyingMarket(50.0, 50.5, expiries=(ExpiryMarket(100, 101.0), ExpiryMarket(200, 51.0)))
    assert dict(moved.token_prices) == {"WETH": 25.0, "USDT": 1.0}
