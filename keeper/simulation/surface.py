"""Volatility surfaces for times that have none: a level from the price path, a shape from a real chain.

No implied volatilities of March 2020 exist here, so these are made, and every output that uses them says so:

    sigma_0     = clamp(sqrt(annualised EWMA of hourly Parkinson variance, half-life 12 h), 0.5, 3)
    sigma^2(T)  = sigma_inf^2 + (sigma_0^2 - sigma_inf^2) (1 - e^(-kappa T)) / (kappa T),  sigma_inf = 0.8, kappa = 12

Parkinson (1980): hourly variance = ln(high / low)^2 / (4 ln 2). The total variance sigma^2(T) T rises with T, and the smile
is one function g of standardised log-moneyness z = k / (sigma sqrt T) for all expiries, which keeps slices free of calendar
arbitrage wherever g(z) >= z g'(z) / 2.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from keeper.errors import SimulationError
from keeper.model.market import SviSlice
from keeper.simulation.history import HOUR, Candle

__all__ = ["SmileShape", "Surface", "load_smiles", "parkinson_vol", "term_vol"]

HALF_LIFE_HOURS = 12.0
HOURS_PER_YEAR = 365 * 24
VOL_FLOOR, VOL_CAP = 0.5, 3.0
LONG_RUN_VOL = 0.8
REVERSION = 12.0
SMILE_TABLE = Path(__file__).parent / "tables" / "smile-2026-02-06.json"


@dataclass(frozen=True, slots=True)
class SmileShape:
    """Raw SVI of (vol / at-the-money vol)^2 over z = k / (vol sqrt T); g(0) = 1."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def slice(self, forward: float, vol: float, tenor: float) -> SviSlice:
        """The expiry's SVI slice: w(k) = theta g(k / sqrt(theta)), theta = vol^2 tenor. forward: USD; tenor: years."""
        theta = vol * vol * tenor
        root = math.sqrt(theta)
        return SviSlice(theta * self.a, root * self.b, self.rho, root * self.m, root * self.sigma, forward, tenor)


def load_smiles() -> Mapping[str, SmileShape]:
    """Per underlying symbol, fitted to Deribit's chains of 6 February 2026."""
    table: dict[str, dict[str, float]] = json.loads(SMILE_TABLE.read_text())
    return MappingProxyType({symbol: SmileShape(**numbers) for symbol, numbers in table.items()})


def parkinson_vol(candles: Sequence[Candle], time: int) -> float:
    """sigma_0 per sqrt(year) from the hours that have closed by `time` (unix seconds), clamped to [0.5, 3].

    Raises SimulationError where no hour has closed yet.
    """
    decay = 0.5 ** (1.0 / HALF_LIFE_HOURS)
    weighted = total = 0.0
    for candle in candles:
        if candle.time + HOUR > time:
            break
        weighted = weighted * decay + math.log(candle.high / candle.low) ** 2 / (4.0 * math.log(2.0))
        total = total * decay + 1.0
    if total == 0.0:
        raise SimulationError(f"volatility at {time}: expected at least one closed hour before it, got none")
    return min(max(math.sqrt(weighted / total * HOURS_PER_YEAR), VOL_FLOOR), VOL_CAP)


def term_vol(vol: float, tenor: float) -> float:
    """sigma(T) of the module's term structure; tenor in years > 0."""
    if tenor <= 0.0:
        raise SimulationError(f"tenor: expected > 0 years, got {tenor}")
    weight = -math.expm1(-REVERSION * tenor) / (REVERSION * tenor)
    return math.sqrt(LONG_RUN_VOL**2 + (vol**2 - LONG_RUN_VOL**2) * weight)


@dataclass(frozen=True, slots=True)
class Surface:
    """The surface of one underlying at one instant: its short-term vol sigma_0 and the smile's shape."""

    vol: float
    shape: SmileShape

    def slice(self, forward: float, tenor: float) -> SviSlice:
        """SVI slice of an expiry `tenor` years away."""
        return self.shape.slice(forward, term_vol(self.vol, tenor), tenor)
