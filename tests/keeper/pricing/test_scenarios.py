"""The vol rule, and the scenario grid against 50-digit revaluation."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from keeper.errors import MarketError, ParameterError
from keeper.model import (
    DPRE_1,
    ExpiryMarket,
    Instrument,
    Market,
    SviSlice,
    UnderlyingMarket,
    VolDirection,
)
from keeper.pricing import InstrumentTable, PricedTable, price_table, scenario_shocks, shocked_vol, tenor_scale
from keeper.pricing.scenarios import aligned_zeros

Rows = Callable[[str], list[dict[str, Any]]]
Oracle = Callable[..., dict[str, tuple[mp.mpf, mp.mpf]]]

DAY = 86_400
NOW = 1_780_000_000
BTC, ETH = 0, 1


def slice_(forward: float, years: float, vol: float) -> SviSlice:
    w = vol * vol * years
    return SviSlice(a=0.5 * w, b=0.8 * w, rho=-0.3, m=0.01, sigma=0.4, ref_forward=forward * 0.99, ref_tau=years)


def expiry(days: float, forward: float, vol: float = 0.6, settlement: float | None = None) -> ExpiryMarket:
    at = NOW + round(days * DAY)
    return ExpiryMarket(at, forward, 0.04, slice_(forward, max(days, 0.1) / 365, vol), settlement)


BTC_EXPIRIES = (
    expiry(-2, 70_000.0, settlement=71_000.0),
    expiry(0, 72_000.0),
    expiry(0.2, 80_010.0),
    expiry(20, 80_200.0, vol=0.2),
    expiry(400, 84_000.0),
)
MARKET = Market(
    NOW,
    {
        BTC: UnderlyingMarket(80_000.0, 80_100.0, spot_scale=1.5, expiries=BTC_EXPIRIES),
        ETH: UnderlyingMarket(3_000.0, 3_300.0, expiries=(expiry(30, 3_010.0),)),
    },
)
INSTRUMENTS = [
    Instrument.perp(BTC),
    Instrument.perp(ETH),
    *(Instrument.future(BTC, e.expiry) for e in BTC_EXPIRIES),
    *(make(BTC, e.expiry, K) for e in BTC_EXPIRIES for K in (60_000, 80_000, 400_000) for make in (Instrument.call, Instrument.put)),
    Instrument.call(ETH, NOW + 30 * DAY, 3_100),
]


@pytest.fixture(scope="module")
def priced() -> PricedTable:
    return price_table(InstrumentTable.of(INSTRUMENTS), MARKET, DPRE_1)


def test_published_vol_multipliers(rows: Rows) -> None:
    for row in rows("vol_shock_multiplier"):
        i = row["inputs"]
        rule = replace(
            DPRE_1,
            vol_range_up=i["range_up"],
            vol_range_down=i["range_down"],
            vol_power_short=i["short_power"],
            vol_power_long=i["long_power"],
            vol_tenor_floor=i["dte_floor_days"] * DAY,
        )
        vols = shocked_vol(1.0, i["seconds_to_expiry"], rule)
        assert vols[VolDirection.NONE] == 1.0
        assert vols[VolDirection.UP] == pytest.approx(row["outputs"]["up"], abs=row["tolerance"], rel=0.0)
        assert vols[VolDirection.DOWN] == pytest.approx(row["outputs"]["down"], abs=row["tolerance"], rel=0.0)


def test_published_relative_vol_shocks(rows: Rows) -> None:
    for row in rows("vol_shock_relative"):
        i = row["inputs"]
        rule = replace(DPRE_1, vol_range_up=i["range_up"], vol_power_short=i["short_power"], vol_power_long=i["long_power"])
        relative = shocked_vol(1.0, i["dte"] * DAY, rule)[VolDirection.UP] - 1.0
        assert relative == pytest.approx(row["outputs"]["relative_up"], abs=row["tolerance"], rel=0.0)


def test_tenor_scale_is_flat_under_a_day_and_switches_power_at_thirty() -> None:
    h = tenor_scale([0, DAY // 2, DAY, 30 * DAY, 30 * DAY + 1, 60 * DAY], DPRE_1)
    assert h[0] == h[1] == h[2] == pytest.approx(30**0.3, rel=1e-15)
    assert h[3] == 1.0
    assert h[4] == pytest.approx((30 * DAY / (30 * DAY + 1)) ** 0.13, rel=1e-15)
    assert h[5] == pytest.approx(2**-0.13, rel=1e-15)


def test_floors_of_shocked_vols() -> None:
    vols = shocked_vol([0.001, 0.2, 0.5], 30 * DAY, DPRE_1)
    assert vols[:, VolDirection.UP].tolist() == pytest.approx([0.40, 0.40, 0.75])
    assert vols[:, VolDirection.DOWN].tolist() == pytest.approx([0.01, 0.2 * 0.725, 0.5 * 0.725])
    no_shock = replace(DPRE_1, vol_range_up=0.0, vol_floor_up=0.0)
    assert shocked_vol(0.3, DAY, no_shock)[VolDirection.UP] == 0.3


def test_scale_widens_the_core_and_leaves_the_tails() -> None:
    shocks = scenario_shocks([1.0, 2.0], DPRE_1)
    assert shocks.spot.shape == (2, 35)
    assert shocks.spot[1, :27].tolist() == (2.0 * shocks.spot[0, :27]).tolist()
    assert shocks.spot[1, 27:].tolist() == shocks.spot[0, 27:].tolist()
    with pytest.raises(ParameterError, match="> -1"):
        scenario_shocks([5.6], DPRE_1)


def test_grid_is_laid_out_for_the_kernel(priced: PricedTable) -> None:
    assert priced.grid.shape == (len(INSTRUMENTS), 40)
    assert priced.grid.flags.c_contiguous
    assert priced.grid.ctypes.data % 64 == 0
    assert not priced.grid[:, 35:].any()
    assert aligned_zeros(3, 40).shape == (3, 40)
    assert aligned_zeros(3, 23).shape == (3, 24)


def test_every_cell_against_fifty_digits(priced: PricedTable, oracle: Oracle) -> None:
    """Weighted P&L of every option, future and perp in every scenario, error below 1e-14 of the shocked forward."""
    for row, instrument in enumerate(INSTRUMENTS):
        quote = MARKET.underlying(instrument.underlying)
        forward = min(quote.mark, 1.05 * quote.spot)
        e = next((e for e in quote.expiries if e.expiry == instrument.expiry), None)
        if e is not None:
            if e.expiry <= NOW:
                assert not priced.grid[row].any(), instrument
                continue
            forward = e.forward
        seconds = instrument.expiry - NOW
        for column, scenario in enumerate(DPRE_1.scenarios):
            x = scenario.spot_shock * (quote.spot_scale if scenario.core else 1.0)
            if instrument.is_option:
                h = (30 * DAY / max(seconds, DAY)) ** (0.30 if seconds <= 30 * DAY else 0.13)
                v = float(priced.quotes.vol[row])
                vol = {"NONE": v, "UP": max(v * (1 + 0.5 * h), 0.4), "DOWN": max(v * (1 - 0.275 * h), 0.01)}[scenario.vol.name]
                call, T = instrument.kind == 2, seconds / (365 * DAY)
                after = oracle(forward * (1 + x), instrument.strike, T, vol, 0.04, call)["price"][0]
                expected = (after - oracle(forward, instrument.strike, T, v, 0.04, call)["price"][0]) * scenario.weight
            else:
                expected = mp.mpf(forward) * x * scenario.weight
            unit = max(forward * (1 + x), forward, instrument.strike)
            assert abs(float(priced.grid[row, column] - expected)) <= 1e-14 * unit, (instrument, column)


def test_vols_come_from_the_slice(priced: PricedTable) -> None:
    row = INSTRUMENTS.index(Instrument.call(ETH, NOW + 30 * DAY, 3_100))
    s = MARKET.underlying(ETH).expiries[0].svi
    assert s is not None
    k = np.log(3_100 / s.ref_forward)
    w = s.a + s.b * (s.rho * (k - s.m) + np.hypot(k - s.m, s.sigma))
    assert priced.quotes.vol[row] == pytest.approx(np.sqrt(w / s.ref_tau), rel=1e-14)


def test_expired_instruments_are_worth_their_settlement(priced: PricedTable) -> None:
    value = dict(zip(INSTRUMENTS, priced.value.tolist(), strict=True))
    settled, averaging = NOW - 2 * DAY, NOW
    assert value[Instrument.future(BTC, settled)] == 71_000.0
    assert value[Instrument.call(BTC, settled, 60_000)] == 11_000.0
    assert value[Instrument.put(BTC, settled, 60_000)] == 0.0
    assert value[Instrument.future(BTC, averaging)] == 72_000.0
    assert value[Instrument.put(BTC, averaging, 80_000)] == 8_000.0
    for row, instrument in enumerate(INSTRUMENTS):
        if 0 < instrument.expiry <= NOW:
            for greek in ("delta", "gamma", "vega", "theta", "rho", "vanna", "volga"):
                assert getattr(priced, greek)[row] == 0.0


def test_the_mark_is_clamped_to_the_basis_band(priced: PricedTable) -> None:
    assert priced.value[INSTRUMENTS.index(Instrument.perp(ETH))] == 3_000.0 * 1.05
    assert priced.value[INSTRUMENTS.index(Instrument.perp(BTC))] == 80_100.0


def test_greeks_are_derivatives_by_spot(priced: PricedTable) -> None:
    """Central differences of the value while spot, mark and forwards move in proportion."""
    table, step = priced.table, 1e-4
    up, down = (price_table(table, MARKET.moved(BTC, 1.0 + x), DPRE_1) for x in (step, -step))
    dS = 80_000.0 * step
    rows = [r for r, i in enumerate(INSTRUMENTS) if i.underlying == BTC and (not i.expiry or i.expiry > NOW + DAY)]
    assert ((up.value - down.value)[rows] / (2 * dS)).tolist() == pytest.approx(priced.delta[rows].tolist(), abs=1e-6)
    second = (up.value - 2 * priced.value + down.value)[rows] / dS**2
    assert second.tolist() == pytest.approx(priced.gamma[rows].tolist(), abs=1e-10)
    assert ((up.vega - down.vega)[rows] / (2 * dS)).tolist() == pytest.approx(priced.vanna[rows].tolist(), rel=1e-4, abs=1e-6)


def test_what_the_market_lacks_is_named() -> None:
    def attempt(instrument: Instrument, market: Market = MARKET) -> None:
        price_table(InstrumentTable.of([instrument]), market, DPRE_1)

    with pytest.raises(MarketError, match="got underlying 7"):
        attempt(Instrument.perp(7))
    with pytest.raises(MarketError, match="expected a forward for expiry 1790000000"):
        attempt(Instrument.future(ETH, 1_790_000_000))
    bare = Market(NOW, {BTC: UnderlyingMarket(1.0, 1.0, expiries=(ExpiryMarket(NOW + 5, 1.0),))})
    attempt(Instrument.future(BTC, NOW + 5), bare)
    with pytest.raises(MarketError, match="expected an SVI slice"):
        attempt(Instrument.call(BTC, NOW + 5, 1), bare)


def test_a_table_holds_each_instrument_once_and_may_be_empty() -> None:
    table = InstrumentTable.of([*INSTRUMENTS, *INSTRUMENTS])
    assert table.instruments == tuple(INSTRUMENTS)
    assert table.rows()[INSTRUMENTS[3]] == 3
    assert price_table(InstrumentTable.of([]), MARKET, DPRE_1).grid.shape == (0, 40)
