"""Every account in one pass over its positions: stress, charges, groups, standard margin, collateral, health.

A position reads one row of the grid, whose last vector also holds what charges are made of, and where standard margin is
wanted one short row more. The loop over a chunk's positions is a function of its own, so that it has the registers to
itself; what it leaves of an account are a few numbers in the first cache, from which figures are made eight accounts at a time.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from keeper.kernels.access import item, load, load_half, pointer, prefetch, put, settle, store, stream, take
from keeper.kernels.charges import CHARGED, SIDE, STANDARD
from keeper.kernels.compilation import ParallelKernel, forced_inline, kernel
from keeper.kernels.pricing import COLUMNS
from keeper.kernels.reduction import BATCH, worst_of
from keeper.kernels.vectors import (
    absolute,
    blend_first,
    fma,
    lane,
    larger,
    pick,
    positive,
    sign_bit,
    smaller,
    splat,
    splat_half,
    total,
    transposed,
)

__all__ = ["AHEAD", "ALONE", "CHUNK", "CLOSES", "FIGURES", "JOINS", "OTHERS", "SCRATCH", "margin_accounts"]

CHUNK = 128
"""Accounts per unit of work."""

AHEAD = 8
"""Positions between the fetching of a row and its use: `instrument` has so many places more than there are positions."""

_REQUIRED, _VALUE, _HELD = 0, CHUNK, 2 * CHUNK
SCRATCH = _HELD + SIDE * CHUNK
"""Doubles per thread: requirement and value of each account of a chunk, and its sums of standard margin."""

FIGURES = 8
"""initial, maintenance, equity, margin equity at initial and at maintenance haircuts, long options, gross notional, health."""

OTHERS = 4
"""requirement by stress, standard initial and maintenance, long options."""

ALONE, JOINS, CLOSES = 0, 1, 2
"""Roles of a segment: without others of its group in the account; with, and the last of them."""


@forced_inline
def _tiered(notional: float, limits: Any, at: int) -> float:
    first, second = limits[0], limits[1]
    return float(
        limits[at] * min(notional, first)
        + limits[at + 1] * min(max(notional - first, 0.0), second - first)
        + limits[at + 2] * max(notional - second, 0.0)
    )


@forced_inline
def _beyond_first_tier(begin: int, end: int, instrument: Any, size: Any, kind: Any, outputs: Any, limits: Any) -> Any:
    """(initial, maintenance) that perps and futures in begin .. end - 1 cost more than at the rates of the first tier."""
    initial, maintenance = 0.0, 0.0
    for p in range(begin, end):
        i = np.int64(instrument[p])
        notional = abs(size[p]) * outputs[i]
        if kind[i] < 2 and notional > limits[0]:
            initial += _tiered(notional, limits, 2) - limits[2] * notional
            maintenance += _tiered(notional, limits, 5) - limits[5] * notional
    return initial, maintenance


@forced_inline
def _sold_near(begin: int, end: int, instrument: Any, size: Any, near: Any) -> float:
    """Contracts sold of options within the gamma tenor."""
    sold = 0.0
    for p in range(begin, end):
        if item(near, np.int64(item(instrument, p))) != 0:
            sold += max(0.0, -item(size, p))
    return sold


@forced_inline
def _in_lane(index: int, x: float) -> Any:
    """x in one lane, zeros in the others."""
    value, zero = splat(x), splat(0.0)
    return blend_first(index + 1, value, zero) - blend_first(index, value, zero)


@forced_inline
def _leg(contracts: Any, new: Any, grid: Any, at: int, a0: Any, a1: Any, a2: Any, a3: Any, b: Any, netted: Any, last: Any) -> Any:
    """One position more: four vectors of scenarios, b with the sums, from the row `last`, and what is netted so far."""
    zero = splat(0.0)
    return (
        fma(contracts, load(grid, at), a0),
        fma(contracts, load(grid, at + 8), a1),
        fma(contracts, load(grid, at + 16), a2),
        fma(contracts, load(grid, at + 24), a3),
        fma(contracts, last, pick(new, zero, b)),
        pick(new, netted + absolute(b), netted),
    )


@forced_inline
def _hold(contracts: float, standard: Any, i: int, held: Any) -> Any:
    """Standard margin of one position more: the side that it is on, as often as it is held."""
    side = i * STANDARD + SIDE * sign_bit(contracts)
    return fma(splat_half(abs(contracts)), load_half(standard, side), held)


@forced_inline
def _fetch(grid: Any, row: int) -> None:
    for column in range(0, COLUMNS, 8):
        prefetch(grid, row * COLUMNS + column)


@forced_inline
def _charged(charging: Any, terms: Any) -> Any:
    """charge_terms, lane by lane, of sums that are folded and netted."""
    excess = larger(charging - load(terms, 8), splat(0.0))
    return excess * smaller(load(terms, 16) * excess, load(terms, 24))


@forced_inline
def _joined(
    z: int, a: int, underlying: Any, collateral: Any, token_price: Any, token_underlying: Any, tokens: int, accounts: int, unit: Any,
    spot: Any, roll: float,
) -> Any:  # fmt: skip
    """What a segment starts with where collateral joins it: scenarios, sums and worth, as of an undated position."""
    u, quantity, worth = item(underlying, z), 0.0, 0.0
    for k in range(tokens):
        if item(token_underlying, k) == u:
            owned = item(collateral, k * accounts + a)
            quantity += owned
            worth += owned * item(token_price, k)
    v, at, dollars = splat(worth), u * COLUMNS, quantity * item(spot, u)
    sums = _in_lane(CHARGED + 1, dollars * roll) + _in_lane(CHARGED + 3, dollars)
    last = v * load(unit, at + COLUMNS - 8)
    return v * load(unit, at), v * load(unit, at + 8), v * load(unit, at + 16), v * load(unit, at + 24), last, sums, worth


@forced_inline
def _reduce(  # noqa: C901 - one loop; what its flags leave out is not compiled
    count: int, a: int, z_first: int, z_end: int, p: int, tokens: int, accounts: int, scenarios: int, stride: int,
    grid: Any, sums: Any, standard: Any, instrument: Any, opens: Any, size: Any, length: Any, underlying: Any, group: Any, role: Any,
    kappa: Any, rules: Any, terms: Any, collateral: Any, token_price: Any, token_underlying: Any, unit: Any, spot: Any,
    step: Any, steep: Any, near: Any, out: Any, joining: bool, by_standard: bool, rare: bool,
) -> None:  # fmt: skip
    """Stress requirement with the charges that come from sums, and value, of the accounts a .. a + count - 1 whose positions
    begin at p. joining: the first `tokens` kinds of collateral join them; by_standard: the sums of standard margin too; rare:
    the sums have rows of their own, or caps of gamma are near. Everything else is made of pointers."""
    zero = splat(0.0)
    for n in range(count):
        charges, whole, held = zero, zero, splat_half(0.0)
        j0, j1, j2, j3, j4 = zero, zero, zero, zero, zero
        required, grouped = 0.0, 0.0
        for z in range(z_first, z_end):
            a0, a1, a2, a3, a4, b, netted = zero, zero, zero, zero, zero, zero, zero
            if joining:
                a0, a1, a2, a3, a4, b, worth = _joined(
                    z, a + n, underlying, collateral, token_price, token_underlying, tokens, accounts, unit, spot, item(rules, 0)
                )
                required += item(rules, 2) * worth
                if not rare:
                    b = a4 + b
            begin = p
            for _ in range(item(length, z)):
                ahead = np.int64(item(instrument, p + AHEAD))
                _fetch(grid, ahead)
                i, contracts = np.int64(item(instrument, p)), splat(item(size, p))
                at = i * COLUMNS
                last = load(grid, at + COLUMNS - 8)
                if rare:
                    a4 = fma(contracts, last, a4)
                    last = load(sums, i * stride)
                a0, a1, a2, a3, b, netted = _leg(contracts, item(opens, p), grid, at, a0, a1, a2, a3, b, netted, last)
                if by_standard:
                    prefetch(standard, ahead * STANDARD)
                    held = _hold(item(size, p), standard, i, held)
                p += 1
            whole = whole + b
            charging = larger(b, load(terms, 0) * b) + netted
            if rare and item(steep, item(underlying, z)) != 0:
                most = item(step, item(underlying, z)) * _sold_near(begin, p, instrument, size, near)
                charging = blend_first(7, charging, splat(min(lane(charging, 7), most)))
            charges = charges + _charged(charging, terms)
            if not rare:
                a4 = b
            loss = max(0.0, -worst_of(a0, a1, a2, a3, a4, scenarios))
            if item(role, z) == ALONE:
                required += loss
            else:
                grouped += loss
                j0, j1, j2, j3, j4 = j0 + a0, j1 + a1, j2 + a2, j3 + a3, j4 + a4
                if item(role, z) == CLOSES:
                    share = item(kappa, item(group, z))
                    required += (1.0 - share) * grouped + share * max(0.0, -worst_of(j0, j1, j2, j3, j4, scenarios))
                    grouped = 0.0
                    j0, j1, j2, j3, j4 = zero, zero, zero, zero, zero
        put(out, _REQUIRED + n, required + total(charges))
        put(out, _VALUE + n, lane(whole, CHARGED + 2))
        if by_standard:
            store(out, _HELD + SIDE * n, held)


def _reduction(joining: bool, by_standard: bool, rare: bool = False) -> Any:
    """_reduce for one kind of accounts, a function of its own, so that its loop has the registers to itself."""

    @kernel
    def reduction(*arguments: Any) -> None:
        _reduce(*arguments, joining, by_standard, rare)

    return reduction


_reduce_stress, _reduce_both = _reduction(joining=False, by_standard=False), _reduction(joining=False, by_standard=True)
_reduce_joined, _reduce_joined_both = _reduction(joining=True, by_standard=False), _reduction(joining=True, by_standard=True)
_reduce_any = _reduction(joining=True, by_standard=True, rare=True)


@kernel
def _reduce_standard(count: int, a: int, first: Any, standard: Any, instrument: Any, size: Any, out: Any) -> None:
    """The sums of standard margin alone."""
    for n in range(count):
        held = splat_half(0.0)
        for p in range(item(first, a + n), item(first, a + n + 1)):
            prefetch(standard, np.int64(item(instrument, p + AHEAD)) * STANDARD)
            held = _hold(item(size, p), standard, np.int64(item(instrument, p)), held)
        store(out, _HELD + SIDE * n, held)
        put(out, _REQUIRED + n, 0.0)


@forced_inline
def _columns(table: Any, at: int) -> Any:
    """Eight rows of four from `at` on, by columns."""
    return transposed((
        load_half(table, at), load_half(table, at + 4), load_half(table, at + 8), load_half(table, at + 12),
        load_half(table, at + 16), load_half(table, at + 20), load_half(table, at + 24), load_half(table, at + 28),
    ))  # fmt: skip


@forced_inline
def _stream_rows(table: Any, at: int, width: int, count: int, rows: Any) -> None:
    """The first `count` >= 1 of eight rows to a table of that width."""
    r0, r1, r2, r3, r4, r5, r6, r7 = rows
    stream(table, at, r0)
    if count > 1:
        stream(table, at + width, r1)
    if count > 2:
        stream(table, at + 2 * width, r2)
    if count > 3:
        stream(table, at + 3 * width, r3)
    if count > 4:
        stream(table, at + 4 * width, r4)
    if count > 5:
        stream(table, at + 5 * width, r5)
    if count > 6:
        stream(table, at + 6 * width, r6)
    if count > 7:
        stream(table, at + 7 * width, r7)


@ParallelKernel
def margin_accounts(  # noqa: C901 - the rules of one account, read from top to bottom
    grid: Any, sums: Any, stride: int, outputs: Any, standard: Any, kind: Any, near: Any, unit: Any,
    first: Any, instrument: Any, opens: Any, size: Any, contracts_held: Any, shorts_held: Any, perps_held: Any, funds: Any, collateral: Any,
    signature_start: Any, held: Any, length: Any, underlying: Any, group: Any, role: Any, portfolio: Any, joins: Any,
    spot: Any, mark: Any, step: Any, steep: Any, doubt: Any, dearest: Any, kappa: Any,
    token_price: Any, token_underlying: Any, kept_initial: Any, kept_maintenance: Any,
    rules: Any, terms: Any, limits: Any, scenarios: int, scratch: Any, figures: Any, others: Any, unsound: Any,
    chunk_signature: Any, chunk_start: Any, chunk_count: Any, every_mode: bool, counter: Any, threads: int,
) -> None:  # fmt: skip
    """The figures of every account of an AccountLayout, in its order: figures [A, 8], flat.

    every_mode: others [A, 4] receives what the other rules ask of the account: stress requirement without joined collateral
    where it is not margined by stress, standard initial and maintenance, long options. unsound [8 x threads]: 1 at each
    thread's first place where a figure is not finite. scratch [threads, SCRATCH]. counter as in stress_losses.
    """
    accounts, plain = len(first) - 1, stride == COLUMNS and steep.max() == 0
    for thread in numba.prange(threads):
        out = scratch[thread * SCRATCH : (thread + 1) * SCRATCH]
        zero, one, infinite, factor, floor = splat(0.0), splat(1.0), splat(np.inf), splat(rules[4]), splat(rules[3])
        first_tier = splat(limits[0])
        unknown = zero
        starts, standards, instruments, sizes, results = pointer(first), pointer(standard), pointer(instrument), pointer(size), pointer(out)
        reading = (
            accounts, scenarios, stride, pointer(grid), pointer(sums), standards, instruments, pointer(opens), sizes, pointer(length),
            pointer(underlying), pointer(group), pointer(role), pointer(kappa), pointer(rules), pointer(terms), pointer(collateral),
            pointer(token_price), pointer(token_underlying), pointer(unit), pointer(spot), pointer(step), pointer(steep), pointer(near),
            results,
        )  # fmt: skip
        while True:
            batch = take(counter) * BATCH
            if batch >= len(chunk_signature):
                break
            for chunk in range(batch, min(batch + BATCH, len(chunk_signature))):
                q = item(chunk_signature, chunk)
                by_stress, holding = item(portfolio, q) == 1, item(joins, q) == 1
                stressed, by_standard = by_stress or every_mode, every_mode or not by_stress
                z_first, z_end = item(signature_start, q), item(signature_start, q + 1)
                start, count = item(chunk_start, chunk), item(chunk_count, chunk)
                p, joining = item(first, start), holding and by_stress
                for k in range(0, count + 8, 8):
                    prefetch(funds, start + k)
                    for z in range(z_first, z_end):
                        prefetch(contracts_held, item(held, z) + start + k)
                        prefetch(shorts_held, item(held, z) + start + k)
                if not stressed:
                    _reduce_standard(count, start, starts, standards, instruments, sizes, results)
                else:
                    where = count, start, z_first, z_end, p, len(token_price) if joining else 0
                    if not plain:
                        _reduce_any(*where, *reading)
                    elif joining and by_standard:
                        _reduce_joined_both(*where, *reading)
                    elif joining:
                        _reduce_joined(*where, *reading)
                    elif by_standard:
                        _reduce_both(*where, *reading)
                    else:
                        _reduce_stress(*where, *reading)
                for n in range(0, count, 8):
                    a, rows = start + n, min(8, count - n)
                    gross, dear, charged = zero, zero, zero
                    for z in range(z_first, z_end):
                        u, at = item(underlying, z), item(held, z) + a
                        contracts, price = load(contracts_held, at), item(spot, u)
                        gross = fma(contracts, splat(price), gross)
                        dear = fma(contracts, splat(item(dearest, u)), dear)
                        charged = fma(load(shorts_held, at), splat(rules[1] * price), charged)
                        if item(doubt, u) > 0.0:
                            perps = load(perps_held, at)
                            exposure = (contracts - perps) * splat(price) + perps * splat(item(mark, u))
                            charged = fma(exposure, splat(item(doubt, u)), charged)
                    owned = load(funds, a)
                    kept_first, kept_last = owned, owned
                    if holding:
                        for k in range(len(token_price)):
                            worth = load(collateral, k * accounts + a) * splat(item(token_price, k))
                            full = by_stress and item(token_underlying, k) != -1
                            owned = owned + worth
                            kept_first = fma(worth, splat(1.0 if full else item(kept_initial, k)), kept_first)
                            kept_last = fma(worth, splat(1.0 if full else item(kept_maintenance, k)), kept_last)
                    required = larger(load(out, _REQUIRED + n) + charged, floor * gross)
                    initial, maintenance, binding, paid, value = required, factor * required, factor * required, zero, load(out, _VALUE + n)
                    if by_standard and total(positive(dear - first_tier, one, zero)) > 0.0:
                        for row in range(rows):
                            more = _beyond_first_tier(first[a + row], first[a + row + 1], instrument, size, kind, outputs, limits)
                            at = _HELD + SIDE * (n + row)
                            put(out, at, item(out, at) + more[0])
                            put(out, at + 1, item(out, at + 1) + more[1])
                    if by_standard:
                        beside, least, paid, worth = _columns(out, _HELD + SIDE * n)
                        first_margin, least_margin = beside + paid, least + paid
                        if every_mode:
                            _stream_rows(others, OTHERS * a, OTHERS, rows, transposed((required, first_margin, least_margin, paid)))
                        if by_stress:
                            paid = zero
                        else:
                            initial, maintenance, binding, value = first_margin, least_margin, least, worth
                    at_maintenance = kept_last + value
                    supported = at_maintenance - paid
                    equity, at_initial = owned + value, kept_first + value
                    checked = zero * initial + zero * maintenance + zero * equity + (zero * at_initial + zero * at_maintenance)
                    unknown = unknown + blend_first(rows, checked, zero)
                    health = positive(binding, supported / binding, positive(zero - supported, zero - infinite, infinite))
                    _stream_rows(
                        figures, FIGURES * a, FIGURES, rows,
                        transposed((initial, maintenance, equity, at_initial, at_maintenance, paid, gross, health)),
                    )  # fmt: skip
        settle()
        unsound[8 * thread] = 0 if total(unknown) == 0.0 else 1
