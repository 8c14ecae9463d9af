"""How far the market may move before an account can cross its maintenance margin: rigorous, per account.

The surplus of an account, margin equity minus maintenance margin, is known exactly at one market. With y the change of the
logarithm of each spot (forwards, marks and the tokens that are the underlying move in proportion) and dt the time passed,

    |surplus(y, dt) - surplus| <= b sum_u |E_u'| + m dW(b) + C b^2 / 2 + L b + H dt + 2 eta L0,   |y_u| <= b            (1)

E_u' is the slope of equity; dW(b) is by how much stress losses, single and joint, can rise to first order: for each of the 35
scenarios the exact P&L less b times its exact slope. The rest are sums of |size| times constants of the instrument that hold
wherever its price goes inside the box: C bounds the curvature of a value in y, D F (phi(d1) / s + N(d1)) <= D F (0.4 / s + 1);
L the slopes of all charges (|rho'| <= T D F; delta' <= 1 + 0.4 / s; gamma' <= (0.4 + 0.242 / s) / s by |x| phi(x) <= 0.242; ..);
H the decay, |dV/ds| <= 0.4 D F times |ds| <= s Q dt / T; eta is what a basis may drift. (1) increases in b, so the largest b
of a ladder with a bound below |surplus| proves that the account stays on its side of the margin inside the box.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from keeper.kernels.access import load, store, take
from keeper.kernels.accounts import ALONE, CLOSES, FIGURES, JOINS
from keeper.kernels.charges import CHARGED
from keeper.kernels.compilation import ParallelKernel, forced_inline, kernel
from keeper.kernels.pricing import COLUMNS
from keeper.kernels.reduction import worst_of
from keeper.kernels.vectors import absolute, fma, splat
from keeper.model import SECONDS_PER_YEAR

__all__ = ["BOUNDS", "DRIFT", "WIDEST", "bound_row", "box_accounts", "fill_bounds"]

BOUNDS = 8
"""Lanes per instrument, per contract: C, L, H per second, L0; for accounts margined position by position: slope and decay
per second of the surplus; slope of delta x spot; slope of vega."""

DRIFT = 1e-5
"""eta: relative change of a basis (forward, mark or token against the spot) that boxes allow for."""

WIDEST = 0.1
"""Largest b."""

_STEP = 1.25
_STEPS = 52  # 0.1 / 1.25^51 = 1.1e-6
_GROWTH = 1.15  # covers exp(WIDEST) of a forward and a day's change of a discount
_PHI, _X_PHI, _X2_PHI = 0.4, 0.243, 0.49  # bounds of phi(x), |x| phi(x), (x^2 + 1) phi(x)


@forced_inline
def bound_row(
    i: int, slot: Any, kind: Any, strike: Any, slots: Any, slot_underlying: Any, seconds: Any, half: Any, reach: Any, doubt: Any,
    spot_scale: Any, rules: Any, work: Any, width: int, bounds: Any,
) -> None:  # fmt: skip
    """bounds [i, 8], after price_eight of its block. half [U + E, 2]: vol factors up and down at half the time left; reach [U]:
    max over scenarios of weight x (1 + shock); rules as IncrementalBook makes them."""
    m, rate_charge, roll_min, roll_slope, short_rate = rules[0], rules[1], rules[2], rules[3], rules[4]
    gamma_tenor, gamma_step, cap, vega_rate, floor = rules[5], rules[6], rules[7], rules[8], rules[9]
    up_floor, down_floor, quick, short_maintenance, tier = rules[10], rules[11], rules[12], rules[13], rules[14]
    at, e = i * BOUNDS, slot[i]
    u = slot_underlying[e]
    spot, far, g = slots[e * 16 + 5], reach[u], _GROWTH
    F, live, step = work[i], work[8 * width + i] > 0.0, gamma_step * spot_scale[u]
    always = g * spot * (floor + 1.06 * doubt[u])
    if kind[i] < 2:
        if not live:
            bounds[at : at + BOUNDS] = 0.0
            bounds[at + 1] = bounds[at + 3] = m * always
            return
        linear = g * F
        year = 1.0 / SECONDS_PER_YEAR
        bounds[at] = linear * (1.0 + m + m * far)
        bounds[at + 1] = m * (always + linear * max(roll_min, roll_slope * work[width + i]))
        bounds[at + 2] = m * linear * roll_slope * year
        bounds[at + 3] = linear * (1.0 + 2.0 * m + m * far) + bounds[at + 1] + m * 2.0 * cap * linear
        bounds[at + 4] = linear * (1.0 + tier)
        bounds[at + 5] = 0.0
        bounds[at + 6] = linear
        bounds[at + 7] = 0.0
        return
    always += g * spot * short_rate
    if not live:
        bounds[at : at + BOUNDS] = 0.0
        bounds[at + 1] = bounds[at + 3] = m * (always + g * spot * step)
        bounds[at + 4] = g * spot * short_maintenance
        return
    tau, root, discount, rate = work[width + i], work[2 * width + i], work[3 * width + i], abs(work[4 * width + i])
    s0, s1, s2 = work[10 * width + i], work[11 * width + i], work[12 * width + i]
    vol = s0 / root
    half_root = root * np.sqrt(0.5)
    h0 = vol * half_root
    h1 = max(vol * half[2 * e], vol, up_floor) * half_root
    h2 = max(vol * half[2 * e + 1], down_floor) * half_root
    least, most = min(h0, h1, h2, s2), max(s0, s1, s2)
    f, worth = g * discount * F, g * discount * (F * max(1.0, far) + strike[i])
    per_second, year = 1.0 / seconds[e], 1.0 / SECONDS_PER_YEAR
    roll = max(roll_min, roll_slope * tau)
    slope, turn = 1.0 + _PHI / h0, _X_PHI + _PHI * s0  # of delta in y and in ln T
    charges = always + f * (rate_charge * tau + roll * slope)
    decay = rate_charge * (worth * year * (1.0 + rate * tau) + 0.8 * tau * f * s0 * per_second)
    decay += f * (2.0 * roll * turn * per_second + (roll_slope + rate * roll) * year)
    if seconds[e] <= gamma_tenor:
        charges += 0.5 * step * step * f * (_PHI + _X_PHI / h0) / h0 + g * step * spot
        decay += 0.5 * step * step * f * (2.0 * (_X2_PHI + 0.25 * s0) / h0 * per_second + rate * year / h0)
    bounds[at] = f * ((1.0 + m) * slope + m * far * (1.0 + _PHI / least))
    bounds[at + 1] = m * charges
    bounds[at + 2] = _PHI * f * ((1.0 + m) * s0 + m * far * most * quick) * per_second + rate * year * (1.0 + 2.0 * m) * worth + m * decay
    bounds[at + 6] = f * (slope + turn)
    bounds[at + 7] = f * root * (1.2 + 0.25 * s0 + _X_PHI / h0)
    bounds[at + 3] = f * (1.0 + 2.0 * m + m * far) + m * (charges + 2.0 * cap * bounds[at + 6] + vega_rate * bounds[at + 7])
    bounds[at + 4] = 2.0 * f + short_maintenance * (g * spot + f)
    bounds[at + 5] = (2.0 + short_maintenance) * (_PHI * f * s0 * per_second + rate * year * worth)


@kernel
def fill_bounds(
    slot: Any, kind: Any, strike: Any, slots: Any, slot_underlying: Any, seconds: Any, half: Any, reach: Any, doubt: Any,
    spot_scale: Any, rules: Any, work: Any, width: int, bounds: Any,
) -> None:  # fmt: skip
    """bound_row of all instruments."""
    for i in range(len(kind)):
        bound_row(i, slot, kind, strike, slots, slot_underlying, seconds, half, reach, doubt, spot_scale, rules, work, width, bounds)


@forced_inline
def _least_moved(pnl: Any, slope: Any, at: int, b: float, scenarios: int) -> float:
    """Least over scenarios of pnl - b |slope|."""
    v = splat(-b)
    return float(
        worst_of(
            fma(v, absolute(load(slope, at)), load(pnl, at)),
            fma(v, absolute(load(slope, at + 8)), load(pnl, at + 8)),
            fma(v, absolute(load(slope, at + 16)), load(pnl, at + 16)),
            fma(v, absolute(load(slope, at + 24)), load(pnl, at + 24)),
            fma(v, absolute(load(slope, at + 32)), load(pnl, at + 32)),
            scenarios,
        )
    )


@forced_inline
def _add(sums: Any, at: int, rows: Any, row: int, factor: float) -> None:
    """sums[at : at + 40] += factor x rows[row : row + 40]"""
    v = splat(factor)
    for k in range(0, COLUMNS, 8):
        store(sums, at + k, fma(v, load(rows, row + k), load(sums, at + k)))


@forced_inline
def _add_absolute(sums: Any, at: int, terms: Any, row: int) -> None:
    """sums[at : at + 40] += |terms[row : row + 40]|"""
    for k in range(0, COLUMNS, 8):
        store(sums, at + k, load(sums, at + k) + absolute(load(terms, row + k)))


@forced_inline
def _rise(b: float, zs: int, z_first: int, role: Any, group: Any, kappa: Any, pnl: Any, slope: Any, room: int, scenarios: int) -> float:
    """By how much the stress requirement can rise when all spots move by b at most: dW(b) of (1)."""
    rise, grouped = 0.0, 0.0
    for z in range(zs):
        at = z * COLUMNS
        up = max(0.0, -_least_moved(pnl, slope, at, b, scenarios)) - max(0.0, -_least_moved(pnl, slope, at, 0.0, scenarios))
        if role[z_first + z] == ALONE:
            rise += up
        else:
            grouped += up
            if role[z_first + z] == CLOSES:
                share, at = kappa[group[z_first + z]], (room + z) * COLUMNS
                joint = max(0.0, -_least_moved(pnl, slope, at, b, scenarios)) - max(0.0, -_least_moved(pnl, slope, at, 0.0, scenarios))
                rise += (1.0 - share) * grouped + share * joint
                grouped = 0.0
    return rise


@ParallelKernel
def box_accounts(  # noqa: C901 - formula (1), term by term
    chosen: Any, grid: Any, slopes: Any, sums: Any, stride: int, bounds: Any, unit: Any,
    first: Any, instrument: Any, size: Any, collateral: Any,
    account_signature: Any, signature_start: Any, length: Any, underlying: Any, group: Any, role: Any, portfolio: Any, joins: Any,
    spot: Any, kappa: Any, token_price: Any, token_underlying: Any, reach: Any,
    rules: Any, scenarios: int, figures: Any, time: int, horizon: int, least_seconds: float, pace: float,
    scratch: Any, room: int, low: Any, high: Any, until: Any, below: Any, counter: Any, threads: int,
) -> None:  # fmt: skip
    """Boxes of the accounts `chosen` [N] (places in the layout) from their exact figures [A, 8] at `time`.

    low, high [A, U]: the spots between which, and until [A]: the time up to and including which, nothing can change;
    below [A]: 1 where health < 1. horizon: seconds that a box may last; least_seconds: to the next expiry; pace: the squared
    relative move per second that a box is given time for. An account that no box fits gets one that contains nothing.
    scratch: 160 x room doubles per thread; room: most segments of an account.
    """
    m, cap, vega_rate, delta_free, vega_free = rules[0], rules[7], rules[8], rules[15], rules[16]
    contingency, roll_min = rules[17], rules[2]
    underlyings, tokens, accounts = len(spot), len(token_price), len(first) - 1
    for thread in numba.prange(threads):
        part = scratch[thread * 4 * room * COLUMNS : (thread + 1) * 4 * room * COLUMNS]
        pnl, slope = part[: 2 * room * COLUMNS], part[2 * room * COLUMNS :]
        while True:
            block = take(counter) * 64
            if block >= len(chosen):
                break
            for number in range(block, min(block + 64, len(chosen))):
                a = chosen[number]
                q = account_signature[a]
                z_first, zs = signature_start[q], signature_start[q + 1] - signature_start[q]
                out, by_stress, holding = a * FIGURES, portfolio[q] == 1, joins[q] == 1
                surplus = figures[out + 4] - figures[out + 1]
                below[a] = 1 if figures[out + 7] < 1.0 else 0
                curve, charge, decay, drift, first_order, big_delta, big_vega = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                most_delta, most_vega, p = 0.0, 0.0, first[a]
                for u in range(underlyings):
                    low[a * underlyings + u], high[a * underlyings + u] = -np.inf, np.inf
                for z in range(zs):
                    u = underlying[z_first + z]
                    at = z * COLUMNS
                    dollars, vega = 0.0, 0.0
                    if by_stress:
                        for k in range(0, COLUMNS, 8):
                            store(pnl, at + k, splat(0.0))
                            store(slope, at + k, splat(0.0))
                    if holding:
                        for k in range(tokens):
                            if token_underlying[k] == u:
                                worth = collateral[k * accounts + a] * token_price[k]
                                dollars += worth
                                curve += _GROWTH * worth * (1.0 + m + m * reach[u])
                                drift += _GROWTH * worth * (3.0 + m * reach[u])
                                charge += _GROWTH * worth * m * (contingency + roll_min)
                                big_delta += _GROWTH * worth
                                if by_stress:
                                    _add(pnl, at, unit, u * COLUMNS, worth)
                                    _add(slope, at, unit, u * COLUMNS, worth)
                    if not by_stress:
                        first_order += _GROWTH * dollars
                    for s in range(p, p + length[z_first + z]):
                        i, contracts = np.int64(instrument[s]), size[s]
                        held, row = abs(contracts), i * BOUNDS
                        if by_stress:
                            curve += held * bounds[row]
                            charge += held * bounds[row + 1]
                            decay += held * bounds[row + 2]
                            drift += held * bounds[row + 3]
                            big_delta += held * bounds[row + 6]
                            big_vega += held * bounds[row + 7]
                            dollars += contracts * sums[i * stride + CHARGED + 3]
                            vega += contracts * sums[i * stride + CHARGED + 4]
                            _add(pnl, at, grid, i * COLUMNS, contracts)
                            _add(slope, at, slopes, i * COLUMNS, contracts)
                        else:
                            first_order += held * bounds[row + 4]
                            decay += held * bounds[row + 5]
                    p += length[z_first + z]
                    if by_stress:
                        first_order += abs(dollars)
                        most_delta, most_vega = max(most_delta, abs(dollars)), max(most_vega, abs(vega))
                if not by_stress:
                    drift = first_order
                else:
                    begin = 0
                    for z in range(zs):
                        if role[z_first + z] == CLOSES:
                            at = (room + z) * COLUMNS
                            for k in range(0, COLUMNS, 8):
                                store(pnl, at + k, splat(0.0))
                                store(slope, at + k, splat(0.0))
                            for member in range(begin, z + 1):
                                _add(pnl, at, pnl, member * COLUMNS, 1.0)
                                _add_absolute(slope, at, slope, member * COLUMNS)
                        if role[z_first + z] != JOINS:
                            begin = z + 1
                # The figures themselves are sums of rounded terms.
                margin = abs(surplus) - 1e-11 * (figures[out + 6] + abs(figures[out + 4]) + figures[out + 1])
                lowest, highest, best, lasting = 0, _STEPS - 1, -1.0, 0.0
                while lowest <= highest:
                    middle = (lowest + highest) // 2
                    b = WIDEST / _STEP**middle
                    dt = min(float(horizon), max(1.0, np.floor(b * b / pace)))
                    more = b + dt / least_seconds
                    bound = b * first_order + 0.5 * curve * b * b + charge * b + decay * dt + 2.0 * DRIFT * drift
                    if by_stress and bound < margin:
                        bound += m * _rise(b, zs, z_first, role, group, kappa, pnl, slope, room, scenarios)
                        if most_delta + more * big_delta > delta_free:
                            bound += m * 2.0 * cap * more * big_delta
                        if most_vega + more * big_vega > vega_free:
                            bound += m * vega_rate * more * big_vega
                    if bound < margin or bound == 0.0:
                        best, lasting = b, dt
                        highest = middle - 1
                    else:
                        lowest = middle + 1
                until[a] = time + np.int64(lasting) if best > 0.0 else time - 1
                for z in range(zs):
                    u = underlying[z_first + z]
                    low[a * underlyings + u] = spot[u] * np.exp(-best) if best > 0.0 else np.inf
                    high[a * underlyings + u] = spot[u] * np.exp(best) if best > 0.0 else -np.inf
