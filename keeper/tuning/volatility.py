"""Volatility forecasts from hourly prices: EWMA (RiskMetrics 1996) and GARCH(1,1) (Bollerslev 1986) by maximum likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from keeper.errors import SimulationError

__all__ = ["Garch", "Returns", "ewma", "fit_garch", "hourly_returns"]

Floats = NDArray[np.float64]

HOUR = 3_600
HOURS_PER_DAY = 24.0
_LEAST = 48
"""Returns without which no forecast is made: two days."""
_EWMA_DECAY = 0.94 ** (1.0 / HOURS_PER_DAY)
"""RiskMetrics' 0.94 a day, per hour."""
_FULL_GAP = 6
"""Hours without a price over which no return is formed."""


@dataclass(frozen=True, slots=True)
class Returns:
    """values [n]: log returns, oldest first, none over gaps; hours [n]: over how many hours each is."""

    values: Floats
    hours: Floats

    @property
    def per_hour(self) -> Floats:
        """[n] scaled to one hour."""
        return np.asarray(self.values / np.sqrt(self.hours))


def hourly_returns(times: Sequence[int], prices: Sequence[float]) -> Returns:
    """times: unix seconds, ascending; prices: USD. The last price of each hour counts. Raises SimulationError for other shapes and for
    prices that are not positive."""
    if len(times) != len(prices) or any(later < earlier for earlier, later in pairwise(times)):
        raise SimulationError(f"expected as many ascending times as prices, got {len(times)} and {len(prices)}")
    closes: dict[int, float] = {}
    for time, price in zip(times, prices, strict=True):
        if not (price > 0.0 and math.isfinite(price)):
            raise SimulationError(f"expected prices > 0, got {price} at {time}")
        closes[time // HOUR] = price
    hours, logs = np.fromiter(closes, dtype=np.float64), np.log(np.fromiter(closes.values(), dtype=np.float64))
    gaps = np.diff(hours)
    kept = gaps < _FULL_GAP
    return Returns(np.diff(logs)[kept], gaps[kept])


def ewma(returns: Returns) -> float:
    """Vol of the next day, as a share of the price. Raises SimulationError for less than two days of returns."""
    x = _enough(returns)
    weights = _EWMA_DECAY ** np.arange(len(x) - 1, -1, -1)
    return math.sqrt(float((weights * x * x).sum() / weights.sum()) * HOURS_PER_DAY)


@dataclass(frozen=True, slots=True)
class Garch:
    """h(t+1) = omega + alpha r(t)^2 + beta h(t), per hour; variance: h of the next hour; likelihood: logarithm, of the fit."""

    omega: float
    alpha: float
    beta: float
    variance: float
    likelihood: float

    @property
    def persistence(self) -> float:
        return self.alpha + self.beta

    @property
    def long_run(self) -> float:
        """Variance per hour to which forecasts return."""
        return self.omega / (1.0 - self.persistence)

    def forecast(self, days: float = 1.0) -> float:
        """Vol over the next `days`, as a share of the price: the root of the sum of expected hourly variances."""
        hours, p = days * HOURS_PER_DAY, self.persistence
        excess = self.variance - self.long_run
        return math.sqrt(self.long_run * hours + excess * (1.0 - p**hours) / (1.0 - p))


def fit_garch(returns: Returns) -> Garch:
    """By maximum likelihood of normal innovations, around a variance target (the sample's). Raises SimulationError for less than two days
    of returns and where nothing moved."""
    x = _enough(returns)
    squares = x * x
    target = float(squares.mean())
    if target <= 0.0:
        raise SimulationError("expected prices that move, got a constant")

    def variances(alpha: float, beta: float) -> Floats:
        h = np.empty(len(x) + 1)
        h[0] = target
        omega = target * (1.0 - alpha - beta)
        for t, square in enumerate(squares.tolist()):
            h[t + 1] = omega + alpha * square + beta * h[t]
        return h

    def parts(theta: Floats) -> tuple[float, float]:
        # Any two numbers give a stationary model: alpha + beta = 0.999 / (1 + exp(-a)), alpha a share of it.
        persistence = 0.999 / (1.0 + math.exp(-float(theta[0])))
        share = 1.0 / (1.0 + math.exp(-float(theta[1])))
        return persistence * share, persistence * (1.0 - share)

    def loss(theta: Floats) -> float:
        h = variances(*parts(theta))[:-1]
        return float(0.5 * (np.log(h) + squares / h).sum())

    starts = [np.array([a, b]) for a in (1.0, 3.0) for b in (-3.0, -1.5)]
    best = min((minimize(loss, start, method="Nelder-Mead") for start in starts), key=lambda found: float(found.fun))
    alpha, beta = parts(best.x)
    h = variances(alpha, beta)
    constant = 0.5 * len(x) * math.log(2.0 * math.pi)
    return Garch(target * (1.0 - alpha - beta), alpha, beta, float(h[-1]), -float(best.fun) - constant)


def _enough(returns: Returns) -> Floats:
    x = returns.per_hour
    if len(x) < _LEAST:
        raise SimulationError(f"expected at least {_LEAST} hourly returns, got {len(x)}")
    return x
