"""Sparse times dense with a running worst case: positions x scenario grid -> losses, requirements, figures.

Every position reads one row of the grid, five cache lines; nothing else in the loop waits. The scenario P&L of a segment
lives in five registers and is never written to memory.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from keeper.kernels.compilation import ParallelKernel, forced_inline, kernel
from keeper.kernels.pricing import COLUMNS
from keeper.kernels.vectors import blend_first, fma, item, larger, load, put, select, smaller, smallest, splat, store, take, total

__all__ = [
    "ALONE",
    "AUXILIARY",
    "CLOSES",
    "FIGURES",
    "JOINS",
    "fill_auxiliary",
    "fill_auxiliary_row",
    "fill_short_margin",
    "fill_short_margin_row",
    "margin_accounts",
    "read_grid",
    "stress_losses",
    "worst_of",
]

AUXILIARY = 8
"""Lanes of the second row of an instrument, all per contract: netted per expiry and charged in absolute value: rate
charge, roll charge; netted per expiry and charged where positive: short calls, short puts; summed: value, delta x spot,
vega, minus half of near gamma x step^2."""

FIGURES = 8
"""initial, maintenance, equity, margin equity at initial and at maintenance haircuts, long options, gross notional, health."""

ALONE, JOINS, CLOSES = 0, 1, 2
"""Roles of a segment: without others of its group in the account; with, and the last of them."""


@forced_inline
def worst_of(a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, scenarios: int) -> Any:
    """The least over the first `scenarios` of 40 lanes; the rest hold zeros, which must not count."""
    infinite = splat(np.inf)
    a4 = blend_first(scenarios - 32, a4, infinite)
    if scenarios < 32:
        a3 = blend_first(scenarios - 24, a3, infinite)
        a2 = blend_first(scenarios - 16, a2, infinite)
        a1 = blend_first(scenarios - 8, a1, infinite)
        a0 = blend_first(scenarios, a0, infinite)
    return smallest(smaller(smaller(smaller(a0, a1), smaller(a2, a3)), a4))


@ParallelKernel
def stress_losses(
    grid: Any, instrument: Any, size: Any, chunk_position: Any, chunk_length: Any, chunk_segment: Any, chunk_count: Any,
    scenarios: int, losses: Any, counter: Any, threads: int,
) -> None:  # fmt: skip
    """W of every segment of a SegmentLayout, in its order: losses [G] = max(0, -min over scenarios of the P&L).

    counter [1]: zero; the threads take chunk after chunk from it, so that one that is held up does not hold up the others."""
    for _thread in numba.prange(threads):
        while True:
            chunk = take(counter)
            if chunk >= len(chunk_position):
                break
            p, length, g = chunk_position[chunk], chunk_length[chunk], chunk_segment[chunk]
            for segment in range(g, g + chunk_count[chunk]):
                a0 = splat(0.0)
                a1, a2, a3, a4 = a0, a0, a0, a0
                for _ in range(length):
                    at, contracts = np.int64(item(instrument, p)) * COLUMNS, splat(item(size, p))
                    a0 = fma(contracts, load(grid, at), a0)
                    a1 = fma(contracts, load(grid, at + 8), a1)
                    a2 = fma(contracts, load(grid, at + 16), a2)
                    a3 = fma(contracts, load(grid, at + 24), a3)
                    a4 = fma(contracts, load(grid, at + 32), a4)
                    p += 1
                losses[segment] = max(0.0, -worst_of(a0, a1, a2, a3, a4, scenarios))


@ParallelKernel
def read_grid(grid: Any, count: int, repeats: int, sums: Any, threads: int) -> None:
    """The probe: every thread reads the first `count` doubles (a multiple of 32) `repeats` times and adds them up."""
    for thread in numba.prange(threads):
        a = splat(0.0)
        b, c, d = a, a, a
        for _ in range(repeats):
            for i in range(0, count, 32):
                a = a + load(grid, i)
                b = b + load(grid, i + 8)
                c = c + load(grid, i + 16)
                d = d + load(grid, i + 24)
        sums[8 * thread] = total(a + b + c + d)


@forced_inline
def fill_auxiliary_row(
    i: int, slot: Any, kind: Any, slots: Any, slot_underlying: Any, seconds: Any, spot_scale: Any, charges: Any, outputs: Any,
    width: int, auxiliary: Any, steep: Any,
) -> None:  # fmt: skip
    """One row of fill_auxiliary."""
    at = slot[i] * 16
    spot, tau = slots[at + 5], slots[at + 1]
    step = spot * charges[5] * spot_scale[slot_underlying[slot[i]]]
    near = kind[i] >= 2 and seconds[slot[i]] <= charges[4]
    delta = outputs[width + i]
    short = -charges[3] * spot
    row = i * AUXILIARY
    auxiliary[row] = charges[0] * outputs[5 * width + i]
    auxiliary[row + 1] = delta * spot * max(charges[1], charges[2] * tau)
    auxiliary[row + 2] = short if kind[i] == 2 else 0.0
    auxiliary[row + 3] = short if kind[i] == 3 else 0.0
    auxiliary[row + 4] = outputs[i]
    auxiliary[row + 5] = delta * spot
    auxiliary[row + 6] = outputs[3 * width + i]
    gap = 0.5 * outputs[2 * width + i] * step * step if near else 0.0
    auxiliary[row + 7] = -gap
    if gap > step:
        steep[slot_underlying[slot[i]]] = 1


@kernel
def fill_auxiliary(
    slot: Any, kind: Any, slots: Any, slot_underlying: Any, seconds: Any, spot_scale: Any, charges: Any, outputs: Any,
    width: int, auxiliary: Any, steep: Any,
) -> None:  # fmt: skip
    """auxiliary [I, 8] from outputs [8, width] of price_slots; steep [U]: 1 where the gamma charge of one contract could
    exceed its cap. charges: rate_charge, roll_min, roll_slope, short_option_rate, gamma_tenor, gamma_step."""
    steep[:] = 0
    for i in range(len(kind)):
        fill_auxiliary_row(i, slot, kind, slots, slot_underlying, seconds, spot_scale, charges, outputs, width, auxiliary, steep)


@forced_inline
def _tiered(notional: float, limits: Any, at: int) -> float:
    first, second = limits[0], limits[1]
    return float(
        limits[at] * min(notional, first)
        + limits[at + 1] * min(max(notional - first, 0.0), second - first)
        + limits[at + 2] * max(notional - second, 0.0)
    )


@forced_inline
def _standard(p: int, end: int, instrument: Any, size: Any, kind: Any, value: Any, short_margin: Any, limits: Any) -> Any:
    """(initial, maintenance, both without long options, long options) of positions p .. end - 1, section 6."""
    initial, maintenance, long_options = 0.0, 0.0, 0.0
    for q in range(p, end):
        i = np.int64(instrument[q])
        contracts = abs(size[q])
        if kind[i] < 2:
            notional = contracts * value[i]
            if notional <= limits[0]:
                initial += limits[2] * notional
                maintenance += limits[5] * notional
            else:
                initial += _tiered(notional, limits, 2)
                maintenance += _tiered(notional, limits, 5)
        else:
            bought = 1.0 if size[q] > 0.0 else 0.0
            sold = contracts - contracts * bought
            long_options += contracts * bought * value[i]
            initial += sold * short_margin[2 * i]
            maintenance += sold * short_margin[2 * i + 1]
    return initial, maintenance, long_options


@forced_inline
def fill_short_margin_row(i: int, slot: Any, kind: Any, strike: Any, slots: Any, rates: Any, outputs: Any, short_margin: Any) -> None:
    """One row of fill_short_margin."""
    if kind[i] >= 2:
        spot, mark = slots[slot[i] * 16 + 5], outputs[i]
        call = kind[i] == 2
        away = max(0.0, strike[i] - spot) if call else max(0.0, spot - strike[i])
        base = spot if call else max(spot, mark)
        maintenance = rates[2] * base + mark
        initial = max(rates[0] * spot - away, rates[1] * spot) + mark
        short_margin[2 * i] = max(initial, rates[3] * maintenance)
        short_margin[2 * i + 1] = maintenance


@kernel
def fill_short_margin(slot: Any, kind: Any, strike: Any, slots: Any, rates: Any, outputs: Any, short_margin: Any) -> None:
    """short_margin [I, 2]: initial and maintenance margin of one contract of each option sold. rates: short_option_initial,
    its minimum, short_option_maintenance, short_initial_over_maintenance."""
    for i in range(len(kind)):
        fill_short_margin_row(i, slot, kind, strike, slots, rates, outputs, short_margin)


@forced_inline
def in_lane(index: int, x: float) -> Any:
    """x in one lane, zeros in the others."""
    value, zero = splat(x), splat(0.0)
    return blend_first(index + 1, value, zero) - blend_first(index, value, zero)


@forced_inline
def _reduce_chunk(
    slot: int, a_first: int, a_end: int, z_first: int, z_end: int, p: int, joining: bool, grid: Any, auxiliary: Any, unit: Any,
    instrument: Any, opens: Any, size: Any, collateral: Any, length: Any, underlying: Any, role: Any,
    spot: Any, token_price: Any, token_underlying: Any, rules: Any, scenarios: int, worst: Any, joint: Any, sums: Any,
) -> None:  # fmt: skip
    """Per segment, from `slot` on: its least P&L, that of its group where it closes one, and the eight sums."""
    # |b| = max(b, -b); max(b, 0) = max(b, 0 b); b = max(b, 1 b)
    zero = splat(0.0)
    folding = blend_first(2, splat(-1.0), blend_first(4, zero, splat(1.0)))
    tokens = len(token_price)
    for a in range(a_first, a_end):
        j0 = zero
        j1, j2, j3, j4 = zero, zero, zero, zero
        for z in range(z_first, z_end):
            a0, summed, b = zero, zero, zero
            a1, a2, a3, a4 = zero, zero, zero, zero
            if joining:
                u = item(underlying, z)
                quantity, worth = 0.0, 0.0
                for k in range(tokens):
                    if item(token_underlying, k) == u:
                        quantity += item(collateral, a * tokens + k)
                        worth += item(collateral, a * tokens + k) * item(token_price, k)
                v, at, dollars = splat(worth), u * COLUMNS, quantity * item(spot, u)
                a0, a1 = v * load(unit, at), v * load(unit, at + 8)
                a2, a3, a4 = v * load(unit, at + 16), v * load(unit, at + 24), v * load(unit, at + 32)
                summed = in_lane(0, item(rules, 6) * worth) + in_lane(5, dollars)
                b = in_lane(1, dollars * item(rules, 0))
            for _ in range(item(length, z)):
                i = np.int64(item(instrument, p))
                at, contracts = i * COLUMNS, splat(item(size, p))
                a0 = fma(contracts, load(grid, at), a0)
                a1 = fma(contracts, load(grid, at + 8), a1)
                a2 = fma(contracts, load(grid, at + 16), a2)
                a3 = fma(contracts, load(grid, at + 24), a3)
                a4 = fma(contracts, load(grid, at + 32), a4)
                new = item(opens, p) != 0
                summed = summed + select(new, larger(b, folding * b), zero)
                b = fma(contracts, load(auxiliary, i * AUXILIARY), select(new, zero, b))
                p += 1
            store(sums, slot * AUXILIARY, summed + larger(b, folding * b))
            put(worst, slot, worst_of(a0, a1, a2, a3, a4, scenarios))
            if item(role, z) != ALONE:
                j0, j1, j2, j3, j4 = j0 + a0, j1 + a1, j2 + a2, j3 + a3, j4 + a4
                if item(role, z) == CLOSES:
                    put(joint, slot, worst_of(j0, j1, j2, j3, j4, scenarios))
                    j0 = zero
                    j1, j2, j3, j4 = zero, zero, zero, zero
            slot += 1


@ParallelKernel
def margin_accounts(  # noqa: C901 - the rules of one account, read from top to bottom
    grid: Any, auxiliary: Any, outputs: Any, short_margin: Any, kind: Any, near: Any, unit: Any,
    first: Any, instrument: Any, opens: Any, size: Any, contracts_held: Any, funds: Any, collateral: Any,
    signature_start: Any, length: Any, underlying: Any, group: Any, role: Any, portfolio: Any, joins: Any,
    spot: Any, mark: Any, step: Any, steep: Any, doubt: Any, kappa: Any,
    token_price: Any, token_underlying: Any, kept_initial: Any, kept_maintenance: Any,
    rules: Any, limits: Any, scenarios: int, scratch: Any, room: int, figures: Any, others: Any, unsound: Any,
    chunk_signature: Any, chunk_start: Any, chunk_count: Any, chunk_segment: Any, every_mode: bool, counter: Any, threads: int,
) -> None:  # fmt: skip
    """The figures of every account of an AccountLayout, in its order: figures [A, 8], flat.

    every_mode: others [A, 8] receives what the other rules ask of the account: stress requirement without joined collateral
    where it is not margined by stress, standard initial and maintenance, long options. unsound [8 x threads]: 1 at each
    thread's first place where a figure is not finite. scratch: 10 doubles for each of threads x room segments; a chunk has
    `room` at most. counter as in stress_losses.
    """
    rule_delta_free, rule_delta_slope, rule_delta_cap = rules[1], rules[2], rules[3]
    rule_vega_rate, rule_vega_free, rule_floor, rule_maintenance = rules[4], rules[5], rules[7], rules[8]
    tokens = len(token_price)
    for thread in numba.prange(threads):
        sums = scratch[thread * room * 10 : thread * room * 10 + room * 8]
        worst = scratch[thread * room * 10 + room * 8 : thread * room * 10 + room * 9]
        joint = scratch[thread * room * 10 + room * 9 : thread * room * 10 + room * 10]
        sound = True
        while True:
            chunk = take(counter)
            if chunk >= len(chunk_signature):
                break
            q = item(chunk_signature, chunk)
            by_stress, holding = item(portfolio, q) == 1, item(joins, q) == 1
            z_first, z_end = item(signature_start, q), item(signature_start, q + 1)
            a_first, a_end = item(chunk_start, chunk), item(chunk_start, chunk) + item(chunk_count, chunk)
            p, g, slot = item(first, a_first), item(chunk_segment, chunk), 0
            if by_stress or every_mode:
                _reduce_chunk(
                    0, a_first, a_end, z_first, z_end, p, holding and by_stress, grid, auxiliary, unit, instrument, opens, size,
                    collateral, length, underlying, role, spot, token_price, token_underlying, rules, scenarios, worst, joint, sums,
                )  # fmt: skip
            for a in range(a_first, a_end):
                begin, end = item(first, a), item(first, a + 1)
                value, gross, charged, losses, grouped = 0.0, 0.0, 0.0, 0.0, 0.0
                for z in range(z_first, z_end):
                    gross += item(contracts_held, g) * item(spot, item(underlying, z))
                    g += 1
                if by_stress or every_mode:
                    p = begin
                    for z in range(z_first, z_end):
                        u, at = item(underlying, z), slot * AUXILIARY
                        charged += (item(sums, at) + item(sums, at + 1)) + (item(sums, at + 2) + item(sums, at + 3))
                        value += item(sums, at + 4)
                        excess = max(0.0, abs(item(sums, at + 5)) - rule_delta_free)
                        charged += excess * min(rule_delta_slope * excess, rule_delta_cap)
                        charged += rule_vega_rate * max(0.0, abs(item(sums, at + 6)) - rule_vega_free)
                        gap = max(0.0, item(sums, at + 7))
                        if item(steep, u) != 0 or item(doubt, u) > 0.0:
                            sold, exposure = 0.0, 0.0
                            for s in range(p, p + item(length, z)):
                                i, contracts = np.int64(item(instrument, s)), item(size, s)
                                sold += max(0.0, -contracts) if item(near, i) != 0 else 0.0
                                exposure += abs(contracts) * (item(mark, u) if item(kind, i) == 0 else item(spot, u))
                            gap = min(gap, item(step, u) * sold)
                            charged += item(doubt, u) * exposure
                        charged += gap  # where no contract's gap exceeds its cap, the sum of theirs does not either
                        p += item(length, z)
                        loss = max(0.0, -item(worst, slot))
                        if item(role, z) == ALONE:
                            losses += loss
                        else:
                            grouped += loss
                            if item(role, z) == CLOSES:
                                share = item(kappa, item(group, z))
                                losses += (1.0 - share) * grouped + share * max(0.0, -item(joint, slot))
                                grouped = 0.0
                        slot += 1
                required = max(charged + losses, rule_floor * gross)
                initial, maintenance, binding, long_options = required, rule_maintenance * required, rule_maintenance * required, 0.0
                if every_mode or not by_stress:
                    first_margin, least_margin, paid = _standard(begin, end, instrument, size, kind, outputs, short_margin, limits)
                    if every_mode:
                        put(others, FIGURES * a, required)
                        put(others, FIGURES * a + 1, first_margin + paid)
                        put(others, FIGURES * a + 2, least_margin + paid)
                        put(others, FIGURES * a + 3, paid)
                    if not by_stress:
                        if not every_mode:
                            for s in range(begin, end):
                                value += item(size, s) * item(outputs, np.int64(item(instrument, s)))
                        initial, maintenance, binding, long_options = first_margin + paid, least_margin + paid, least_margin, paid
                equity = item(funds, a) + value
                at_initial, at_maintenance = equity, equity
                if holding:
                    for k in range(tokens):
                        owned = item(collateral, a * tokens + k) * item(token_price, k)
                        whole = by_stress and item(token_underlying, k) != -1
                        equity += owned
                        at_initial += owned if whole else owned * item(kept_initial, k)
                        at_maintenance += owned if whole else owned * item(kept_maintenance, k)
                supported = at_maintenance - long_options
                health = supported / binding if binding > 0.0 else (np.inf if supported >= 0.0 else -np.inf)
                sound &= 0.0 * initial + 0.0 * maintenance + 0.0 * equity + 0.0 * at_initial + 0.0 * at_maintenance == 0.0
                put(figures, FIGURES * a, initial)
                put(figures, FIGURES * a + 1, maintenance)
                put(figures, FIGURES * a + 2, equity)
                put(figures, FIGURES * a + 3, at_initial)
                put(figures, FIGURES * a + 4, at_maintenance)
                put(figures, FIGURES * a + 5, long_options)
                put(figures, FIGURES * a + 6, gross)
                put(figures, FIGURES * a + 7, health)
        unsound[8 * thread] = 0 if sound else 1
