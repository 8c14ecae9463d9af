"""The vector functions against 50-digit arithmetic, and the scenario grid against the reference and 50 digits."""

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from keeper.kernels import pricing
from keeper.kernels.prepared import PreparedTable
from keeper.model import VolDirection
from keeper.pricing import black76, price_table, shocked_vol
from tests.keeper.kernels.conftest import TABLES, make_market, make_table
from tests.keeper.pricing.conftest import oracle

__all__ = ["oracle"]

PRICE_LIMIT = 2e-15
GREEK_LIMIT = 5e-14
NAMES = ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga")


def inputs(count: int, seed: int) -> tuple[np.ndarray, ...]:
    """From minutes to five years, vols of 2 % to 500 %, far and near strikes, also those a hair from the forward."""
    rng = np.random.default_rng(seed)
    F = 10.0 ** rng.uniform(0, 6, count)
    tau, vol = 10.0 ** rng.uniform(-5, 0.7, count), 10.0 ** rng.uniform(-1.7, 0.7, count)
    spread = np.where(rng.random(count) < 0.3, 1e-6, 3.0) * vol * np.sqrt(tau)
    K = F * np.exp(rng.normal(0, 1, count) * spread)
    return F, K, tau, vol, rng.uniform(-0.1, 0.3, count), rng.random(count) < 0.5


def test_eight_outputs_against_fifty_digits(oracle: Callable[..., dict[str, tuple[mp.mpf, mp.mpf]]]) -> None:
    arguments = inputs(3000, 1)
    result = pricing.greeks(*arguments)
    worst = dict.fromkeys(NAMES, 0.0)
    for position, point in enumerate(zip(*(a.tolist() for a in arguments), strict=True)):
        for name, (exact, scale) in oracle(*point).items():
            error = abs(mp.mpf(float(getattr(result, name)[position])) - exact)
            worst[name] = max(worst[name], float(error / scale))
    assert worst["price"] <= PRICE_LIMIT, worst
    assert max(worst.values()) <= GREEK_LIMIT, worst


def test_the_ends_of_the_domain() -> None:
    """No time, no vol, strikes that no double of phi reaches: as the reference has them."""
    grid = np.array(
        [
            (F, K, T, v)
            for F in (1e-3, 1.0, 3000.0)
            for K in (1e-8, 1.0, 3000.0, 1e9)
            for T in (0.0, 1e-9, 1.0, 30.0)
            for v in (0.0, 1e-6, 0.5, 20.0)
        ]
    )
    F, K, T, v = grid.T.copy()
    for call in (True, False):
        ours = pricing.greeks(F, K, T, v, np.full(len(F), 0.05), np.full(len(F), call))
        theirs = black76.greeks(F, K, T, v, 0.05, call)
        for name in NAMES:
            expected = getattr(theirs, name)
            assert np.isfinite(getattr(ours, name)).all(), name
            floor = 2e-15 * 3000.0 * 30.0 if name in ("price", "rho", "theta") else 1e-12
            assert getattr(ours, name) == pytest.approx(expected, rel=1e-11, abs=floor), name


def test_published_prices(rows: Callable[[str], list[dict[str, Any]]]) -> None:
    for row in rows("black76"):
        i = row["inputs"]
        for side in ("call", "put"):
            if side in row["outputs"] and "T" in i and "r" in i:
                value = pricing.greeks(i["F"], i["K"], i["T"], i["vol"], i["r"], side == "call").price[0]
                tolerance = row["tolerance"]
                within = {"abs": tolerance, "rel": 0.0} if isinstance(tolerance, float) else tolerance
                assert value == pytest.approx(row["outputs"][side], **within), row["id"]


@pytest.mark.parametrize("name", TABLES)
def test_the_grid_is_the_reference_grid(name: str) -> None:
    parameters, market, table = TABLES[name], make_market(), make_table()
    prepared = PreparedTable(table, parameters, tuple(market.underlyings), 2)
    prepared.price(prepared.vector(market))
    expected = price_table(table, market, parameters)
    forward = np.maximum(expected.quotes.forward, table.strike)[:, None]
    assert prepared.grid.ctypes.data % 64 == 0
    assert prepared.grid.shape == (len(table), 40)
    assert not prepared.grid[:, expected.scenarios :].any()
    assert (np.abs(prepared.grid[:, : expected.scenarios] - expected.grid[:, : expected.scenarios]) <= 2e-14 * forward).all()


def test_the_grid_against_fifty_digits() -> None:
    parameters, market, table = TABLES["35 scenarios"], make_market(), make_table()
    prepared = PreparedTable(table, parameters, tuple(market.underlyings), 1)
    prepared.price(prepared.vector(market))
    quotes = price_table(table, market, parameters).quotes
    rng = np.random.default_rng(4)
    live = np.flatnonzero(table.is_option & quotes.live)
    for i in rng.choice(live, 60, replace=False).tolist():
        by_direction = shocked_vol(quotes.vol[i], quotes.seconds[i], parameters)
        scale = quotes.spot_scale[quotes.underlying_row[i]]
        for s, scenario in enumerate(parameters.scenarios):
            shock = scenario.spot_shock * (scale if scenario.core else 1.0)
            F, K = float(quotes.forward[i]), float(table.strike[i])
            after = exact_value(F * (1 + mp.mpf(shock)), K, quotes.tau[i], by_direction[scenario.vol], quotes.rate[i], table.kind[i] == 2)
            before = exact_value(F, K, quotes.tau[i], by_direction[VolDirection.NONE], quotes.rate[i], table.kind[i] == 2)
            unit = max(F * (1 + shock), F, float(after), float(before))
            assert abs(float(after - before) * scenario.weight - prepared.grid[i, s]) <= 2 * PRICE_LIMIT * unit


def exact_value(F: Any, K: float, tau: float, vol: float, rate: float, call: bool) -> mp.mpf:
    with mp.workdps(50):
        F, K, tau, vol = mp.mpf(F), mp.mpf(K), mp.mpf(float(tau)), mp.mpf(float(vol))
        s = vol * mp.sqrt(tau)
        d1 = mp.log(F / K) / s + s / 2
        value = F * mp.ncdf(d1) - K * mp.ncdf(d1 - s) if call else K * mp.ncdf(s - d1) - F * mp.ncdf(-d1)
        return mp.exp(-mp.mpf(float(rate)) * tau) * value
