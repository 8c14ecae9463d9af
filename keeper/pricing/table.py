"""Instruments as a structure of arrays, and the market read once for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.errors import MarketError
from keeper.model import SECONDS_PER_YEAR, ExpiryMarket, Instrument, Kind, Market, Parameters
from keeper.pricing import svi

__all__ = ["InstrumentTable", "Quotes", "read_quotes"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class InstrumentTable:
    """I distinct instruments. instruments: the objects; kind [I] (Kind); underlying [I] (index 0..255); expiry [I] unix
    seconds, 0 for perps; strike [I] USD, 0.0 for perps and futures."""

    instruments: tuple[Instrument, ...]
    kind: NDArray[np.uint8]
    underlying: NDArray[np.uint8]
    expiry: Integers
    strike: Floats

    @classmethod
    def of(cls, instruments: Iterable[Instrument]) -> InstrumentTable:
        """The distinct instruments, in the order of first appearance."""
        unique = tuple(dict.fromkeys(instruments))
        return cls(
            unique,
            np.array([i.kind for i in unique], dtype=np.uint8),
            np.array([i.underlying for i in unique], dtype=np.uint8),
            np.array([i.expiry for i in unique], dtype=np.int64),
            np.array([i.strike for i in unique], dtype=np.float64),
        )

    def __len__(self) -> int:
        return len(self.instruments)

    @property
    def is_option(self) -> NDArray[np.bool_]:
        """bool [I]"""
        return self.kind >= Kind.CALL

    def rows(self) -> dict[Instrument, int]:
        """Instrument -> its row."""
        return {instrument: row for row, instrument in enumerate(self.instruments)}


@dataclass(frozen=True, slots=True)
class Quotes:
    """The market aligned with an instrument table.

    Per underlying, U of them in the ascending order of `underlyings`: spot, mark (clamped to the basis band), confidence,
    spot_scale, all [U]. Per instrument [I]: underlying_row (row in [U]); seconds to expiry, never negative; tau in years;
    live (not yet at expiry; always for perps); forward in USD (perps: the mark; at or after expiry: the settlement price,
    or the running average while it is not fixed); rate per year; vol per sqrt(year), 0 for all but options.
    """

    underlyings: NDArray[np.int64]
    spot: Floats
    mark: Floats
    confidence: Floats
    spot_scale: Floats
    underlying_row: NDArray[np.int64]
    seconds: Integers
    tau: Floats
    live: NDArray[np.bool_]
    forward: Floats
    rate: Floats
    vol: Floats


def read_quotes(table: InstrumentTable, market: Market, parameters: Parameters) -> Quotes:
    """Looks up every instrument's underlying and expiry. Raises MarketError where the market lacks an underlying, an
    expiry or, for an option that has not expired, its SVI slice."""
    indices = np.array(list(market.underlyings), dtype=np.int64)
    quotes = list(market.underlyings.values())
    unknown = sorted(set(table.underlying.tolist()) - set(market.underlyings))
    if unknown:
        raise MarketError(f"expected instruments on the underlyings {list(market.underlyings)}, got underlying {unknown[0]}")
    spot = np.array([u.spot for u in quotes], dtype=np.float64)
    mark = np.clip(
        np.array([u.mark for u in quotes], dtype=np.float64),
        spot * (1.0 - parameters.max_basis),
        spot * (1.0 + parameters.max_basis),
    )
    row = np.searchsorted(indices, table.underlying.astype(np.int64))

    expiries = _expiries(table, market)
    dated = table.expiry > 0
    which = np.zeros(len(table), dtype=np.int64)
    known: dict[tuple[int, int], int] = {key: position for position, key in enumerate(expiries)}
    which[dated] = [known[u, e] for u, e in zip(table.underlying[dated].tolist(), table.expiry[dated].tolist(), strict=True)]

    seconds = np.where(dated, np.maximum(table.expiry - market.time, 0), 0)
    live = ~dated | (table.expiry > market.time)
    forward, rate = mark[row], np.zeros(len(table))
    if expiries:
        columns = np.array([(e.forward if e.expiry > market.time else e.settlement or e.forward, e.rate) for e in expiries.values()])
        forward = np.where(dated, columns[which, 0], forward)
        rate = np.where(dated, columns[which, 1], rate)
    return Quotes(
        underlyings=indices,
        spot=spot,
        mark=mark,
        confidence=np.array([u.confidence for u in quotes], dtype=np.float64),
        spot_scale=np.array([u.spot_scale for u in quotes], dtype=np.float64),
        underlying_row=row,
        seconds=seconds,
        tau=seconds / SECONDS_PER_YEAR,
        live=live,
        forward=forward,
        rate=rate,
        vol=_vols(table, which, tuple(expiries.values()), live, parameters),
    )


def _expiries(table: InstrumentTable, market: Market) -> dict[tuple[int, int], ExpiryMarket]:
    quoted = {(index, e.expiry): e for index, u in market.underlyings.items() for e in u.expiries}
    needed = sorted({(i.underlying, i.expiry) for i in table.instruments if i.kind is not Kind.PERP})
    for underlying, expiry in needed:
        if (underlying, expiry) not in quoted:
            known = [e for u, e in quoted if u == underlying]
            raise MarketError(f"underlying {underlying}: expected a forward for expiry {expiry}, the market quotes {known}")
    return {key: quoted[key] for key in needed}


def _vols(
    table: InstrumentTable,
    which: NDArray[np.int64],
    expiries: tuple[ExpiryMarket, ...],
    live: NDArray[np.bool_],
    parameters: Parameters,
) -> Floats:
    vols = np.zeros(len(table))
    options = np.flatnonzero(table.is_option & live)
    if not options.size:
        return vols
    for row in options:
        if expiries[which[row]].svi is None:
            raise MarketError(f"expected an SVI slice for {table.instruments[row]}, its expiry is quoted without")
    names = ("ref_forward", "ref_tau", "a", "b", "rho", "m", "sigma")
    slices = np.array([[getattr(e.svi, name, np.nan) for name in names] for e in expiries])
    ref_forward, ref_tau, a, b, rho, m, sigma = slices[which[options]].T
    strike = table.strike[options]
    vols[options] = svi.implied_vol(strike, ref_forward, ref_tau, a, b, rho, m, sigma, clamp=parameters.svi_clamp)
    return vols
