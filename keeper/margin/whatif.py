"""Questions about one account: margin after some legs, and the spot at which it would be liquidated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from keeper.errors import BookError
from keeper.margin.book import Book, Leg
from keeper.margin.requirement import MarginResult, margin
from keeper.model import Market, Parameters
from keeper.pricing import price_table

__all__ = ["LiquidationPrices", "WhatIf", "liquidation_prices", "what_if"]

_SCAN_RATIO = 1.02
"""Step of the scan for the nearest crossing: finer than the distance between two points of the core grid."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Margin of one account (row 0 of both results) before and after."""

    before: MarginResult
    after: MarginResult


@dataclass(frozen=True, slots=True)
class LiquidationPrices:
    """The nearest spots below and above at which margin equity equals maintenance margin, USD; None where there is none
    inside the searched range."""

    below: float | None
    above: float | None


def what_if(book: Book, row: int, legs: Sequence[Leg], market: Market, parameters: Parameters, cash_change: float = 0.0) -> WhatIf:
    """Margin of the account in `row` before and after trading `legs` (at mark where a leg names no price) and a change of
    cash in USD. No fees. Raises as `margin`, and BookError for a cash change that is not finite."""
    if not np.isfinite(cash_change):
        raise BookError(f"cash_change: expected a finite amount, got {cash_change!r}")
    alone = book.select([row], extra=[leg.instrument for leg in legs])
    priced = price_table(alone.table, market, parameters)
    rows = alone.table.rows()
    traded = [rows[leg.instrument] for leg in legs]
    prices = [float(priced.value[i]) if leg.price is None else leg.price for i, leg in zip(traded, legs, strict=True)]
    after = alone.with_trades(0, traded, [leg.size for leg in legs], prices, cash_change)
    return WhatIf(margin(alone, market, parameters, priced), margin(after, market, parameters, priced))


def liquidation_prices(
    book: Book, row: int, underlying: int, market: Market, parameters: Parameters, search: float = 20.0
) -> LiquidationPrices:
    """Spots of `underlying` at which the account in `row` has margin equity = maintenance margin (margin.md section 6).

    Mark, forwards and the collateral that is this underlying move in proportion (the basis is unchanged), vols stay, the
    other underlyings too. Searched from spot / search to spot * search; where the surplus changes sign more than once,
    the crossing nearest to the spot on each side. Raises as `margin`.
    """
    alone = book.select([row])
    spot = market.underlying(underlying).spot
    tokens = tuple(c.token for c in parameters.collateral if c.underlying == underlying)
    if search <= 1.0 or not np.isfinite(search):
        raise BookError(f"search: expected a finite factor > 1, got {search!r}")

    def surplus(log_factor: float) -> float:
        moved = market.moved(underlying, float(np.exp(log_factor)), tokens)
        return -float(margin(alone, moved, parameters).shortfall[0])

    end = float(np.log(search))
    below, above = (_nearest_root(surplus, side * end) for side in (-1.0, 1.0))
    return LiquidationPrices(
        below=None if below is None else spot * float(np.exp(below)),
        above=None if above is None else spot * float(np.exp(above)),
    )


def _nearest_root(function: Callable[[float], float], end: float) -> float | None:
    """The root nearest to 0 between 0 and `end`, None where the scanned signs are all alike."""
    steps = int(np.ceil(abs(end) / np.log(_SCAN_RATIO)))
    left, at_left = 0.0, function(0.0)
    for right in np.linspace(0.0, end, steps + 1)[1:].tolist():
        at_right = function(right)
        if at_left == 0.0:
            return left
        if np.sign(at_left) != np.sign(at_right):
            return float(brentq(function, left, right, xtol=1e-14, rtol=8.9e-16))
        left, at_left = right, at_right
    return left if at_left == 0.0 else None
