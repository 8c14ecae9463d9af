"""What instruments bring to charges and to standard margin, per contract: one short row each, once per tick."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keeper.kernels.compilation import forced_inline, kernel
from keeper.model import Parameters

__all__ = ["CHARGED", "NETTED", "STANDARD", "charge_terms", "fill_rows", "fill_standard_row", "fill_sums_row"]

CHARGED = 2
"""First of the six lanes of a row's last vector that hold sums, not scenarios: netted per expiry and charged in absolute
value: rate charge, roll charge; summed: value, delta x spot, vega, minus half of near gamma x step^2."""

NETTED = 0b1100
"""Bits of the lanes that are netted per expiry."""

STANDARD = 8
"""Lanes of an instrument's standard margin: of one contract bought, then of one sold, each: initial, maintenance (both
without paid-up options), mark of a long option, value."""


@forced_inline
def fill_sums_row(
    i: int, slot: Any, kind: Any, slots: Any, slot_underlying: Any, seconds: Any, spot_scale: Any, charges: Any, outputs: Any,
    width: int, sums: Any, stride: int, steep: Any,
) -> None:  # fmt: skip
    """sums [i, 2 .. 7], rows of `stride`, from outputs [8, width] of price_slots; steep [U]: 1 where the gamma charge of one
    contract could exceed its cap. charges: rate_charge, roll_min, roll_slope, gamma_tenor, gamma_step."""
    at = slot[i] * 16
    spot, tau = slots[at + 5], slots[at + 1]
    step = spot * charges[4] * spot_scale[slot_underlying[slot[i]]]
    near = kind[i] >= 2 and seconds[slot[i]] <= charges[3]
    delta = outputs[width + i]
    row = i * stride
    sums[row + CHARGED] = charges[0] * outputs[5 * width + i]
    sums[row + CHARGED + 1] = delta * spot * max(charges[1], charges[2] * tau)
    sums[row + CHARGED + 2] = outputs[i]
    sums[row + CHARGED + 3] = delta * spot
    sums[row + CHARGED + 4] = outputs[3 * width + i]
    gap = 0.5 * outputs[2 * width + i] * step * step if near else 0.0
    sums[row + CHARGED + 5] = -gap
    if gap > step:
        steep[slot_underlying[slot[i]]] = 1


@forced_inline
def fill_standard_row(
    i: int, slot: Any, kind: Any, strike: Any, slots: Any, slot_underlying: Any, rates: Any, outputs: Any, standard: Any, dearest: Any
) -> None:
    """standard [i, 8]; dearest [U]: the largest value of a perp or future. rates: short_option_initial, its minimum,
    short_option_maintenance, short_initial_over_maintenance, tier_1_initial, tier_1_maintenance."""
    mark, row = outputs[i], i * STANDARD
    if kind[i] < 2:
        u = slot_underlying[slot[i]]
        dearest[u] = max(dearest[u], mark)
        standard[row] = standard[row + 4] = rates[4] * mark
        standard[row + 1] = standard[row + 5] = rates[5] * mark
        standard[row + 2] = 0.0
    else:
        spot = slots[slot[i] * 16 + 5]
        call = kind[i] == 2
        away = max(0.0, strike[i] - spot) if call else max(0.0, spot - strike[i])
        base = spot if call else max(spot, mark)
        maintenance = rates[2] * base + mark
        initial = max(rates[0] * spot - away, rates[1] * spot) + mark
        standard[row] = standard[row + 1] = 0.0
        standard[row + 2] = mark
        standard[row + 4] = max(initial, rates[3] * maintenance)
        standard[row + 5] = maintenance
    standard[row + 3], standard[row + 6], standard[row + 7] = mark, 0.0, -mark


@kernel
def fill_rows(
    slot: Any, kind: Any, strike: Any, slots: Any, slot_underlying: Any, seconds: Any, spot_scale: Any, charges: Any, rates: Any,
    outputs: Any, width: int, sums: Any, stride: int, steep: Any, standard: Any, dearest: Any,
) -> None:  # fmt: skip
    """fill_sums_row and fill_standard_row of all instruments."""
    steep[:] = 0
    dearest[:] = 0.0
    for i in range(len(kind)):
        fill_sums_row(i, slot, kind, slots, slot_underlying, seconds, spot_scale, charges, outputs, width, sums, stride, steep)
        fill_standard_row(i, slot, kind, strike, slots, slot_underlying, rates, outputs, standard, dearest)


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
