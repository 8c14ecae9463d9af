"""Deribit's segregated portfolio margin of coin-margined (inverse) positions, and the venue's printed conventions.

P&L is counted in coin: a position worth V USD is worth V / F coins, so a future of q coins earns q (1 - 1/(1 + x)) under a
move x and an option V(F (1 + x)) / (F (1 + x)) - V(F) / F. The worst case is over the price range in steps times the
vol directions, and over the tail table, where an option's P&L counts with price_range / |x| and a future's as at the edge
of the price range. Roll shock: per expiry abs(delta) x max(minimum, annual x T).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.errors import BookError, ParameterError
from keeper.methods import presets
from keeper.methods.grid import OptionPositions, ScenarioTable, current_values, shocked_values
from keeper.model import SECONDS_PER_YEAR, Parameters, VolDirection, tail_weight
from keeper.pricing import black76, shocked_vol

__all__ = ["METHOD", "DeribitMargin", "DeribitParameters", "DeribitPortfolio", "PrintedFigures", "portfolio_margin", "printed_figures"]

METHOD = "deribit-pm"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PrintedFigures:
    """As Deribit prints them, arrays of one shape: mark in coin; delta: N(+-d1), of the forward, not adjusted for the
    premium; vega: USD per percentage point of vol."""

    mark: Floats
    delta: Floats
    vega: Floats


def printed_figures(forward: ArrayLike, strike: ArrayLike, tau: ArrayLike, vol: ArrayLike, is_call: ArrayLike) -> PrintedFigures:
    """Mark, delta and vega of an inverse option from its implied vol: Black-76 at a rate of zero, years of 365 days.
    Arguments and errors as `black76.price`."""
    g = black76.greeks(forward, strike, tau, vol, 0.0, is_call)
    return PrintedFigures(g.price / np.asarray(forward, dtype=np.float64), g.delta, g.vega / 100.0)


@dataclass(frozen=True, slots=True)
class DeribitParameters:
    """price_range: of the core moves; vol: the vol rule; scenarios: core and tails; roll_min, roll_annual: of the roll
    shock; delta_shock_free: USD of net delta without a delta shock; maintenance_factor: of the risk matrix margin."""

    price_range: float
    vol: Parameters
    scenarios: ScenarioTable
    roll_min: float
    roll_annual: float
    delta_shock_free: float
    maintenance_factor: float

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> Self:
        """From a preset's JSON table (its shape: keeper/methods/presets). Raises ParameterError for missing entries."""
        try:
            reach, buckets = float(table["price_range"]), int(table["buckets"])
            moves = [reach * step / buckets for step in range(-buckets, buckets + 1)]
            core = [(x, v, 1.0, False) for x in moves for v in (VolDirection.UP, VolDirection.NONE, VolDirection.DOWN)]
            tails = [(x, VolDirection.UP, tail_weight(x, reach), True) for x in table["tails"]]
            vol = table["vol"]
            rule = Parameters(
                vol_range_up=vol["range_up"],
                vol_range_down=vol["range_down"],
                vol_power_short=vol["power_short"],
                vol_power_long=vol["power_long"],
                vol_floor_up=vol["floor_up"],
                vol_floor_down=0.0,
                name=METHOD,
            )
            return cls(
                price_range=reach,
                vol=rule,
                scenarios=ScenarioTable.of([*core, *tails]),
                roll_min=table["roll"]["min"],
                roll_annual=table["roll"]["annual"],
                delta_shock_free=table["delta_shock_free"],
                maintenance_factor=table["maintenance_factor"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ParameterError(f"{METHOD}: expected a table of the preset's shape, got an error at {error}") from error

    @classmethod
    def preset(cls, name: str = "deribit-pm-btc-2024") -> Self:
        """A dated snapshot of the venue's own numbers."""
        return cls.from_table(presets.load(name, METHOD))


@dataclass(frozen=True, slots=True)
class DeribitPortfolio:
    """One account in one coin. index: USD; future_size [M] coins (USD size / mark), future_seconds [M] to expiry, 0 for the
    perpetual; options: sizes in coins, rates of zero; mmp, open_orders: coins reserved on top of the initial margin."""

    index: float
    future_size: Floats = field(default_factory=lambda: np.zeros(0))
    future_seconds: Floats = field(default_factory=lambda: np.zeros(0))
    options: OptionPositions = field(default_factory=OptionPositions.of)
    mmp: float = 0.0
    open_orders: float = 0.0

    def __post_init__(self) -> None:
        if self.future_size.ndim != 1 or self.future_size.shape != self.future_seconds.shape:
            raise BookError(f"futures: expected vectors of one length, got {self.future_size.shape} and {self.future_seconds.shape}")
        if not (np.isfinite(self.index) and self.index > 0.0):
            raise BookError(f"index: expected a finite price > 0, got {self.index!r}")


@dataclass(frozen=True, slots=True)
class DeribitMargin:
    """Coins. future_pnl [M, S], option_pnl [N, S] as they count; worst_case >= 0; roll_shock; risk_matrix: both;
    maintenance, initial: the requirements."""

    future_pnl: Floats
    option_pnl: Floats
    worst_case: float
    roll_shock: float
    risk_matrix: float
    maintenance: float
    initial: float


def portfolio_margin(portfolio: DeribitPortfolio, parameters: DeribitParameters) -> DeribitMargin:
    """Requirements of one account in coins.

    Raises BookError where the net delta exceeds `delta_shock_free`: the venue names the threshold and the cap (10 %) of
    its delta shock, not how it rises between them. PricingError for options that Black-76 cannot price.
    """
    p, book, o, table = parameters, portfolio, portfolio.options, parameters.scenarios
    bounded = np.clip(table.spot, -p.price_range, p.price_range)
    future_pnl = np.multiply.outer(book.future_size, bounded / (1.0 + bounded))

    vols = shocked_vol(o.vol, o.seconds, p.vol)
    before = current_values(o) / o.forward
    after = shocked_values(o, table, vols) / np.multiply.outer(o.forward, 1.0 + table.spot)
    option_pnl = o.size[:, None] * (after - before[:, None]) * table.weight
    total = future_pnl.sum(axis=0) + option_pnl.sum(axis=0)
    worst = max(0.0, -float(total.min()))

    # In coins the delta of an option is that of V / F times F: its forward delta less its premium.
    delta = o.size * (black76.greeks(o.forward, o.strike, o.tau, o.vol, o.rate, o.is_call).delta - before)
    seconds, row = np.unique(np.append(book.future_seconds, o.seconds), return_inverse=True)
    by_expiry = np.bincount(row, np.append(book.future_size, delta), len(seconds))
    roll = float((np.abs(by_expiry) * np.maximum(p.roll_min, p.roll_annual * seconds / SECONDS_PER_YEAR)).sum())
    exposure = abs(float(by_expiry.sum())) * book.index
    if exposure > p.delta_shock_free:
        raise BookError(f"net delta: expected at most {p.delta_shock_free} USD, where no delta shock applies, got {exposure}")

    matrix = worst + roll
    return DeribitMargin(
        future_pnl=future_pnl,
        option_pnl=option_pnl,
        worst_case=worst,
        roll_shock=roll,
        risk_matrix=matrix,
        maintenance=p.maintenance_factor * matrix,
        initial=matrix + book.mmp + book.open_orders,
    )
