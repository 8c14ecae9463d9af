"""What instruments bring to charges and to standard margin, per contract: one short row each, once per tick."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from keeper.kernels.access import load, store, take
from keeper.kernels.compilation import ParallelKernel, forced_inline, kernel
from keeper.kernels.pricing import BLOCK, price_eight, price_row
from keeper.kernels.vectors import absolute, blend_first, larger, positive, splat, total, transposed
from keeper.model import Parameters

__all__ = ["CHARGED", "NETTED", "SIDE", "STANDARD", "charge_terms", "fill_eight", "fill_tick", "price_charged"]

CHARGED = 2
"""First of the six lanes of a row's last vector that hold sums, not scenarios: netted per expiry and charged in absolute
value: rate charge, roll charge; summed: value, delta x spot, vega, minus half of near gamma x step^2."""

NETTED = 0b1100
"""Bits of the lanes that are netted per expiry."""

SIDE = 4
"""Standard margin of one contract: initial, maintenance (both without paid-up options), mark of a long option, value."""

STANDARD = 2 * SIDE
"""Lanes of an instrument's standard margin: of one contract bought, then of one sold."""


@kernel
def fill_tick(
    time: int, spot: Any, confidence: Any, spot_scale: Any, token_price: Any, held: Any, expiry: Any, slots: Any, slot_underlying: Any,
    charges: Any, own_spot: Any, mark: Any, step: Any, doubt: Any, dearest: Any, steep: Any, seconds: Any, convexity: Any,
    own_token_price: Any,
) -> int:  # fmt: skip
    """What `TickArrays` describes, from the slots of the tick; steep [U] is cleared. charges: rate_charge, roll_min, roll_slope,
    gamma_tenor, gamma_step, confidence_threshold. Returns the first token that is held [K] and has no price, else -1."""
    underlyings, missing = len(spot), -1
    for u in range(underlyings):
        own_spot[u], mark[u], step[u] = spot[u], slots[16 * u], spot[u] * charges[4] * spot_scale[u]
        doubt[u] = 1.0 - confidence[u] if confidence[u] < charges[5] else 0.0
        dearest[u], steep[u] = 0.0, 0
    for e in range(len(expiry)):
        u = slot_underlying[e]
        seconds[e] = max(expiry[e] - time, 0) if e >= underlyings else 0
        convexity[e] = 0.5 * step[u] * step[u] if seconds[e] <= charges[3] else 0.0
        dearest[u] = max(dearest[u], slots[16 * e])
    for k in range(len(token_price)):
        priced = np.isfinite(token_price[k])
        own_token_price[k] = token_price[k] if priced else 0.0
        if missing < 0 and held[k] and not priced:
            missing = k
    return missing


@forced_inline
def _put_rows(table: Any, at: int, stride: int, kept: int, rows: Any) -> None:
    """Eight rows of eight; their first `kept` places stay as they are."""
    r0, r1, r2, r3, r4, r5, r6, r7 = rows
    _put_row(table, at, kept, r0)
    _put_row(table, at + stride, kept, r1)
    _put_row(table, at + 2 * stride, kept, r2)
    _put_row(table, at + 3 * stride, kept, r3)
    _put_row(table, at + 4 * stride, kept, r4)
    _put_row(table, at + 5 * stride, kept, r5)
    _put_row(table, at + 6 * stride, kept, r6)
    _put_row(table, at + 7 * stride, kept, r7)


@forced_inline
def _put_row(table: Any, at: int, kept: int, row: Any) -> None:
    store(table, at, blend_first(kept, load(table, at), row))


