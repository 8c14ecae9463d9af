"""Fitted slices: they recover a known one, smooth noise, and never hold an arbitrage."""

from dataclasses import replace

import numpy as np
import pytest

from keeper.errors import PricingError
from keeper.model import SviSlice
from keeper.pricing import black76, svi
from keeper.pricing.svi_fit import SviFit, butterfly_density, calendar_gap, fit_slice, variance_at

TAU = 0.25
KNOWN = SviSlice(a=0.02, b=0.12, rho=-0.35, m=0.03, sigma=0.25, ref_forward=2000.0, ref_tau=TAU)
STRIKES = np.linspace(1000.0, 3600.0, 27)


def vols(slice_: SviSlice, strikes: np.ndarray = STRIKES) -> np.ndarray:
    s = slice_
    return svi.implied_vol(strikes, s.ref_forward, s.ref_tau, s.a, s.b, s.rho, s.m, s.sigma)


def test_a_known_slice_is_recovered() -> None:
    fit = fit_slice(STRIKES, vols(KNOWN), 2000.0, TAU)
    assert vols(fit.slice) == pytest.approx(vols(KNOWN), abs=1e-7)
    assert fit.rms < 1e-7
    assert fit.quotes == 27
    assert fit.quoted == pytest.approx((np.log(0.5), np.log(1.8)))


def test_noise_is_smoothed_not_followed() -> None:
    noise = np.random.default_rng(7).normal(0.0, 0.01, len(STRIKES))
    fit = fit_slice(STRIKES, vols(KNOWN) + noise, 2000.0, TAU)
    near = np.abs(STRIKES / 2000.0 - 1.0) < 0.4
    assert np.abs(vols(fit.slice) - vols(KNOWN))[near].max() < 0.01
    assert 0.004 < fit.rms < 0.02


def test_prices_of_a_fit_are_convex_and_fall_in_strike() -> None:
    """No butterfly arbitrage, said without the formula: call prices are decreasing and convex in the strike."""
    crooked = vols(KNOWN) + 0.05 * np.sin(STRIKES / 150.0)
    fit = fit_slice(STRIKES, crooked, 2000.0, TAU)
    dense = np.linspace(800.0, 4500.0, 2000)
    calls = black76.price(2000.0, dense, TAU, vols(fit.slice, dense), 0.0, True)
    assert (np.diff(calls) < 0.0).all()
    assert np.diff(calls, 2).min() > -1e-9
    direct = black76.price(2000.0, STRIKES, TAU, crooked, 0.0, True)
    assert np.diff(direct, 2).min() < 0.0  # the quotes themselves were arbitrageable


def test_density_formula_against_differences_of_prices() -> None:
    """g(k) n(d2) / sqrt(w) is the density of ln K: compare with the second difference of calls."""
    K, h = np.array([1200.0, 1900.0, 2600.0]), 0.05
    call = {s: black76.price(2000.0, K + s * h, TAU, vols(KNOWN, K + s * h), 0.0, True) for s in (-1, 0, 1)}
    seen = (call[1] - 2.0 * call[0] + call[-1]) / h**2
    k = np.log(K / 2000.0)
    w = variance_at(KNOWN, k)
    d2 = -k / np.sqrt(w) - 0.5 * np.sqrt(w)
    expected = butterfly_density(KNOWN, k) * np.exp(-0.5 * d2**2) / np.sqrt(2 * np.pi * w) / K
    assert seen == pytest.approx(expected, rel=1e-4)


def test_a_later_expiry_does_not_undercut_the_earlier() -> None:
    """Quotes of the later expiry below the earlier one's total variance in the wing: the fit gives way there."""
    first = fit_slice(STRIKES, vols(KNOWN), 2000.0, TAU)
    later = replace(KNOWN, a=0.035, b=0.09, ref_tau=TAU + 0.02)
    k = np.linspace(*first.quoted, 200)
    assert calendar_gap(later, KNOWN, k).min() < 0.0
    fit = fit_slice(STRIKES, vols(later), 2000.0, TAU + 0.02, earlier=first)
    assert calendar_gap(fit.slice, first.slice, k).min() >= -1e-9
    free = fit_slice(STRIKES, vols(later), 2000.0, TAU + 0.02)
    assert free.rms < 1e-6 < fit.rms


def test_what_cannot_be_fitted_without_arbitrage_is_refused() -> None:
    """An expiry before whose variance of 30 no slice of this one can stay above without another arbitrage."""
    high = SviFit(SviSlice(30.0, 0.1, 0.0, 0.0, 0.1, 2000.0, TAU), 0.0, 27, (-0.6, 0.6))
    with pytest.raises(PricingError, match=r"expected no (butterfly|calendar) arbitrage"):
        fit_slice(STRIKES, vols(KNOWN), 2000.0, TAU, earlier=high)


@pytest.mark.parametrize(
    ("strike", "vol", "forward"),
    [
        pytest.param([1.0, 2.0, 3.0, 4.0], [0.5] * 4, 2.0, id="four strikes"),
        pytest.param([1.0] * 9, [0.5] * 9, 2.0, id="one strike"),
        pytest.param([1.0, 2.0, 3.0, 4.0, 5.0], [0.5] * 4 + [0.0], 2.0, id="no vol"),
        pytest.param([1.0, 2.0, 3.0, 4.0, np.nan], [0.5] * 5, 2.0, id="not finite"),
        pytest.param([1.0, 2.0, 3.0, 4.0, 5.0], [0.5] * 5, 0.0, id="no forward"),
        pytest.param([1.0, 2.0, 3.0, 4.0, 5.0], [0.5] * 4, 2.0, id="lengths"),
    ],
)
def test_bad_input_names_what_was_expected(strike: list[float], vol: list[float], forward: float) -> None:
    with pytest.raises(PricingError, match="SVI fit: expected"):
        fit_slice(strike, vol, forward, TAU)
