"""Scenarios: the vol rule by tenor, and the grid of P&L per instrument and scenario, priced once per tick.

The grid is what the reduction over accounts reads: row i, column s holds w_s (V_i(s) - V_i(0)) per contract. Rows are
padded with zeros to whole cache lines and start on 64-byte boundaries, so that a row of 35 scenarios is five lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.errors import ParameterError, PricingError
from keeper.model import Kind, Market, Parameters, VolDirection
from keeper.pricing import black76
from keeper.pricing.table import InstrumentTable, Quotes, read_quotes

__all__ = ["PricedTable", "Shocks", "aligned_zeros", "price_table", "scenario_shocks", "shocked_vol", "tenor_scale"]

Floats = NDArray[np.float64]
_LINE = 64  # bytes of a cache line


@dataclass(frozen=True, slots=True)
class Shocks:
    """The scenario table for U underlyings: spot [U, S] relative, core shocks scaled; vol [S] (VolDirection); weight [S]."""

    spot: Floats
    vol: NDArray[np.int64]
    weight: Floats


@dataclass(frozen=True, slots=True)
class PricedTable:
    """One tick, priced. Per instrument [I], USD per contract, Greeks against the spot S of the underlying with forwards
    moving in proportion:

    value; delta: dV/dS; gamma: d2V/dS2; vega: per 1.00 of vol; theta: per calendar day; rho: per 1.00 of rate at fixed
    forward; vanna: d2V/dS dv; volga: d2V/dv2; vol_move [I, 3]: shocked minus current vol by VolDirection;
    grid [I, C]: weighted scenario P&L, C >= S columns, zero from S on, C-contiguous and 64-byte aligned.
    """

    table: InstrumentTable
    quotes: Quotes
    shocks: Shocks
    value: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats
    vanna: Floats
    volga: Floats
    vol_move: Floats
    grid: Floats

    @property
    def scenarios(self) -> int:
        """S"""
        return len(self.shocks.weight)


def tenor_scale(seconds: ArrayLike, parameters: Parameters) -> Floats:
    """h(T) = (30 d / max(T, 1 d))^p, p = 0.30 up to 30 d, else 0.13 (margin.md section 2). seconds >= 0, any shape."""
    t = np.maximum(np.asarray(seconds, dtype=np.float64), parameters.vol_tenor_floor)
    power = np.where(t <= parameters.vol_tenor_pivot, parameters.vol_power_short, parameters.vol_power_long)
    return np.asarray((parameters.vol_tenor_pivot / t) ** power)


def shocked_vol(vol: ArrayLike, seconds: ArrayLike, parameters: Parameters) -> Floats:
    """vol [...] and seconds to expiry [...] -> [..., 3], the vol by VolDirection: unchanged, up (at least the up floor and
    never below itself), down (at least the down floor). Margin.md section 2."""
    v = np.asarray(vol, dtype=np.float64)
    scale = tenor_scale(seconds, parameters)
    up = np.maximum(v * (1.0 + parameters.vol_range_up * scale), np.maximum(v, parameters.vol_floor_up))
    down = np.maximum(v * (1.0 - parameters.vol_range_down * scale), parameters.vol_floor_down)
    by_direction = {VolDirection.NONE: v, VolDirection.UP: up, VolDirection.DOWN: down}
    return np.stack([by_direction[direction] for direction in VolDirection], axis=-1)


def scenario_shocks(spot_scale: ArrayLike, parameters: Parameters) -> Shocks:
    """The table for underlyings of these scales [U]. Raises ParameterError where a scaled shock is not above -1."""
    table = parameters.scenarios
    spot = np.array([s.spot_shock for s in table])
    core = np.array([s.core for s in table])
    scaled = np.where(core, np.multiply.outer(np.asarray(spot_scale, dtype=np.float64), spot), spot)
    if scaled.size and scaled.min() <= -1.0:
        raise ParameterError(f"expected every spot shock x spot_scale > -1, got {scaled.min()}")
    return Shocks(scaled, np.array([s.vol for s in table], dtype=np.int64), np.array([s.weight for s in table]))


def price_table(table: InstrumentTable, market: Market, parameters: Parameters) -> PricedTable:
    """Values, Greeks and the scenario grid of every instrument: margin.md sections 1 and 2.

    An instrument at or after its expiry is worth its settlement (options: intrinsic value) in every scenario: its P&L
    and its Greeks are zero. Raises MarketError for what the market lacks, ParameterError for a shock of -100 % or worse,
    PricingError where a result is not finite.
    """
    quotes = read_quotes(table, market, parameters)
    shocks = scenario_shocks(quotes.spot_scale, parameters)
    u = quotes.underlying_row
    count = len(table)
    value, delta = quotes.forward.copy(), np.where(quotes.live, quotes.forward / quotes.spot[u], 0.0)
    gamma, vega, theta, rho, vanna, volga = np.zeros((6, count))
    vol_move = np.zeros((count, len(VolDirection)))
    grid = aligned_zeros(count, len(parameters.scenarios))
    pnl = grid[:, : len(parameters.scenarios)]

    linear = np.flatnonzero(~table.is_option & quotes.live)
    pnl[linear] = quotes.forward[linear, None] * shocks.spot[u[linear]]

    rows = np.flatnonzero(table.is_option)
    call = table.kind[rows] == Kind.CALL
    live = quotes.live[rows]
    F, K, T, v = quotes.forward[rows], table.strike[rows], quotes.tau[rows], quotes.vol[rows]
    at = black76.greeks(F, K, T, v, quotes.rate[rows], call)
    per_spot = F / quotes.spot[u[rows]]
    value[rows] = at.price
    delta[rows] = np.where(live, at.delta * per_spot, 0.0)
    gamma[rows] = at.gamma * per_spot * per_spot
    vega[rows], theta[rows], rho[rows] = at.vega, np.where(live, at.theta, 0.0), at.rho
    vanna[rows], volga[rows] = at.vanna * per_spot, at.volga

    alive = np.flatnonzero(live)
    if alive.size:
        shocked = shocked_vol(v[alive], quotes.seconds[rows[alive]], parameters)
        vol_move[rows[alive]] = shocked - v[alive, None]
        stdev = shocked[:, shocks.vol] * np.sqrt(T[alive, None])
        pnl[rows[alive]] = _option_pnl(
            F[alive], K[alive], np.exp(-quotes.rate[rows[alive]] * T[alive]), call[alive],
            v[alive] * np.sqrt(T[alive]), stdev, shocks.spot[u[rows[alive]]],
        )  # fmt: skip
    pnl *= shocks.weight
    if not (np.isfinite(grid).all() and np.isfinite(value).all()):
        bad = table.instruments[int(np.argmin(np.isfinite(grid).all(axis=1) & np.isfinite(value)))]
        raise PricingError(f"expected finite values in all scenarios, got others for {bad}")
    return PricedTable(table, quotes, shocks, value, delta, gamma, vega, theta, rho, vanna, volga, vol_move, grid)


def aligned_zeros(rows: int, columns: int) -> Floats:
    """Zeros [rows, C]: C = columns rounded up to whole cache lines of 8 doubles, the first row on a 64-byte boundary."""
    width = -(-columns * 8 // _LINE) * _LINE // 8
    buffer = np.zeros(rows * width + _LINE // 8)
    offset = (-buffer.ctypes.data % _LINE) // 8
    return buffer[offset : offset + rows * width].reshape(rows, width)


def _option_pnl(
    F: Floats, K: Floats, discount: Floats, call: NDArray[np.bool_], stdev: Floats, shocked_stdev: Floats, shock: Floats
) -> Floats:
    """Unweighted P&L [O, S] of O options: F, K, discount, call, stdev [O]; shocked_stdev, shock [O, S].

    ln(F (1 + x) / K) = ln(F / K) + ln(1 + x): one logarithm per option and one per shock.
    """
    moneyness = black76.log_moneyness(F, K)[:, None]
    sign = np.where(call, 1.0, -1.0)[:, None]
    strike = K[:, None]

    def undiscounted(forward: Floats, x: Floats, s: Floats) -> Floats:
        otm = np.minimum(forward, strike) * black76.out_of_the_money(x, s)
        return np.asarray(np.maximum(sign * (forward - strike), 0.0) + otm)

    before = undiscounted(F[:, None], moneyness, stdev[:, None])
    after = undiscounted(F[:, None] * (1.0 + shock), moneyness + np.log1p(shock), shocked_stdev)
    return np.asarray(discount[:, None] * (after - before))