@forced_inline
def fill_eight(
    start: int, slot: Any, strike: Any, sign: Any, slot_underlying: Any, step: Any, convexity: Any, charges: Any, rates: Any, work: Any,
    outputs: Any, width: int, sums: Any, stride: int, near: Any, steep: Any, standard: Any, scratch: Any,
) -> None:  # fmt: skip
    """Of eight instruments, after price_eight: sums [i, 2 .. 7], rows of `stride`; near [i]; steep [U]: 1 where the gamma charge
    of one contract could exceed its cap; standard [i, 8]. charges and convexity as in fill_tick; rates: short_option_initial, its
    minimum, short_option_maintenance, short_initial_over_maintenance, tier_1_initial, tier_1_maintenance. scratch [16]."""
    zero = splat(0.0)
    for k in range(8):
        i = start + k
        e = slot[i]
        scratch[k], scratch[8 + k] = convexity[e] if sign[i] != 0.0 else 0.0, step[slot_underlying[e]]
        near[i] = 1 if scratch[k] > 0.0 else 0
    value, rho, vega = load(outputs, start), load(outputs, 5 * width + start), load(outputs, 3 * width + start)
    spot, tau = load(work, 5 * width + start), load(work, width + start)
    exposure = load(outputs, width + start) * spot
    gap = load(outputs, 2 * width + start) * load(scratch, 0)
    excess = gap - load(scratch, 8)
    if total(positive(excess, splat(1.0), zero)) > 0.0:
        store(scratch, 0, excess)
        for k in range(8):
            if scratch[k] > 0.0:
                steep[slot_underlying[slot[start + k]]] = 1
    roll = exposure * larger(splat(charges[1]), splat(charges[2]) * tau)
    sums_rows = transposed((zero, zero, splat(charges[0]) * rho, roll, value, exposure, vega, zero - gap))
    _put_rows(sums, start * stride, stride, CHARGED, sums_rows)
    side, K = load(sign, start), load(strike, start)
    option = absolute(side)
    away = larger(side * (K - spot), zero)
    maintenance = splat(rates[2]) * positive(side, spot, larger(spot, value)) + value
    initial = larger(larger(splat(rates[0]) * spot - away, splat(rates[1]) * spot) + value, splat(rates[3]) * maintenance)
    first, least = splat(rates[4]) * value, splat(rates[5]) * value
    standard_rows = transposed((
        positive(option, zero, first), positive(option, zero, least), positive(option, value, zero), value,
        positive(option, initial, first), positive(option, maintenance, least), zero, zero - value,
    ))  # fmt: skip
    _put_rows(standard, start * STANDARD, STANDARD, 0, standard_rows)


@ParallelKernel
def price_charged(
    slot: Any, strike: Any, sign: Any, slots: Any, slot_underlying: Any, scenarios: Any, underlyings: int, limits: Any, work: Any,
    outputs: Any, grid: Any, width: int, step: Any, convexity: Any, charges: Any, rates: Any, sums: Any, stride: int, near: Any,
    steep: Any, standard: Any, counter: Any, threads: int,
) -> None:  # fmt: skip
    """price_slots, and fill_eight while the rows are in the nearest cache."""
    for _thread in numba.prange(threads):
        scratch = np.empty(16)
        while True:
            block = take(counter) * BLOCK
            if block >= width:
                break
            for start in range(block, min(block + BLOCK, width), 8):
                price_eight(start, slot, strike, sign, slots, limits, work, outputs, width)
                for i in range(start, start + 8):
                    price_row(i, slot, strike, sign, slot_underlying, scenarios, underlyings, work, grid, width)
                fill_eight(
                    start, slot, strike, sign, slot_underlying, step, convexity, charges, rates, work, outputs, width, sums, stride, near,
                    steep, standard, scratch,
                )  # fmt: skip


def charge_terms(parameters: Parameters) -> NDArray[np.float64]:
    """[4, 8] fold, free, slope, cap per lane: a sum b is charged x min(slope x, cap), x = max(0, max(b, fold b) - free).

    A rate without free amount and without slope is one whose slope is out of reach."""
    p, at_once = parameters, 1e300
    terms = np.zeros((4, 8))
    terms[:, CHARGED : CHARGED + 2] = np.array([[-1.0], [0.0], [at_once], [1.0]])
    terms[:, CHARGED + 3] = -1.0, p.delta_free, p.delta_slope, p.delta_cap
    terms[:, CHARGED + 4] = -1.0, p.vega_free, at_once, p.vega_rate
    terms[:, CHARGED + 5] = 0.0, 0.0, at_once, 1.0
    return terms.reshape(-1)
