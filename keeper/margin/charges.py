"""Charges on top of the stress loss and the Greeks they are made of, per segment (margin.md section 3)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from keeper.margin.book import Book, sum_by
from keeper.margin.stress import JoinedCollateral, segment_rows
from keeper.model import Kind, Parameters
from keeper.pricing import PricedTable

__all__ = ["Charges", "SegmentGreeks", "segment_charges", "segment_greeks"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SegmentGreeks:
    """Sums over the legs of each segment, all [G], against the spot (forwards move in proportion).

    delta: units of underlying, the delta-equivalent; gamma: units per USD; vega: USD per 1.00 of vol; theta: USD per
    calendar day; rho: USD per 1.00 of rate at fixed forwards; vanna: units per 1.00 of vol; volga: USD per 1.00^2.
    """

    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    rho: Floats
    vanna: Floats
    volga: Floats


@dataclass(frozen=True, slots=True)
class Charges:
    """USD per segment, all [G], all >= 0; the names are those of margin.md section 3."""

    rate: Floats
    roll: Floats
    short_options: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    oracle: Floats
    spot_contingency: Floats

    @property
    def total(self) -> Floats:
        """[G]"""
        return np.asarray(sum(getattr(self, item.name) for item in fields(self)))


def segment_greeks(book: Book, priced: PricedTable, joined: JoinedCollateral) -> SegmentGreeks:
    """Greeks of every segment; a unit of joined collateral has delta 1."""
    segment = book.position_segment
    sums = {
        item.name: sum_by(segment, book.size * getattr(priced, item.name)[book.instrument], book.segments) for item in fields(SegmentGreeks)
    }
    sums["delta"] = sums["delta"] + joined.quantity
    return SegmentGreeks(**sums)


def segment_charges(book: Book, priced: PricedTable, joined: JoinedCollateral, greeks: SegmentGreeks, parameters: Parameters) -> Charges:
    """All charges of every segment. Expired legs count where a rule counts sizes, not where it counts Greeks."""
    p, G, table, quotes = parameters, book.segments, book.table, priced.quotes
    i, size, segment = book.instrument, book.size, book.position_segment
    row = segment_rows(book, priced)
    spot, scale = quotes.spot[row], quotes.spot_scale[row]
    kind = table.kind[i]
    is_option = kind >= Kind.CALL

    # Per expiry: buckets are runs of positions, those of perps have expiry 0.
    def by_bucket(values: Floats) -> Floats:
        return sum_by(book.bucket, values, len(book.bucket_segment))

    def by_segment(values: Floats) -> Floats:
        return sum_by(book.bucket_segment, values, G)

    first = i[book.bucket_first]
    tenor_rate = np.maximum(p.roll_min, p.roll_slope * quotes.tau[first])
    delta_e = by_bucket(size * priced.delta[i])
    undated = table.expiry[first] == 0
    dated_roll = by_segment(np.where(undated, 0.0, np.abs(delta_e) * tenor_rate))
    undated_delta = by_segment(np.where(undated, delta_e, 0.0)) + joined.quantity
    short_calls = np.maximum(0.0, -by_bucket(np.where(kind == Kind.CALL, size, 0.0)))
    short_puts = np.maximum(0.0, -by_bucket(np.where(kind == Kind.PUT, size, 0.0)))

    # Gamma: what a book that is short gamma close to expiry loses between two points of the core grid.
    near = is_option & (quotes.seconds[i] <= p.gamma_tenor)
    near_gamma = sum_by(segment, np.where(near, size * priced.gamma[i], 0.0), G)
    near_short = sum_by(segment, np.where(near, np.maximum(0.0, -size), 0.0), G)
    step = spot * p.gamma_step * scale
    gap = 0.5 * np.maximum(0.0, -near_gamma) * step * step

    # Delta: market impact of closing, beyond what the market absorbs.
    excess = np.maximum(0.0, np.abs(greeks.delta) * spot - p.delta_free)

    # Oracle: a doubtful price is doubtful for every unit, hedged or not.
    price = np.where(kind == Kind.PERP, quotes.mark[row[segment]], spot[segment])
    exposure = sum_by(segment, np.abs(size) * price, G)
    confidence = quotes.confidence[row]

    return Charges(
        rate=p.rate_charge * by_segment(np.abs(by_bucket(size * priced.rho[i]))),
        roll=spot * (dated_roll + np.abs(undated_delta) * p.roll_min),
        short_options=p.short_option_rate * spot * by_segment(short_calls + short_puts),
        delta=excess * np.minimum(p.delta_slope * excess, p.delta_cap),
        gamma=np.minimum(gap, step * near_short),
        vega=p.vega_rate * np.maximum(0.0, np.abs(greeks.vega) - p.vega_free),
        oracle=np.where(confidence < p.confidence_threshold, (1.0 - confidence) * exposure, 0.0),
        spot_contingency=p.spot_contingency * joined.value,
    )
