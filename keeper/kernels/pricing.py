"""Black-76 in vectors: eight outputs per option, and the scenario grid of a whole instrument table, once per tick."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.kernels.access import load, store, take
from keeper.kernels.compilation import ParallelKernel, forced_inline, kernel
from keeper.kernels.memory import line_aligned
from keeper.kernels.normal import exponential, log_ratio, mills, normal_density, out_of_the_money
from keeper.kernels.vectors import absolute, fma, larger, positive, smaller, splat, square_root
from keeper.model import SECONDS_PER_YEAR
from keeper.pricing.black76 import DAYS_PER_YEAR, OptionGreeks

__all__ = ["BLOCK", "COLUMNS", "OUTPUTS", "fill_slots", "greeks", "price_eight", "price_row", "price_slots", "slope_row"]

Floats = NDArray[np.float64]

COLUMNS = 40
BLOCK = 32
"""Instruments that a thread takes at once."""

OUTPUTS = 8
"""value, delta, gamma, vega, theta, rho, vanna, volga"""

_PER_DAY = 1.0 / DAYS_PER_YEAR
_LEAST_STDEV = 1e-150  # its inverse squared is still finite; every option of less is worth its intrinsic value
_MOST_D = 1e100  # d1 of an option without time or vol, so that d1 d2 stays finite


@forced_inline
def _option(F: Any, K: Any, tau: Any, root: Any, vol: Any, discount: Any, rate: Any, sign: Any) -> Any:
    """Value and seven Greeks against the forward of eight options; sign: +1 calls, -1 puts. As black76.greeks."""
    zero, one, half = splat(0.0), splat(1.0), splat(0.5)
    stdev = vol * root
    s = larger(stdev, splat(_LEAST_STDEV))
    inverse = one / s
    x = log_ratio(F, K)
    d1 = larger(smaller(fma(x, inverse, half * s), splat(_MOST_D)), splat(-_MOST_D))
    d2 = d1 - s
    density = normal_density(d1)
    at_d1, at_d2 = mills(absolute(d1)), mills(absolute(d2))
    tail = density * at_d1
    above = positive(d1, one - tail, tail)  # N(d1)
    below = positive(d1, tail, one - tail)  # N(-d1)
    # Out of the money, F phi(d1) (M(-d) - M(-e)) with {d, e} = {d1, d2} for calls, {-d2, -d1} for puts; where -d < 0,
    # that is d1 and d2 on both sides of 0, M(-d) = 1 / phi - M(d) and K phi(d2) = F phi(d1).
    least = smaller(F, K)
    between = positive(d1, positive(d2, zero, one), zero)
    apart = F * density * absolute(at_d1 - at_d2)
    across = least - F * density * (at_d1 + at_d2)
    otm = positive(between, across, apart)
    intrinsic = larger(sign * (F - K), zero)
    value = discount * (intrinsic + positive(stdev, larger(otm, zero), zero))
    delta = discount * positive(sign, above, zero - below)
    D_phi = positive(stdev, discount * density, zero)
    vega = F * D_phi * root
    safe_vol, safe_root = positive(stdev, vol, one), positive(stdev, root, one)
    gamma = D_phi / (F * positive(stdev, stdev, one))
    decay = half * F * D_phi * vol / safe_root
    theta = (rate * value - decay) * splat(_PER_DAY)
    over_vol = one / safe_vol
    vanna = zero - D_phi * positive(stdev, d2, zero) * over_vol
    volga = vega * positive(stdev, d1 * d2, zero) * over_vol
    return value, delta, gamma, vega, theta, zero - tau * value, vanna, volga


@kernel
def _greeks(inputs: Floats, outputs: Floats, width: int) -> None:
    """inputs [6, width] F, K, tau, vol, rate, sign -> outputs [8, width]; width a multiple of 8."""
    for i in range(0, width, 8):
        F, K, tau, vol = load(inputs, i), load(inputs, width + i), load(inputs, 2 * width + i), load(inputs, 3 * width + i)
        rate, sign = load(inputs, 4 * width + i), load(inputs, 5 * width + i)
        root, discount = square_root(tau), exponential(splat(0.0) - rate * tau)
        value, delta, gamma, vega, theta, rho, vanna, volga = _option(F, K, tau, root, vol, discount, rate, sign)
        store(outputs, i, value)
        store(outputs, width + i, delta)
        store(outputs, 2 * width + i, gamma)
        store(outputs, 3 * width + i, vega)
        store(outputs, 4 * width + i, theta)
        store(outputs, 5 * width + i, rho)
        store(outputs, 6 * width + i, vanna)
        store(outputs, 7 * width + i, volga)


def greeks(forward: ArrayLike, strike: ArrayLike, tau: ArrayLike, vol: ArrayLike, rate: ArrayLike, is_call: ArrayLike) -> OptionGreeks:
    """As keeper.pricing.black76.greeks for vectors [N], finite and inside its domains (forward > 0): not checked here."""
    count = np.size(strike)
    inputs = line_aligned(6, -(-count // 8) * 8)
    inputs[:4] = 1.0
    for row, values in enumerate((forward, strike, tau, vol, rate, np.where(is_call, 1.0, -1.0))):
        inputs[row, :count] = values
    outputs = line_aligned(OUTPUTS, inputs.shape[1])
    _greeks(inputs.reshape(-1), outputs.reshape(-1), inputs.shape[1])
    return OptionGreeks(*outputs[:, :count])


@kernel
def fill_slots(
    time: int, spot: Any, mark: Any, forward: Any, rate: Any, svi: Any, slot_underlying: Any, expiry: Any, rules: Any, slots: Any
) -> None:
    """slots [U + E, 16] as MarketPlan.slots describes them. rules: max_basis, vol tenor floor and pivot in seconds, powers
    up to the pivot and above, vol ranges up and down."""
    underlyings = len(spot)
    for e in range(len(expiry)):
        at, u, dated = e * 16, slot_underlying[e], e - underlyings
        seconds = max(expiry[e] - time, 0) if dated >= 0 else 0
        tau = seconds / SECONDS_PER_YEAR
        slots[at + 1], slots[at + 2], slots[at + 5] = tau, np.sqrt(tau), spot[u]
        if dated < 0:
            slots[at] = min(max(mark[u], spot[u] * (1.0 - rules[0])), spot[u] * (1.0 + rules[0]))
            slots[at + 3], slots[at + 4], slots[at + 8] = 1.0, 0.0, 1.0
            slots[at + 9 : at + 16] = 1.0
        else:
            slots[at], slots[at + 4] = forward[dated], rate[dated]
            slots[at + 3] = np.exp(-rate[dated] * tau)
            slots[at + 8] = 1.0 if seconds > 0 else 0.0
            for column in range(7):
                slots[at + 9 + column] = svi[dated, column] if np.isfinite(svi[dated, column]) else 1.0
        tenor = max(float(seconds), rules[1])
        scale = (rules[2] / tenor) ** (rules[3] if tenor <= rules[2] else rules[4])
        slots[at + 6], slots[at + 7] = 1.0 + rules[5] * scale, 1.0 - rules[6] * scale


@ParallelKernel
def price_slots(
    slot: Any, strike: Any, sign: Any, slots: Any, slot_underlying: Any, scenarios: Any, underlyings: int,
    limits: Any, work: Any, outputs: Any, grid: Any, width: int, counter: Any, threads: int,
) -> None:  # fmt: skip
    """Greeks against the spot and the weighted P&L of every instrument of a table.

    Per instrument, padded to `width`, a multiple of 8: slot, strike, sign (+1, -1, 0: no option). slots [U + E, 16] and
    scenarios [3 U + 3, 40] as MarketPlan makes them; limits: vol floors up and down, clamp of the slice. work
    [16, width] scratch; outputs [8, width]; grid [width, 40]. All are flat. counter [1]: zero; the threads take
    blocks of 32 instruments from it.
    """
    for _thread in numba.prange(threads):
        while True:
            block = take(counter) * BLOCK
            if block >= width:
                break
            for start in range(block, min(block + BLOCK, width), 8):
                price_eight(start, slot, strike, sign, slots, limits, work, outputs, width)
            for i in range(block, min(block + BLOCK, width)):
                price_row(i, slot, strike, sign, slot_underlying, scenarios, underlyings, work, grid, width)


@forced_inline
def price_eight(start: int, slot: Any, strike: Any, sign: Any, slots: Any, limits: Any, work: Any, outputs: Any, width: int) -> None:
    for i in range(start, start + 8):
        at = slot[i] * 16
        for column in range(16):
            work[column * width + i] = slots[at + column]
    F, tau, root, discount, rate = (
        load(work, start), load(work, width + start), load(work, 2 * width + start), load(work, 3 * width + start),
        load(work, 4 * width + start),
    )  # fmt: skip
    spot, up_factor, down_factor, live = (
        load(work, 5 * width + start), load(work, 6 * width + start), load(work, 7 * width + start), load(work, 8 * width + start),
    )  # fmt: skip
    a, b, rho = load(work, 9 * width + start), load(work, 10 * width + start), load(work, 11 * width + start)
    m, sigma = load(work, 12 * width + start), load(work, 13 * width + start)
    reference, reference_tau = load(work, 14 * width + start), load(work, 15 * width + start)
    K, side = load(strike, start), load(sign, start)
    zero = splat(0.0)
    option = absolute(side)

    clamp = splat(limits[2]) * square_root(fma(b, sigma, a))
    k = larger(smaller(log_ratio(K, reference), clamp), zero - clamp)
    away = k - m
    variance = fma(b, fma(rho, away, square_root(fma(away, away, sigma * sigma))), a)
    vol = positive(option * live, square_root(larger(variance, zero) / reference_tau), zero)
    up = larger(vol * up_factor, larger(vol, splat(limits[0])))
    down = larger(vol * down_factor, splat(limits[1]))

    value, delta, gamma, vega, theta, rho_, vanna, volga = _option(F, K, tau, root, vol, discount, rate, side)
    per_spot = F / spot
    store(outputs, start, positive(option, value, F))
    store(outputs, width + start, positive(live, positive(option, delta, splat(1.0)) * per_spot, zero))
    store(outputs, 2 * width + start, positive(option, gamma * per_spot * per_spot, zero))
    store(outputs, 3 * width + start, positive(option, vega, zero))
    store(outputs, 4 * width + start, positive(option * live, theta, zero))
    store(outputs, 5 * width + start, positive(option, rho_, zero))
    store(outputs, 6 * width + start, positive(option, vanna * per_spot, zero))
    store(outputs, 7 * width + start, positive(option, volga, zero))

    least = splat(_LEAST_STDEV)
    x, before, risen, fallen = log_ratio(F, K), larger(vol * root, least), larger(up * root, least), larger(down * root, least)
    one = splat(1.0)
    base = larger(side * (F - K), zero) + smaller(F, K) * out_of_the_money(x, before, one / before)
    for column, number in enumerate((x, before, risen, fallen)):
        store(work, (9 + column) * width + start, number)
    store(work, 13 * width + start, base)


@forced_inline
def _linear_row(F: float, live: bool, scenarios: Any, at: int, row: Any, to: int) -> None:
    """row[to : to + 40]: weighted P&L of what follows the forward F, which is its slope by the logarithm of the spot too; zeros
    where it no longer moves."""
    for v in range(0, COLUMNS, 8):
        moved = splat(F) * load(scenarios, at + v) * load(scenarios, at + 2 * COLUMNS + v)
        store(row, to + v, moved if live else splat(0.0))


@forced_inline
def price_row(
    i: int, slot: Any, strike: Any, sign: Any, slot_underlying: Any, scenarios: Any, underlyings: int,
    work: Any, grid: Any, width: int,
) -> None:  # fmt: skip
    at = slot_underlying[slot[i]] * 3 * COLUMNS
    masks = underlyings * 3 * COLUMNS
    F, live = work[i], work[8 * width + i] != 0.0
    if not live or sign[i] == 0.0:
        _linear_row(F, live, scenarios, at, grid, i * COLUMNS)
    else:
        forward, K, side, discount = splat(F), splat(strike[i]), splat(sign[i]), splat(work[3 * width + i])
        x, base = splat(work[9 * width + i]), splat(work[13 * width + i])
        s0, s1, s2 = work[10 * width + i], work[11 * width + i], work[12 * width + i]
        r0, r1, r2 = splat(1.0 / s0), splat(1.0 / s1), splat(1.0 / s2)
        w0, w1, w2 = splat(s0), splat(s1), splat(s2)
        zero = splat(0.0)
        for v in range(0, COLUMNS, 8):
            none, rise, fall = load(scenarios, masks + v), load(scenarios, masks + COLUMNS + v), load(scenarios, masks + 2 * COLUMNS + v)
            stdev = fma(none, w0, fma(rise, w1, fall * w2))
            inverse = fma(none, r0, fma(rise, r1, fall * r2))
            shocked = forward * (splat(1.0) + load(scenarios, at + v))
            otm = out_of_the_money(x + load(scenarios, at + COLUMNS + v), stdev, inverse)
            after = larger(side * (shocked - K), zero) + smaller(shocked, K) * otm
            store(grid, i * COLUMNS + v, load(scenarios, at + 2 * COLUMNS + v) * discount * (after - base))


@forced_inline
def slope_row(
    i: int, slot: Any, sign: Any, slot_underlying: Any, scenarios: Any, underlyings: int, work: Any, outputs: Any,
    slopes: Any, width: int,
) -> None:  # fmt: skip
    """slopes [i, 40]: derivative of the grid's row by the logarithm of the spot, after price_eight of its block."""
    at = slot_underlying[slot[i]] * 3 * COLUMNS
    masks = underlyings * 3 * COLUMNS
    F, live = work[i], work[8 * width + i] != 0.0
    if not live or sign[i] == 0.0:
        _linear_row(F, live, scenarios, at, slopes, i * COLUMNS)
    else:
        x, discounted, side = splat(work[9 * width + i]), splat(work[3 * width + i] * F), splat(sign[i])
        now = splat(outputs[width + i] * work[5 * width + i])
        s0, s1, s2 = work[10 * width + i], work[11 * width + i], work[12 * width + i]
        one, zero = splat(1.0), splat(0.0)
        for v in range(0, COLUMNS, 8):
            none, rise, fall = load(scenarios, masks + v), load(scenarios, masks + COLUMNS + v), load(scenarios, masks + 2 * COLUMNS + v)
            stdev = fma(none, splat(s0), fma(rise, splat(s1), fall * splat(s2)))
            d1 = (x + load(scenarios, at + COLUMNS + v)) / stdev + splat(0.5) * stdev
            tail = normal_density(d1) * mills(absolute(d1))
            reached = positive(d1, one - tail, tail)
            delta = positive(side, reached, reached - one)
            after = discounted * (one + load(scenarios, at + v)) * delta
            store(slopes, i * COLUMNS + v, load(scenarios, at + 2 * COLUMNS + v) * (after - now) + zero)
