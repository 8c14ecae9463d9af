"""SPAN's scan risk: sixteen scenarios of price and vol, the worst of the weighted sums of the positions' risk arrays.

Moves are fractions of the price scan range, vols move by the vol scan range up and down (absolute points); two extreme
moves of twice the range count with 35 %. (CME, Standard Portfolio Analysis of Risk, 1988; McMillan, ch. 34.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.errors import BookError
from keeper.methods import presets
from keeper.methods.grid import OptionPositions, ScenarioTable, current_values, shocked_values
from keeper.model import VolDirection

__all__ = ["METHOD", "linear_risk_array", "option_risk_array", "scan_risk", "scenarios"]

METHOD = "span"
Floats = NDArray[np.float64]


def scenarios(price_scan: float, name: str = "span-16") -> ScenarioTable:
    """The table as relative moves; price_scan: the price scan range relative to the price."""
    rows = presets.load(name, METHOD)["scenarios"]
    return ScenarioTable.of([(x * price_scan, VolDirection[v], w, w < 1.0) for x, v, w in rows])


def linear_risk_array(price: ArrayLike, price_scan: float) -> Floats:
    """[N, 16] P&L of one future each at `price` [N], in its unit."""
    table = scenarios(price_scan)
    return np.multiply.outer(np.asarray(price, dtype=np.float64), table.spot * table.weight)


def option_risk_array(options: OptionPositions, price_scan: float, vol_scan: float) -> Floats:
    """[N, 16] P&L of one contract of each option (sizes do not enter), USD; vols fall to zero at the least."""
    table = scenarios(price_scan)
    by_direction = {VolDirection.NONE: 0.0, VolDirection.UP: vol_scan, VolDirection.DOWN: -vol_scan}
    vols = np.maximum(0.0, options.vol[:, None] + np.array([by_direction[d] for d in VolDirection]))
    return np.asarray((shocked_values(options, table, vols) - current_values(options)[:, None]) * table.weight)


def scan_risk(arrays: ArrayLike, size: ArrayLike) -> float:
    """The worst loss of a portfolio >= 0: arrays [N, S] P&L per contract long, size [N] signed contracts."""
    pnl, n = np.asarray(arrays, dtype=np.float64), np.asarray(size, dtype=np.float64)
    if pnl.ndim != 2 or n.shape != pnl.shape[:1]:
        raise BookError(f"risk arrays: expected [N, S] and sizes [N], got {pnl.shape} and {n.shape}")
    return max(0.0, -float((n @ pnl).min()))
