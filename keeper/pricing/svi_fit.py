"""SVI slices fitted to quoted vols, free of static arbitrage or refused (Gatheral & Jacquier 2014).

Least squares in vol, weighted by vega, over (least variance, b, rho, m, sigma), so that every trial is an acceptable
slice. Two kinds of arbitrage are penalised in the fit and then checked on a finer grid:

    butterfly  g(k) = (1 - k w' / (2 w))^2 - w'^2 / 4 (1 / w + 1 / 4) + w'' / 2 >= 0           (their theorem 2.1)
               wherever the slice is read, |k| <= clamp sqrt(a + b sigma)
    calendar   w(k) >= w of the expiry before, at equal k                                       (their lemma 2.1)
               over the moneyness that both expiries quote
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from keeper.errors import PricingError
from keeper.model import SviSlice
from keeper.pricing import black76
from keeper.pricing.svi import total_variance

__all__ = ["SviFit", "butterfly_density", "calendar_gap", "fit_slice", "variance_at"]

Floats = NDArray[np.float64]

_CLAMP = 4.0
_GRID = 81
_CHECK = 801
_PENALTIES = (0.1, 3.0, 100.0)
"""Weight of an arbitrage against an error in vol: raised only where the lighter one leaves some."""
_MARGIN = 1e-3
"""How far from an arbitrage the penalised fit keeps, since it looks at fewer points than the check."""
_TOLERANCE = 1e-9
_LEAST_QUOTES = 5


@dataclass(frozen=True, slots=True)
class SviFit:
    """slice: the fitted one; rms: vega-weighted root mean square error in vol; quotes: how many strikes it was fitted to;
    quoted: the least and the greatest ln(K / F) among them."""

    slice: SviSlice
    rms: float
    quotes: int
    quoted: tuple[float, float]


def variance_at(slice_: SviSlice, k: ArrayLike, clamp: float = _CLAMP) -> Floats:
    """Total variance w(k) as it is read, k = ln(K / forward) clamped; any shape."""
    limit = clamp * math.sqrt(slice_.a + slice_.b * slice_.sigma)
    inside = np.clip(np.asarray(k, dtype=np.float64), -limit, limit)
    return total_variance(inside, slice_.a, slice_.b, slice_.rho, slice_.m, slice_.sigma)


def butterfly_density(slice_: SviSlice, k: ArrayLike) -> Floats:
    """g(k): the risk-neutral density of ln(K / F) is g(k) times a positive factor; any shape."""
    k, s = np.asarray(k, dtype=np.float64), slice_
    x = k - s.m
    root = np.sqrt(x * x + s.sigma**2)
    w = np.maximum(s.a + s.b * (s.rho * x + root), 1e-300)
    first, second = s.b * (s.rho + x / root), s.b * s.sigma**2 / root**3
    return np.asarray((1.0 - 0.5 * k * first / w) ** 2 - 0.25 * first**2 * (1.0 / w + 0.25) + 0.5 * second)


def calendar_gap(slice_: SviSlice, earlier: SviSlice, k: ArrayLike) -> Floats:
    """w(k) of the slice less that of an earlier expiry, each read with its clamp: negative where they cross."""
    return np.asarray(variance_at(slice_, k) - variance_at(earlier, k))


def fit_slice(strike: ArrayLike, vol: ArrayLike, forward: float, tau: float, earlier: SviFit | None = None) -> SviFit:
    """The slice nearest to the quoted vols of one expiry.

    strike [N] USD, vol [N] per sqrt(year), both > 0; forward: USD; tau: years > 0; earlier: the fit of the expiry before,
    which this one may not undercut. Raises PricingError for fewer than five strikes, for values outside their domain, and
    where the best fit still holds a butterfly or calendar arbitrage.
    """
    K, v = np.asarray(strike, dtype=np.float64), np.asarray(vol, dtype=np.float64)
    if K.ndim != 1 or K.shape != v.shape or len(np.unique(K)) < _LEAST_QUOTES:
        raise PricingError(f"SVI fit: expected vols of at least {_LEAST_QUOTES} strikes, got strikes {K.shape} and vols {v.shape}")
    if not (np.isfinite(K) & np.isfinite(v) & (K > 0.0) & (v > 0.0)).all() or not (forward > 0.0 and tau > 0.0):
        raise PricingError("SVI fit: expected strikes, vols, forward and tau that are finite and > 0")
    k = np.log(K / forward)
    middle = float(np.interp(0.0, *_sorted(k, v)))
    vega = black76.greeks(forward, K, tau, v, 0.0, True).vega
    weight = np.sqrt(vega / vega.max() + 1e-4)
    weight /= math.sqrt(float((weight**2).sum()))
    spread = middle * math.sqrt(tau)
    quoted = (float(k.min()), float(k.max()))
    both = _both(quoted, earlier)

    def residuals(x: Floats, penalty: float) -> Floats:
        trial = _slice(x, spread, forward, tau)
        error = weight * (np.sqrt(variance_at(trial, k) / tau) - v)
        bad = [np.minimum(0.0, butterfly_density(trial, _read_range(trial, _GRID)) - _MARGIN)]
        if earlier is not None:
            gap = calendar_gap(trial, earlier.slice, np.linspace(*both, _GRID))
            bad.append(np.minimum(0.0, gap / spread**2 - _MARGIN))
        return np.concatenate([error, *(penalty * middle * arbitrage for arbitrage in bad)])

    # In units of the slice's own standard deviation, so that hours and years start from the same place.
    bounds = ([0.0, 0.0, -0.999, -8.0, 0.01], [4.0, 20.0, 0.999, 8.0, 20.0])
    starts = [[0.7, 0.3, -0.3, 0.0, 1.0], [0.7, 0.3, 0.3, 0.0, 1.0], [0.3, 0.7, 0.0, 0.0, 2.0]]
    for penalty in _PENALTIES:
        trials = [least_squares(residuals, x, bounds=bounds, args=(penalty,), x_scale="jac", max_nfev=200) for x in starts]
        x = min(trials, key=lambda found: found.cost).x
        if _arbitrage(_slice(x, spread, forward, tau), quoted, earlier) is None:
            break
    fitted = _slice(x, spread, forward, tau)
    found = _arbitrage(fitted, quoted, earlier)
    if found is not None:
        raise PricingError(f"SVI fit: expected no {found}")
    error = weight * (np.sqrt(variance_at(fitted, k) / tau) - v)
    return SviFit(fitted, math.sqrt(float((error**2).sum())), len(np.unique(K)), quoted)


def _slice(x: Floats, spread: float, forward: float, tau: float) -> SviSlice:
    """x = (least variance, b, rho, m, sigma) in units of the standard deviation at the money."""
    least, b, rho, m, sigma = (float(value) for value in x)
    b, m, sigma = b * spread, m * spread, sigma * spread
    a = least * spread**2 - b * sigma * math.sqrt(1.0 - rho * rho)
    if a + b * sigma * math.sqrt(1.0 - rho * rho) < 0.0:  # the difference may round below zero
        a = math.nextafter(a, math.inf) + 1e-18
    return SviSlice(a, b, rho, m, sigma, forward, tau)


def _read_range(slice_: SviSlice, points: int) -> Floats:
    """Moneyness over which the slice is read, beyond which it is flat."""
    limit = _CLAMP * math.sqrt(slice_.a + slice_.b * slice_.sigma)
    return np.linspace(-limit, limit, points)


def _both(quoted: tuple[float, float], earlier: SviFit | None) -> tuple[float, float]:
    """The moneyness that both expiries quote."""
    return quoted if earlier is None else (max(quoted[0], earlier.quoted[0]), min(quoted[1], earlier.quoted[1]))


def _arbitrage(fitted: SviSlice, quoted: tuple[float, float], earlier: SviFit | None) -> str | None:
    """What is wrong with the slice, None where nothing is."""
    k = _read_range(fitted, _CHECK)
    density = butterfly_density(fitted, k)
    if density.min() < -_TOLERANCE:
        return f"butterfly arbitrage, got g = {density.min():.3g} at k = {k[density.argmin()]:.3f}"
    if earlier is None:
        return None
    k = np.linspace(*_both(quoted, earlier), _CHECK)
    gap = calendar_gap(fitted, earlier.slice, k)
    if gap.min() < -_TOLERANCE:
        return f"calendar arbitrage, got a variance {-gap.min():.3g} below that of the expiry before at k = {k[gap.argmin()]:.3f}"
    return None


def _sorted(k: Floats, v: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(k)
    return k[order], v[order]
