"""Sparse times dense with a running worst case: positions x scenario grid -> losses, requirements, figures.

Every position reads one row of the grid, five cache lines; nothing else in the loop waits. The scenario P&L of a segment
lives in five registers and is never written to memory.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from keeper.kernels.compilation import forced_inline, kernel
from keeper.kernels.pricing import COLUMNS
from keeper.kernels.vectors import blend_first, fma, item, lane, larger, load, select, smaller, smallest, splat, total

__all__ = ["AUXILIARY", "FIGURES", "fill_auxiliary", "margin_accounts", "read_grid", "stress_losses"]

AUXILIARY = 8
"""Lanes of the second row of an instrument, all per contract: netted per expiry and charged in absolute value: rate
charge, roll charge; netted per expiry and charged where positive: short calls, short puts; summed: value, delta x spot,
vega, minus half of near gamma x step^2."""

FIGURES = 8
"""initial, maintenance, equity, margin equity at initial and at maintenance haircuts, long options, gross notional, health."""


@forced_inline
def _worst(a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, scenarios: int) -> Any:
    """The least over the first `scenarios` of 40 lanes; the rest hold zeros, which must not count."""
    infinite = splat(np.inf)
    a4 = blend_first(scenarios - 32, a4, infinite)
    if scenarios < 32:
        a3 = blend_first(scenarios - 24, a3, infinite)
        a2 = blend_first(scenarios - 16, a2, infinite)
        a1 = blend_first(scenarios - 8, a1, infinite)
        a0 = blend_first(scenarios, a0, infinite)
    return smallest(smaller(smaller(smaller(a0, a1), smaller(a2, a3)), a4))


@kernel(parallel=True)
def stress_losses(
    grid: Any, instrument: Any, size: Any, chunk_position: Any, chunk_length: Any, chunk_segment: Any, chunk_count: Any,
    scenarios: int, losses: Any, threads: int,
) -> None:  # fmt: skip
    """W of every segment of a SegmentLayout, in its order: losses [G] = max(0, -min over scenarios of the P&L)."""
    for thread in numba.prange(threads):
        for chunk in range(thread, len(chunk_position), threads):
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
                losses[segment] = max(0.0, -_worst(a0, a1, a2, a3, a4, scenarios))


@kernel(parallel=True)
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


@kernel()
def fill_auxiliary(
    slot: Any, kind: Any, slots: Any, slot_underlying: Any, seconds: Any, spot_scale: Any, charges: Any, outputs: Any,
    width: int, auxiliary: Any, steep: Any,
) -> None:  # fmt: skip
    """auxiliary [I, 8] from outputs [8, width] of price_slots; steep [U]: 1 where the gamma charge of one contract could
    exceed its cap. charges: rate_charge, roll_min, roll_slope, short_option_rate, gamma_tenor, gamma_step."""
    steep[:] = 0
    for i in range(len(kind)):
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


@kernel()
def fill_short_margin(slot: Any, kind: Any, strike: Any, slots: Any, rates: Any, outputs: Any, short_margin: Any) -> None:
    """short_margin [I, 2]: initial and maintenance margin of one contract of each option sold. rates: short_option_initial,
    its minimum, short_option_maintenance, short_initial_over_maintenance."""
    for i in range(len(kind)):
        if kind[i] >= 2:
            spot, mark = slots[slot[i] * 16 + 5], outputs[i]
            call = kind[i] == 2
            away = max(0.0, strike[i] - spot) if call else max(0.0, spot - strike[i])
            base = spot if call else max(spot, mark)
            maintenance = rates[2] * base + mark
            initial = max(rates[0] * spot - away, rates[1] * spot) + mark
            short_margin[2 * i] = max(initial, rates[3] * maintenance)
            short_margin[2 * i + 1] = maintenance


@kernel(parallel=True)
def margin_accounts(  # noqa: C901 - one loop, so that the P&L of a segment and of its group stays in registers
    grid: Any, auxiliary: Any, outputs: Any, short_margin: Any, kind: Any, seconds_near: Any, unit: Any,
    row: Any, first: Any, instrument: Any, opens: Any, size: Any, contracts_held: Any, funds: Any, collateral: Any,
    signature_start: Any, length: Any, underlying: Any, group: Any, closes: Any, portfolio: Any, joins: Any,
    chunk_signature: Any, chunk_start: Any, chunk_count: Any, chunk_segment: Any,
    spot: Any, mark: Any, step: Any, steep: Any, doubt: Any, kappa: Any,
    token_price: Any, token_underlying: Any, kept_initial: Any, kept_maintenance: Any,
    rules: Any, limits: Any, scenarios: int, every_mode: bool, figures: Any, others: Any, unsound: Any, threads: int,
) -> None:  # fmt: skip
    """The figures of every account of an AccountLayout, written to its row in the book: figures [A, 8].

    every_mode: others [A, 8] receives what the other rules ask of the account: stress requirement without joined collateral
    where it is not margined by stress, standard initial and maintenance, long options. unsound [8 x threads]: 1 at each
    thread's first place where a figure is not finite.
    """
    # |b| = max(b, -b); max(b, 0) = max(b, 0 b); b = max(b, 1 b)
    scratch = np.array([-1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    for thread in numba.prange(threads):
        folding = load(scratch, 0)
        zero = splat(0.0)
        for chunk in range(thread, len(chunk_signature), threads):
            q = chunk_signature[chunk]
            by_stress, joining = portfolio[q] == 1, joins[q] == 1
            z_first, z_end = signature_start[q], signature_start[q + 1]
            a_first = chunk_start[chunk]
            p, g = first[a_first], chunk_segment[chunk]
            for a in range(a_first, a_first + chunk_count[chunk]):
                begin, end = first[a], first[a + 1]
                value, gross, charged, losses = 0.0, 0.0, 0.0, 0.0
                if by_stress or every_mode:
                    j0 = zero
                    j1, j2, j3, j4 = zero, zero, zero, zero
                    grouped = 0.0
                    p = begin
                    for z in range(z_first, z_end):
                        u = underlying[z]
                        quantity, worth = 0.0, 0.0
                        if joining and by_stress:
                            for k in range(len(token_price)):
                                if token_underlying[k] == u:
                                    quantity += collateral[a, k]
                                    worth += collateral[a, k] * token_price[k]
                        b = zero
                        sums = zero
                        if worth > 0.0:
                            v = splat(worth)
                            at = u * COLUMNS
                            a0, a1 = v * load(unit, at), v * load(unit, at + 8)
                            a2, a3, a4 = v * load(unit, at + 16), v * load(unit, at + 24), v * load(unit, at + 32)
                            worth_delta = quantity * spot[u]
                            b = blend_first(2, splat(worth_delta * rules[0]), zero) - blend_first(1, splat(worth_delta * rules[0]), zero)
                        else:
                            a0 = zero
                            a1, a2, a3, a4 = zero, zero, zero, zero
                        amount = contracts_held[g]
                        g += 1
                        start = p
                        for _ in range(length[z]):
                            i = np.int64(item(instrument, p))
                            at, contracts = i * COLUMNS, splat(item(size, p))
                            a0 = fma(contracts, load(grid, at), a0)
                            a1 = fma(contracts, load(grid, at + 8), a1)
                            a2 = fma(contracts, load(grid, at + 16), a2)
                            a3 = fma(contracts, load(grid, at + 24), a3)
                            a4 = fma(contracts, load(grid, at + 32), a4)
                            new = item(opens, p) != 0
                            sums = sums + select(new, larger(b, folding * b), zero)
                            b = fma(contracts, load(auxiliary, i * AUXILIARY), select(new, zero, b))
                            p += 1
                        sums = sums + larger(b, folding * b)
                        loss = max(0.0, -_worst(a0, a1, a2, a3, a4, scenarios))
                        charge = lane(sums, 0) + lane(sums, 1) + lane(sums, 2) + lane(sums, 3)
                        value += lane(sums, 4)
                        dollar_delta = abs(lane(sums, 5) + quantity * spot[u])
                        gap = lane(sums, 7)
                        if dollar_delta > rules[1]:
                            excess = dollar_delta - rules[1]
                            charge += excess * min(rules[2] * excess, rules[3])
                        vega = abs(lane(sums, 6))
                        if vega > rules[5]:
                            charge += rules[4] * (vega - rules[5])
                        if gap > 0.0 and steep[u] == 0:
                            charge += gap  # no contract's gap exceeds its cap, so their sum does not
                        elif gap > 0.0:
                            sold = 0.0
                            for s in range(start, p):
                                i = np.int64(instrument[s])
                                if seconds_near[i] != 0:
                                    sold += max(0.0, -size[s])
                            charge += min(gap, step[u] * sold)
                        if doubt[u] > 0.0:
                            exposure = amount * spot[u]
                            for s in range(start, p):
                                if kind[np.int64(instrument[s])] == 0:
                                    exposure += abs(size[s]) * (mark[u] - spot[u])
                            charge += doubt[u] * exposure
                        charge += rules[6] * worth
                        charged += charge
                        gross += amount * spot[u]
                        if group[z] < 0:
                            losses += loss
                        else:
                            j0, j1, j2, j3, j4 = j0 + a0, j1 + a1, j2 + a2, j3 + a3, j4 + a4
                            grouped += loss
                            if closes[z] == 1:
                                share = kappa[group[z]]
                                joint = max(0.0, -_worst(j0, j1, j2, j3, j4, scenarios))
                                losses += (1.0 - share) * grouped + share * joint
                                j0 = zero
                                j1, j2, j3, j4 = zero, zero, zero, zero
                                grouped = 0.0
                required = max(charged + losses, rules[7] * gross)
                initial, maintenance, long_options, binding = required, rules[8] * required, 0.0, rules[8] * required
                if every_mode or not by_stress:
                    first_margin, least_margin, paid = _standard(begin, end, instrument, size, kind, outputs, short_margin, limits)
                    if every_mode:
                        others[row[a], 0] = required
                        others[row[a], 1] = first_margin + paid
                        others[row[a], 2] = least_margin + paid
                        others[row[a], 3] = paid
                    if not by_stress:
                        if not every_mode:
                            for s in range(begin, end):
                                value += size[s] * outputs[np.int64(instrument[s])]
                            for z in range(z_first, z_end):
                                gross += contracts_held[g] * spot[underlying[z]]
                                g += 1
                        initial, maintenance, binding, long_options = first_margin + paid, least_margin + paid, least_margin, paid
                owned = funds[a] + value
                equity, at_initial, at_maintenance = owned, owned, owned
                if joining:
                    for k in range(len(token_price)):
                        tokens = collateral[a, k] * token_price[k]
                        whole = by_stress and token_underlying[k] != -1
                        equity += tokens
                        at_initial += tokens if whole else tokens * kept_initial[k]
                        at_maintenance += tokens if whole else tokens * kept_maintenance[k]
                supported = at_maintenance - long_options
                health = supported / binding
                if not binding > 0.0:
                    health = np.inf if supported >= 0.0 else -np.inf
                if 0.0 * initial + 0.0 * maintenance + 0.0 * equity + 0.0 * at_initial + 0.0 * at_maintenance != 0.0:
                    unsound[8 * thread] = 1
                out = row[a]
                figures[out, 0] = initial
                figures[out, 1] = maintenance
                figures[out, 2] = equity
                figures[out, 3] = at_initial
                figures[out, 4] = at_maintenance
                figures[out, 5] = long_options
                figures[out, 6] = gross
                figures[out, 7] = health
