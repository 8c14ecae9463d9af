"""Ticks that look only at the accounts that could have crossed: which are below maintenance, exactly as a full pass says.

Every account has a box of spots and time inside which it provably stays on its side (keeper.kernels.bounds). A tick evaluates
exactly the accounts whose box it left, by the same kernels as a full pass, and gives them new boxes around the new spots.
Accounts whose boxes cover the whole epoch, a band around the spots at its beginning, are not even looked at.

What the boxes do not allow for is a full pass: a changed slice, rate, confidence, scale or settlement, a basis that drifted
by more than 1e-5, an expiry, a leg that comes within the gamma tenor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keeper.errors import BookError, ParameterError
from keeper.kernels.accounts import margin_accounts
from keeper.kernels.bounds import BOUNDS, DRIFT, bound_row, box_accounts, fill_bounds
from keeper.kernels.charges import fill_eight, fill_tick
from keeper.kernels.compilation import kernel
from keeper.kernels.market import MarketVector
from keeper.kernels.memory import line_aligned
from keeper.kernels.prepared import PreparedBook
from keeper.kernels.pricing import COLUMNS, fill_slots, price_eight, price_row, slope_row
from keeper.model import SECONDS_PER_YEAR, Market

__all__ = ["IncrementalBook", "TickCount"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_margin_serial: Any = margin_accounts.serial
_box_serial: Any = box_accounts.serial
_SECONDS_PER_DAY = 86_400
_FULL = -1


@dataclass(slots=True)
class TickCount:
    """What the ticks so far cost: ticks; full: passes over all accounts; evaluated: accounts evaluated besides those; epochs."""

    ticks: int = 0
    full: int = 0
    evaluated: int = 0
    epochs: int = 0


@kernel
def _slopes(
    slot: Any, sign: Any, slot_underlying: Any, scenarios: Any, underlyings: int, work: Any, outputs: Any, slopes: Any, width: int
) -> None:
    for i in range(width):
        slope_row(i, slot, sign, slot_underlying, scenarios, underlyings, work, outputs, slopes, width)


@kernel
def _advance(  # noqa: C901 - one call per tick: what a call costs would be more than what it does
    time: int, spot: Any, mark: Any, forward: Any, rate: Any, svi: Any, token_price: Any,
    until_time: int, base_slots: Any, base_token_price: Any, slot_rules: Any, slot_underlying: Any, expiry: Any, slots: Any,
    epoch: Any, epoch_time: Any, band: float, epoch_seconds: int, low: Any, high: Any, until: Any, hot: Any, hot_count: Any,
    chosen: Any, chunk_signature: Any, ones: Any, stamp: Any, block_stamp: Any,
    slot: Any, strike: Any, padded_strike: Any, sign: Any, scenario_table: Any, vol_limits: Any, work: Any, width: int, slopes: Any,
    half: Any, reach: Any, bounds: Any, bound_rules: Any, seconds: Any, convexity: Any, confidence: Any, spot_scale: Any, token_held: Any,
    charge_rules: Any, standard_rules: Any, pace: float, horizon: int, account_signature: Any, box_scratch: Any, box_room: int,
    below: Any, counter: Any,
    grid: Any, sums: Any, stride: int, outputs: Any, standard: Any, kind: Any, near: Any, unit: Any,
    first: Any, instrument: Any, opens: Any, size: Any, contracts_held: Any, shorts_held: Any, perps_held: Any, funds: Any,
    collateral: Any,
    signature_start: Any, held: Any, length: Any, underlying: Any, group: Any, role: Any, portfolio: Any, joins: Any,
    own_spot: Any, own_mark: Any, step: Any, steep: Any, doubt: Any, dearest: Any, kappa: Any,
    own_token_price: Any, token_underlying: Any, kept_initial: Any, kept_maintenance: Any,
    rules: Any, terms: Any, limits: Any, scenarios: int, scratch: Any, figures: Any, others: Any, unsound: Any,
) -> int:  # fmt: skip
    """One tick; returns how many accounts were evaluated, or -1 where it needs a full pass and nothing was changed."""
    U = len(spot)
    if time > until_time:
        return _FULL
    fill_slots(time, spot, mark, forward, rate, svi, slot_underlying, expiry, slot_rules, slots)
    for e in range(len(expiry)):
        at = 16 * e
        if slots[at + 8] != base_slots[at + 8] or slots[at + 4] != base_slots[at + 4]:
            return _FULL
        if slots[at + 8] == 0.0:
            if slots[at] != base_slots[at]:
                return _FULL
        elif not abs(slots[at] * base_slots[at + 5] / (slots[at + 5] * base_slots[at]) - 1.0) <= DRIFT:
            return _FULL
        for column in range(9, 16):
            if slots[at + column] != base_slots[at + column]:
                return _FULL
    for k in range(len(token_price)):
        u = token_underlying[k]
        moved = base_token_price[k] if u < 0 or u >= U else base_token_price[k] * (spot[u] / base_slots[16 * u + 5])
        if not (token_price[k] == moved or abs(token_price[k] / moved - 1.0) <= (0.0 if u < 0 or u >= U else DRIFT)):
            return _FULL

    outside = time > epoch_time[0]
    for u in range(U):
        outside |= not (epoch[2 * u] <= spot[u] and spot[u] <= epoch[2 * u + 1])
    if outside:
        for u in range(U):
            epoch[2 * u], epoch[2 * u + 1] = spot[u] * (1.0 - band), spot[u] * (1.0 + band)
        epoch_time[0] = min(time + epoch_seconds, until_time)
        epoch_time[1] += 1
        count = 0
        for a in range(len(until)):
            covers = until[a] >= epoch_time[0]
            for u in range(U):
                covers &= low[a * U + u] <= epoch[2 * u] and high[a * U + u] >= epoch[2 * u + 1]
            hot[count] = a
            count += 0 if covers else 1
        hot_count[0] = count
    count = 0
    for place in range(hot_count[0]):
        a = hot[place]
        inside = until[a] >= time
        for u in range(U):
            inside &= low[a * U + u] <= spot[u] and spot[u] <= high[a * U + u]
        chosen[count] = a
        count += 0 if inside else 1
    if count == 0:
        return 0

    stamp[0] += 1
    fill_tick(
        time, spot, confidence, spot_scale, token_price, token_held, expiry, slots, slot_underlying, charge_rules, own_spot, own_mark, step,
        doubt, dearest, steep, seconds, convexity, own_token_price,
    )  # fmt: skip
    least_seconds = 1e18
    for e in range(len(expiry)):
        if e >= U and seconds[e] > 0:
            least_seconds = min(least_seconds, float(seconds[e]))
            tenor = max(0.5 * seconds[e], slot_rules[1])
            scale = (slot_rules[2] / tenor) ** (slot_rules[3] if tenor <= slot_rules[2] else slot_rules[4])
            half[2 * e], half[2 * e + 1] = 1.0 + slot_rules[5] * scale, 1.0 - slot_rules[6] * scale
    for number in range(count):
        a = chosen[number]
        chunk_signature[number] = account_signature[a]
        for p in range(first[a], first[a + 1]):
            i = np.int64(instrument[p])
            if stamp[1 + i] != stamp[0]:
                if block_stamp[i // 8] != stamp[0]:
                    price_eight(i // 8 * 8, slot, padded_strike, sign, slots, vol_limits, work, outputs, width)
                    block_stamp[i // 8] = stamp[0]
                stamp[1 + i] = stamp[0]
                price_row(i, slot, padded_strike, sign, slot_underlying, scenario_table, U, work, grid, width)
                slope_row(i, slot, sign, slot_underlying, scenario_table, U, work, outputs, slopes, width)
                fill_eight(
                    i // 8 * 8, slot, padded_strike, sign, slot_underlying, step, convexity, charge_rules, standard_rules, work, outputs,
                    width, sums, stride, near, steep, standard, scratch,
                )  # fmt: skip
                bound_row(
                    i, slot, kind, strike, slots, slot_underlying, seconds, half, reach, doubt, spot_scale, bound_rules, work, width,
                    bounds,
                )  # fmt: skip
    counter[0] = 0
    _margin_serial(
        grid, sums, stride, outputs, standard, kind, near, unit, first, instrument, opens, size, contracts_held, shorts_held, perps_held,
        funds, collateral,
        signature_start, held, length, underlying, group, role, portfolio, joins, own_spot, own_mark, step, steep, doubt, dearest, kappa,
        own_token_price, token_underlying, kept_initial, kept_maintenance, rules, terms, limits, scenarios, scratch,
        figures, others, unsound, chunk_signature[:count], chosen[:count], ones[:count], False, counter, 1,
    )  # fmt: skip
    counter[0] = 0
    _box_serial(
        chosen[:count], grid, slopes, sums, stride, bounds, unit, first, instrument, size, collateral, account_signature,
        signature_start, length, underlying, group, role, portfolio, joins, own_spot, kappa, own_token_price, token_underlying, reach,
        bound_rules, scenarios, figures, time, min(horizon, until_time - time), least_seconds, pace, box_scratch, box_room,
        low, high, until, below, counter, 1,
    )  # fmt: skip
    return count


class IncrementalBook:
    """Which accounts are below maintenance, tick by tick.

    prepared: the book; it is used by this object alone from then on. band: relative width of an epoch; volatility: per
    sqrt(year), only decides how much time a box allows for beside its spots, not whether it is right.
    Raises ParameterError for parameters under which the bounds do not hold (vol powers above 1/2).
    """

    def __init__(self, prepared: PreparedBook, band: float = 0.003, epoch_seconds: int = 600, volatility: float = 0.6) -> None:
        p, y, t = prepared.parameters, prepared.layout, prepared.table
        if max(p.vol_power_short, p.vol_power_long) > 0.5:
            raise ParameterError(f"expected vol powers of at most 0.5, got {p.vol_power_short} and {p.vol_power_long}")
        self.prepared, self.count = prepared, TickCount()
        self._band, self._epoch_seconds = band, epoch_seconds
        self._pace = volatility * volatility / SECONDS_PER_YEAR / 4.0
        A, U, width = prepared.book.accounts, len(t.plan.underlyings), t.width
        signatures = np.diff(y.signature_start)
        self._signature = np.zeros(A, dtype=np.int64)
        for q, start, count in zip(y.chunk_signature, y.chunk_start, y.chunk_count, strict=True):
            self._signature[start : start + count] = q
        self._slope = line_aligned(width * COLUMNS)
        self._bounds = line_aligned(width * BOUNDS)
        self._low, self._high = np.zeros(A * U), np.zeros(A * U)
        self._until = np.zeros(A, dtype=np.int64)
        self.below: NDArray[np.uint8] = np.zeros(A, dtype=np.uint8)
        self._hot, self._chosen, self._chunks = np.zeros((3, A + 1), dtype=np.int64)
        self._ones = np.ones(A, dtype=np.int64)
        self._all = np.arange(A)
        self._hot_count = np.zeros(1, dtype=np.int64)
        self._epoch, self._epoch_time = np.zeros(2 * U), np.zeros(2, dtype=np.int64)
        self._stamp = np.zeros(1 + width, dtype=np.int64)
        self._block_stamp = np.zeros(width // 8, dtype=np.int64)
        self._room = max(1, int(signatures.max(initial=0)))
        self._scratch = line_aligned(prepared.threads * 4 * self._room * COLUMNS)
        power = max(p.vol_power_short, p.vol_power_long)
        quick = 1.0 + 2.0 * power * max(p.vol_range_up, p.vol_range_down) * (2.0 * p.vol_tenor_pivot / p.vol_tenor_floor) ** power
        self._rules = np.array(
            [p.maintenance_factor, p.rate_charge, p.roll_min, p.roll_slope, p.short_option_rate, p.gamma_tenor, p.gamma_step, p.delta_cap,
             p.vega_rate, p.notional_floor, p.vol_floor_up, p.vol_floor_down, quick, p.short_option_maintenance,
             max(p.tier_1_maintenance, p.tier_2_maintenance, p.tier_3_maintenance), p.delta_free, p.vega_free, p.spot_contingency]
        )  # fmt: skip
        self._slot_rules = np.array(
            [p.max_basis, p.vol_tenor_floor, p.vol_tenor_pivot, p.vol_power_short, p.vol_power_long, p.vol_range_up, p.vol_range_down]
        )
        self._slots = np.zeros((len(t.plan.expiry), 16))
        self._arguments: tuple[Any, ...] = ()
        self._last = 0
        self._fixed: tuple[Floats, Floats] = (np.zeros(0), np.zeros(0))

    def tick(self, market: Market | MarketVector) -> NDArray[np.uint8]:
        """below [A], in the order of `PreparedBook.row`: 1 where health < 1, as PreparedBook.figures finds it. Updated by the
        next tick. Raises as PreparedBook.figures."""
        v = self.prepared.table.vector(market)
        self.count.ticks += 1
        evaluated = _FULL
        on_time, self._last = v.time >= self._last, v.time  # boxes reach forward in time only
        if on_time and self._arguments and np.array_equal(v.confidence, self._fixed[0]) and np.array_equal(v.spot_scale, self._fixed[1]):
            evaluated = _advance(v.time, v.spot, v.mark, v.forward, v.rate, v.svi, v.token_price, *self._arguments)
        if evaluated == _FULL:
            self.refresh(v)
        else:
            self.count.evaluated += evaluated
            if evaluated and self.prepared.is_unsound():
                raise BookError("expected finite figures, an account that left its box has none")
        self.count.epochs = int(self._epoch_time[1])
        return self.below

    def rows_below(self) -> Indices:
        """Rows of the book of the accounts that are below maintenance, ascending."""
        return np.sort(self.prepared.row[self.below == 1])

    def refresh(self, market: Market | MarketVector) -> None:
        """A full pass: figures of all accounts and a box around each."""
        v = self.prepared.table.vector(market)
        prepared, t, p = self.prepared, self.prepared.table, self.prepared.parameters
        self._arguments = ()
        prepared.figures(v)
        slots, plan, U = t.slots, t.plan, len(t.plan.underlyings)
        tick = prepared.tick_arrays(v, slots)
        dated = plan.expiry[U:]
        live = dated[dated > v.time]
        least = float((live - v.time).min()) if live.size else 1e18
        # A box ends before a leg expires or comes within the gamma tenor, and before half of the nearest expiry's time is over.
        events = np.concatenate([live - 1, (live - int(p.gamma_tenor) - 1)[live - p.gamma_tenor > v.time], [v.time + _SECONDS_PER_DAY]])
        until = int(min(events.min(), v.time + least / 2))
        tables = t.scenarios
        reach = np.array([(tables[3 * u + 2] * (1.0 + tables[3 * u])).max() for u in range(U)])
        tenor = np.maximum(0.5 * np.maximum(plan.expiry - v.time, 0), p.vol_tenor_floor)
        scale = (p.vol_tenor_pivot / tenor) ** np.where(tenor <= p.vol_tenor_pivot, p.vol_power_short, p.vol_power_long)
        half = np.ascontiguousarray(np.stack([1.0 + p.vol_range_up * scale, 1.0 - p.vol_range_down * scale], axis=1)).reshape(-1)
        flat, strike = slots.reshape(-1), prepared.book.table.strike
        _slopes(t.padded_slot, t.sign, plan.slot_underlying, tables.reshape(-1), U, t.work, t.outputs, self._slope, t.width)
        fill_bounds(
            plan.slot, prepared.kind, strike, flat, plan.slot_underlying, tick.seconds, half, reach, tick.doubt, v.spot_scale,
            self._rules, t.work, t.width, self._bounds,
        )  # fmt: skip
        y = prepared.layout
        margin_arguments = prepared.margin_arguments(tick)
        figures = margin_arguments[-3]
        horizon = _SECONDS_PER_DAY
        box_accounts(
            self._all, t.flat_grid, self._slope, t.sums, t.stride, self._bounds, tick.unit, y.first, y.instrument, y.size,
            y.collateral, self._signature, y.signature_start, y.length, y.underlying, y.group, y.role, y.portfolio, y.joins,
            tick.spot, prepared.kappa, tick.token_price, prepared.token_underlying, reach, self._rules, len(t.moving), figures, v.time,
            min(horizon, until - v.time), least, self._pace, self._scratch, self._room, self._low, self._high, self._until, self.below,
            np.zeros(1, dtype=np.int64), prepared.threads,
        )  # fmt: skip
        self._epoch[::2], self._epoch[1::2] = np.inf, -np.inf  # the next tick begins an epoch
        self._fixed = v.confidence.copy(), v.spot_scale.copy()
        self._arguments = (
            until, flat.copy(), tick.token_price.copy(), self._slot_rules, plan.slot_underlying, plan.expiry, self._slots.reshape(-1),
            self._epoch, self._epoch_time, self._band, self._epoch_seconds, self._low, self._high, self._until, self._hot, self._hot_count,
            self._chosen, self._chunks, self._ones, self._stamp, self._block_stamp,
            t.padded_slot, strike, t.padded_strike, t.sign, tables.reshape(-1).copy(), t.vol_limits, t.work, t.width, self._slope,
            half, reach, self._bounds, self._rules, tick.seconds, tick.convexity, *self._fixed, prepared.held, t.charge_rules,
            t.standard_rules, self._pace, horizon, self._signature, self._scratch, self._room, self.below,
            np.zeros(1, dtype=np.int64), *margin_arguments,
        )  # fmt: skip
        self.count.full += 1
