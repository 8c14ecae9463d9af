"""The market as the few hundred numbers that kernels read: spots, forwards, rates and slices, in fixed places.

`Market` is for people and checks; a tick that only moves numbers can build a `MarketVector` directly, or from the last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.errors import MarketError
from keeper.kernels.pricing import fill_slots
from keeper.model import Kind, Market, Parameters, VolDirection
from keeper.pricing import InstrumentTable, scenario_shocks

__all__ = ["MarketPlan", "MarketVector", "moving_scenarios"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SLICE = ("a", "b", "rho", "m", "sigma", "ref_forward", "ref_tau")


@dataclass(frozen=True, slots=True)
class MarketVector:
    """One tick for U underlyings (ascending) and E dated slots (ascending by underlying and expiry), float64 USD.

    time: unix seconds; spot, mark, confidence, spot_scale [U]; forward [E]: at or after expiry the settlement price, or
    the running average; rate [E] per year; svi [E, 7]: a, b, rho, m, sigma, ref_forward, ref_tau, NaN without a slice;
    token_price [K], in the order of the parameters' collateral, NaN where the market quotes none.
    """

    time: int
    spot: Floats
    mark: Floats
    confidence: Floats
    spot_scale: Floats
    forward: Floats
    rate: Floats
    svi: Floats
    token_price: Floats


@dataclass(frozen=True, slots=True)
class MarketPlan:
    """Where an instrument table finds its numbers: slots are the U perps, then the E dated (underlying, expiry).

    underlyings [U]; dated: E keys; slot [I] of each instrument; slot_underlying [U + E] row; expiry [U + E], 0 for perps;
    needs_slice [U + E]: there are options in the slot; tokens: names of the collateral.
    """

    underlyings: tuple[int, ...]
    dated: tuple[tuple[int, int], ...]
    slot: Indices
    slot_underlying: Indices
    expiry: Indices
    needs_slice: NDArray[np.bool_]
    tokens: tuple[str, ...]

    @classmethod
    def of(cls, table: InstrumentTable, underlyings: tuple[int, ...], tokens: tuple[str, ...]) -> MarketPlan:
        """underlyings: those of the market, ascending. Raises MarketError where an instrument is on another."""
        row = {index: u for u, index in enumerate(underlyings)}
        unknown = sorted(set(table.underlying.tolist()) - set(underlyings))
        if unknown:
            raise MarketError(f"expected instruments on the underlyings {list(underlyings)}, got underlying {unknown[0]}")
        keys = list(zip(table.underlying.tolist(), table.expiry.tolist(), strict=True))
        dated = tuple(sorted({key for key in keys if key[1]}))
        place = {(index, 0): u for index, u in row.items()} | {key: len(row) + e for e, key in enumerate(dated)}
        slot = np.array([place[key] for key in keys], dtype=np.int64)
        needs = np.zeros(len(place), dtype=np.bool_)
        needs[slot[table.kind >= Kind.CALL]] = True
        return cls(
            underlyings,
            dated,
            slot,
            slot_underlying=np.array([*range(len(row)), *(row[u] for u, _ in dated)], dtype=np.int64),
            expiry=np.array([0] * len(row) + [e for _, e in dated], dtype=np.int64),
            needs_slice=needs,
            tokens=tokens,
        )

    def read(self, market: Market) -> MarketVector:
        """Raises MarketError where the market lacks an underlying, an expiry or, for options that have not expired, the
        slice."""
        if tuple(market.underlyings) != self.underlyings:
            raise MarketError(f"expected the underlyings {list(self.underlyings)}, got {list(market.underlyings)}")
        quotes = tuple(market.underlyings.values())
        quoted = {(index, e.expiry): e for index, u in market.underlyings.items() for e in u.expiries}
        forward, rate, slices = np.empty(len(self.dated)), np.empty(len(self.dated)), np.full((len(self.dated), len(SLICE)), np.nan)
        for position, key in enumerate(self.dated):
            if key not in quoted:
                known = [e for u, e in quoted if u == key[0]]
                raise MarketError(f"underlying {key[0]}: expected a forward for expiry {key[1]}, the market quotes {known}")
            e = quoted[key]
            forward[position] = e.forward if e.expiry > market.time else e.settlement or e.forward
            rate[position] = e.rate
            if e.svi is not None:
                slices[position] = [getattr(e.svi, name) for name in SLICE]
            elif e.expiry > market.time and self.needs_slice[len(self.underlyings) + position]:
                raise MarketError(f"underlying {key[0]}: expected an SVI slice for expiry {key[1]}, it is quoted without")
        return MarketVector(
            time=market.time,
            spot=np.array([u.spot for u in quotes], dtype=np.float64),
            mark=np.array([u.mark for u in quotes], dtype=np.float64),
            confidence=np.array([u.confidence for u in quotes], dtype=np.float64),
            spot_scale=np.array([u.spot_scale for u in quotes], dtype=np.float64),
            forward=forward,
            rate=rate,
            svi=slices,
            token_price=np.array([market.token_prices.get(token, np.nan) for token in self.tokens], dtype=np.float64),
        )

    def slots(self, vector: MarketVector, parameters: Parameters) -> Floats:
        """[U + E, 16], one line pair per slot, what an instrument of the slot is priced from: forward, tau, sqrt(tau),
        discount, rate, spot, 1 + up range x h(T), 1 - down range x h(T), live, slice (7)."""
        p = parameters
        rules = np.array(
            [p.max_basis, p.vol_tenor_floor, p.vol_tenor_pivot, p.vol_power_short, p.vol_power_long, p.vol_range_up, p.vol_range_down]
        )
        table = np.zeros((len(self.expiry), 16))
        v = vector
        fill_slots(v.time, v.spot, v.mark, v.forward, v.rate, v.svi, self.slot_underlying, self.expiry, rules, table.reshape(-1))
        return table

    def scenarios(self, vector: MarketVector, parameters: Parameters) -> Floats:
        """[U, 3, 40] relative shock, ln(1 + shock), weight; then the three vol directions' masks follow as [3, 40]. The
        scenarios are those of `moving_scenarios`."""
        shocks, moving = scenario_shocks(vector.spot_scale, parameters), moving_scenarios(parameters)
        S, U = len(moving), len(self.underlyings)
        table = np.zeros((3 * U + 3, 40))
        for u in range(U):
            table[3 * u, :S] = shocks.spot[u, moving]
            table[3 * u + 1, :S] = np.log1p(shocks.spot[u, moving])
            table[3 * u + 2, :S] = shocks.weight[moving]
        table[3 * U, :] = 1.0
        for direction in (1, 2):
            table[3 * U, :S][shocks.vol[moving] == direction] = 0.0
            table[3 * U + direction, :S][shocks.vol[moving] == direction] = 1.0
        return table


def moving_scenarios(parameters: Parameters) -> Indices:
    """Numbers of the scenarios in which anything changes. The others, without any shock, have no loss, which every worst
    case includes anyway: their columns are left to sums."""
    moves = [number for number, s in enumerate(parameters.scenarios) if s.spot_shock != 0.0 or s.vol is not VolDirection.NONE]
    return np.array(moves, dtype=np.int64)
