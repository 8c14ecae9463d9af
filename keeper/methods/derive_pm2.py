"""Derive's portfolio margin PM2: linear P&L in USD, relative vol shocks, discounting per expiry, skew scenarios.

Read from its published cases (68 of them are in the tests): a scenario values each expiry, discounts the value by its sign,
subtracts the undiscounted mark and dampens; the worst of all scenarios and of the basis contingency, times a factor, plus
static contingencies, is what the account must be worth more than. Figures are balances as the venue prints them: losses
and contingencies are negative, an account is to be liquidated below a maintenance balance of zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from keeper.errors import BookError, ParameterError
from keeper.methods import presets
from keeper.methods.grid import OptionPositions, ScenarioTable, current_values, shocked_values
from keeper.model import SECONDS_PER_DAY, SECONDS_PER_YEAR, Parameters, VolDirection
from keeper.pricing import black76, shocked_vol

__all__ = ["METHOD", "Pm2Collateral", "Pm2Margin", "Pm2Parameters", "Pm2Portfolio", "Skew", "portfolio_margin"]

METHOD = "derive-pm2"
Floats = NDArray[np.float64]

_AVERAGING_WINDOW = 1800.0
"""Seconds before expiry over which the settlement price is averaged: what has been averaged no longer moves."""


@dataclass(frozen=True, slots=True)
class Skew:
    """One skew scenario: vols times 1 + clip(cap k / k*, -cap, cap), k = ln(K / F) or its absolute value; spot unchanged.
    cap = cap_slope sqrt(T) + scale_cap. weight: of its loss."""

    absolute: bool
    scale_cap: float
    cap_slope: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Pm2Parameters:
    """Everything that PM2 sets. Ratios are of 1; vol: the vol rule, as the engine's own parameters; tenor_floor: seconds.

    min_k_star, min_width_scale, vol_static, vol_slope: k* = max(min_k_star, min_width_scale sqrt(T) (vol_static +
    vol_slope sqrt(T))); long_*, short_*: discounts of positive and negative values of an expiry; basis_*: the basis
    contingency; the rest: factors and contingencies of the initial and the maintenance balance, initial on top.
    """

    vol: Parameters
    tenor_floor: float
    scenarios: ScenarioTable
    skews: tuple[Skew, ...]
    min_k_star: float
    min_width_scale: float
    vol_static: float
    vol_slope: float
    maintenance_factor: float
    initial_factor: float
    long_discount: float
    long_rate_multiple: float
    long_rate_add: float
    short_discount: float
    short_rate_multiple: float
    short_rate_add: float
    basis_spot_up: float
    basis_spot_down: float
    basis_add_factor: float
    basis_mult_factor: float
    peg_threshold: float
    peg_factor: float
    confidence_threshold: float
    confidence_scale: float
    perp_maintenance: float
    perp_initial: float
    option_maintenance: float
    option_initial: float

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> Self:
        """From a preset's JSON table (its shape: keeper/methods/presets). Raises ParameterError for missing entries."""
        try:
            vol, skew = table["vol"], table["skew"]
            floor = float(vol["tenor_floor_days"]) * SECONDS_PER_DAY
            rule = Parameters(
                vol_range_up=vol["range_up"],
                vol_range_down=vol["range_down"],
                vol_power_short=vol["power_short"],
                vol_power_long=vol["power_long"],
                vol_tenor_floor=min(floor, Parameters().vol_tenor_pivot),
                vol_floor_up=vol["floor_up"],
                vol_floor_down=0.0,
                name=METHOD,
            )
            basis = {f"basis_{name}": value for name, value in table["basis"].items()}
            scalars = {"min_k_star", "min_width_scale", "vol_static", "vol_slope"}
            return cls(
                vol=rule,
                tenor_floor=floor,
                scenarios=ScenarioTable.of([(x, VolDirection[v], w, False) for x, v, w in table["scenarios"]]),
                skews=tuple(
                    Skew(name == "ABS", skew["scale_cap"][name], skew["cap_slope"][name], weight)
                    for name, weight in skew["weights"].items()
                ),
                **{name: skew[name] for name in scalars},
                **table["margin"],
                **basis,
                **table["contingency"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ParameterError(f"{METHOD}: expected a table of the preset's shape, got an error at {error}") from error

    @classmethod
    def preset(cls, name: str = "derive-pm2-2025-02-19") -> Self:
        """A dated snapshot of the venue's own numbers."""
        return cls.from_table(presets.load(name, METHOD))


@dataclass(frozen=True, slots=True)
class Pm2Collateral:
    """quantity: tokens; price: USD; cancels_risk: it is the underlying, so that it moves with the scenarios; haircuts of 1,
    the initial one on top of the maintenance one; confidence: 0..1; confidence_threshold: below it the oracle contingency
    applies."""

    name: str
    quantity: float
    price: float
    haircut_maintenance: float
    haircut_initial: float
    cancels_risk: bool = False
    confidence: float = 1.0
    confidence_threshold: float = 0.55


@dataclass(frozen=True, slots=True)
class Pm2Portfolio:
    """One account on one underlying, USD. perps: signed contracts; unrealised_perp: P&L and funding not yet settled;
    stable_price: USD per unit of the settlement token; option_confidence [N]: the least of forward, rate and vol of each
    option's expiry; confidences 0..1."""

    cash: float
    spot: float
    options: OptionPositions = field(default_factory=OptionPositions.of)
    option_confidence: Floats = field(default_factory=lambda: np.zeros(0))
    perps: float = 0.0
    perp_price: float = 0.0
    unrealised_perp: float = 0.0
    collateral: tuple[Pm2Collateral, ...] = ()
    stable_price: float = 1.0
    spot_confidence: float = 1.0
    perp_confidence: float = 1.0

    def __post_init__(self) -> None:
        if self.option_confidence.shape != self.options.size.shape:
            raise BookError(f"option_confidence: expected shape {self.options.size.shape}, got {self.option_confidence.shape}")
        for name in ("spot", "stable_price"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0.0):
                raise BookError(f"{name}: expected a finite price > 0, got {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True)
class Pm2Margin:
    """USD. scenario_pnl [S + skews]: dampened P&L per scenario, then the skews; basis: contingency; worst: the least of
    them, which counts; perp, option, collateral contingencies as (maintenance, initial on top); oracle: initial only;
    mark_to_market: options, perps and collateral; maintenance, initial: the balances that are to stay above zero."""

    scenario_pnl: Floats
    basis: float
    worst: float
    perp: tuple[float, float]
    option: tuple[float, float]
    collateral: tuple[float, float]
    oracle: float
    mark_to_market: float
    maintenance: float
    initial: float


def portfolio_margin(portfolio: Pm2Portfolio, parameters: Pm2Parameters) -> Pm2Margin:
    """Initial and maintenance balance of one account. Raises PricingError for options that Black-76 cannot price."""
    p, book, o = parameters, portfolio, portfolio.options
    expiries = _Expiries.of(o)
    mark = o.size * current_values(o)
    marks = expiries.sum(mark)
    share = np.minimum(1.0, o.seconds / _AVERAGING_WINDOW)

    shocked = o.size[:, None] * shocked_values(o, p.scenarios, _vols(o, p), share)
    pnl = (_discounted(expiries.sum(shocked), expiries, p) - marks[:, None]).sum(axis=0)
    collateral_value = np.array([c.quantity * c.price for c in book.collateral]) / book.stable_price
    cancelling = float(collateral_value[[c.cancels_risk for c in book.collateral]].sum()) if book.collateral else 0.0
    linear = (book.perps * book.perp_price + cancelling) * p.scenarios.spot
    skews = [-skew.weight * float(np.abs(_skewed(o, expiries, skew, p) - marks).sum()) for skew in p.skews]
    scenario_pnl = np.append(p.scenarios.weight * (pnl + linear), skews)

    up, down = (_moved(o, expiries, factor, share) - marks for factor in (p.basis_spot_up, p.basis_spot_down))
    tenor = p.basis_add_factor + p.basis_mult_factor * expiries.tau
    basis = float((np.minimum(np.minimum(up, down), 0.0) * tenor).sum())
    worst = min(float(scenario_pnl.min()), basis)

    perp_notional = abs(book.perps) * book.spot
    short_notional = _naked_shorts(o) * book.spot
    perp = (-perp_notional * p.perp_maintenance, -perp_notional * p.perp_initial)
    option = (-short_notional * p.option_maintenance, -short_notional * p.option_initial)
    haircuts = np.array([(c.haircut_maintenance, c.haircut_initial) for c in book.collateral]).reshape(-1, 2)
    collateral = tuple((-collateral_value @ haircuts).tolist())
    oracle = _oracle(book, expiries, collateral_value, p)

    mark_to_market = float(marks.sum() + book.unrealised_perp + collateral_value.sum())
    static = perp[0] + option[0] + collateral[0]
    factor = p.initial_factor + max(0.0, p.peg_threshold - book.stable_price) * p.peg_factor
    on_top = perp[1] + option[1] + collateral[1] + oracle
    worth = mark_to_market + book.cash
    return Pm2Margin(
        scenario_pnl=scenario_pnl,
        basis=basis,
        worst=worst,
        perp=perp,
        option=option,
        collateral=(collateral[0], collateral[1]),
        oracle=oracle,
        mark_to_market=mark_to_market,
        maintenance=worst * p.maintenance_factor + static + worth,
        initial=worst * factor + static + on_top + worth,
    )


@dataclass(frozen=True, slots=True)
class _Expiries:
    """E expiries of N options: row [N] of each option; tau, rate [E]."""

    row: NDArray[np.int64]
    tau: Floats
    rate: Floats

    @classmethod
    def of(cls, options: OptionPositions) -> Self:
        seconds, first, row = np.unique(options.seconds, return_index=True, return_inverse=True)
        return cls(row.astype(np.int64), seconds / SECONDS_PER_YEAR, options.rate[first])

    def sum(self, values: Floats) -> Floats:
        """[N, ...] -> [E, ...]"""
        total = np.zeros((len(self.tau), *values.shape[1:]))
        np.add.at(total, self.row, values)
        return total


def _vols(o: OptionPositions, p: Pm2Parameters) -> Floats:
    """[N, 3] by VolDirection. The power follows the tenor itself, not the floored one: it shows where a floor is set above
    the pivot of 30 days."""
    tenor = np.maximum(o.seconds, p.tenor_floor)
    near = shocked_vol(o.vol, tenor, replace(p.vol, vol_power_long=p.vol.vol_power_short))
    return np.asarray(np.where((o.seconds <= p.vol.vol_tenor_pivot)[:, None], near, shocked_vol(o.vol, tenor, p.vol)))


def _discounted(values: Floats, expiries: _Expiries, p: Pm2Parameters) -> Floats:
    """[E] or [E, S] values of expiries after the static discount of their sign: what is owned is worth less, what is owed
    more, but at most its undiscounted value."""
    tau, rate = expiries.tau, expiries.rate
    positive = p.long_discount * np.exp(-tau * (rate * p.long_rate_multiple + p.long_rate_add))
    negative = np.minimum(np.exp(rate * tau), p.short_discount * np.exp(tau * (rate * p.short_rate_multiple + p.short_rate_add)))
    # An expired option is a fixed amount of cash.
    positive, negative = np.where(tau > 0.0, positive, 1.0), np.where(tau > 0.0, negative, 1.0)
    shape = (-1,) + (1,) * (values.ndim - 1)
    return np.asarray(np.where(values > 0.0, values * positive.reshape(shape), values * negative.reshape(shape)))


def _skewed(o: OptionPositions, expiries: _Expiries, skew: Skew, p: Pm2Parameters) -> Floats:
    """[E] discounted values under a skew; a vol that the skew takes below zero is zero."""
    root = np.sqrt(o.tau)
    cap = skew.cap_slope * root + skew.scale_cap
    width = np.maximum(p.min_k_star, p.min_width_scale * root * (p.vol_static + p.vol_slope * root))
    k = np.log(o.strike / o.forward)
    k = np.abs(k) if skew.absolute else k
    # At expiry (and with a k* of zero) nothing is left to skew.
    slope = np.divide(k * cap, width, out=np.zeros_like(k), where=width > 0.0)
    move = np.where(k >= 0.0, np.minimum(cap, slope), np.maximum(-cap, slope))
    vol = np.maximum(0.0, o.vol * (1.0 + move))
    value = o.size * black76.price(o.forward, o.strike, o.tau, vol, o.rate, o.is_call)
    return _discounted(expiries.sum(value), expiries, p)


def _moved(o: OptionPositions, expiries: _Expiries, factor: float, share: Floats) -> Floats:
    """[E] undiscounted values with the forwards at `factor`, vols unchanged."""
    forward = o.forward * (1.0 + share * (factor - 1.0))
    return expiries.sum(o.size * black76.price(forward, o.strike, o.tau, o.vol, o.rate, o.is_call))


def _naked_shorts(o: OptionPositions) -> float:
    """Contracts short less those long, calls and puts together, per expiry and strike, where positive."""
    if not len(o):
        return 0.0
    _, row = np.unique(np.stack([o.seconds, o.strike]), axis=1, return_inverse=True)
    return float(np.maximum(0.0, -np.bincount(row.reshape(-1), o.size)).sum())


def _oracle(book: Pm2Portfolio, expiries: _Expiries, collateral_value: Floats, p: Pm2Parameters) -> float:
    """(1 - confidence) x scale x notional wherever the least confidence concerned is below its threshold; <= 0."""
    loss = 0.0

    def doubt(confidence: float, threshold: float, notional: float) -> float:
        return (1.0 - confidence) * p.confidence_scale * notional if confidence < threshold else 0.0

    account = min(book.spot_confidence, book.perp_confidence) if book.perps else book.spot_confidence
    if book.perps:
        loss += doubt(account, p.confidence_threshold, abs(book.perps) * book.spot)
    contracts = expiries.sum(np.abs(book.options.size))
    for row, quantity in enumerate(contracts.tolist()):
        least = min(account, float(book.option_confidence[expiries.row == row].min()))
        loss += doubt(least, p.confidence_threshold, quantity * book.spot)
    for c, value in zip(book.collateral, collateral_value.tolist(), strict=True):
        loss += doubt(min(c.confidence, book.spot_confidence), c.confidence_threshold, value)
    return -loss
