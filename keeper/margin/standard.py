"""Standard margin of CROSS and ISOLATED accounts: each position on its own, no offsets (margin.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.margin.book import Book
from keeper.model import Kind, Parameters
from keeper.pricing import PricedTable

__all__ = ["StandardMargin", "standard_margin", "tiered"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StandardMargin:
    """USD per position, all [P]. long_option: the mark of a long option, which is its whole requirement; else 0."""

    initial: Floats
    maintenance: Floats
    long_option: Floats


def tiered(notional: Floats, rates: tuple[float, float, float], parameters: Parameters) -> Floats:
    """Marginal rates like tax brackets: rates[0] up to tier_1_limit USD, rates[1] up to tier_2_limit, rates[2] above.

    notional: USD >= 0, any shape.
    """
    first, second = parameters.tier_1_limit, parameters.tier_2_limit
    return np.asarray(
        rates[0] * np.minimum(notional, first)
        + rates[1] * np.clip(notional - first, 0.0, second - first)
        + rates[2] * np.maximum(notional - second, 0.0)
    )


def standard_margin(book: Book, priced: PricedTable, parameters: Parameters) -> StandardMargin:
    """Initial and maintenance requirement of every position."""
    p, i = parameters, book.instrument
    contracts, mark = np.abs(book.size), priced.value[i]
    spot = priced.quotes.spot[priced.quotes.underlying_row][i]
    kind, strike = book.table.kind[i], book.table.strike[i]
    call, option = kind == Kind.CALL, kind >= Kind.CALL
    long_option = np.where(option & (book.size > 0.0), contracts * mark, 0.0)

    otm = np.maximum(0.0, np.where(call, strike - spot, spot - strike))
    initial = np.maximum(p.short_option_initial * spot - otm, p.short_option_initial_min * spot) + mark
    base = np.where(call, spot, np.maximum(spot, mark))
    maintenance = p.short_option_maintenance * base + mark
    initial = np.maximum(initial, p.short_initial_over_maintenance * maintenance)

    notional = contracts * mark
    linear_initial = tiered(notional, (p.tier_1_initial, p.tier_2_initial, p.tier_3_initial), p)
    linear_maintenance = tiered(notional, (p.tier_1_maintenance, p.tier_2_maintenance, p.tier_3_maintenance), p)

    short_option = option & (book.size < 0.0)
    return StandardMargin(
        initial=np.where(short_option, contracts * initial, np.where(option, long_option, linear_initial)),
        maintenance=np.where(short_option, contracts * maintenance, np.where(option, long_option, linear_maintenance)),
        long_option=long_option,
    )
