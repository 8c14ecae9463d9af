"""The seeded book and market of the kernel benchmark: 2,000 instruments, any number of positions, a tenth as many accounts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keeper.margin import Book
from keeper.model import (
    DPRE_1,
    Collateral,
    CorrelationGroup,
    ExpiryMarket,
    Instrument,
    MarginMode,
    Market,
    Parameters,
    SviSlice,
    UnderlyingMarket,
)
from keeper.pricing import InstrumentTable, price_table

__all__ = ["NOW", "PARAMETERS", "make_book", "make_market", "make_table"]

NOW = 1_780_000_000
DAY = 86_400
TENORS = (1.37, 3.4, 7.4, 14.4, 28.4, 56.4, 91.4, 182.4, 365.4)  # days
STRIKES = 55  # per expiry, calls and puts: 1 perp + 9 x (1 future + 110 options) = 1,000 per underlying
SPOTS = (80_000.0, 3_000.0)
VOLS = (0.55, 0.75)

PARAMETERS: Parameters = DPRE_1.with_collateral(Collateral("WETH", 0.20, 0.15, underlying=1))


def make_market(time: int = NOW, kappa: float = 0.4) -> Market:
    """Two underlyings in one group; forwards carry 3 % a year."""
    return Market(
        time,
        {
            u: UnderlyingMarket(spot, spot * 1.0004, expiries=_expiries(spot, vol))
            for u, (spot, vol) in enumerate(zip(SPOTS, VOLS, strict=True))
        },
        (CorrelationGroup((0, 1), kappa),),
        {"WETH": SPOTS[1]},
    )


def _expiries(spot: float, vol: float) -> tuple[ExpiryMarket, ...]:
    made = []
    for days in TENORS:
        years = days / 365
        w = vol * vol * years
        forward = spot * float(np.exp(0.03 * years))
        made.append(ExpiryMarket(NOW + round(days * DAY), forward, 0.03, SviSlice(0.5 * w, 0.9 * w, -0.2, 0.02, 0.5, forward, years)))
    return tuple(made)


def make_table(market: Market) -> InstrumentTable:
    """The 2,000 instruments; strikes 2.5 standard deviations around each forward."""
    listed = []
    for index, quote in market.underlyings.items():
        listed.append(Instrument.perp(index))
        for e, days in zip(quote.expiries, TENORS, strict=True):
            listed.append(Instrument.future(index, e.expiry))
            width = VOLS[index] * np.sqrt(days / 365) * 2.5
            for k in np.linspace(-width, width, STRIKES).tolist():
                strike = round(e.forward * float(np.exp(k)), 4)
                listed += [Instrument.call(index, e.expiry, strike), Instrument.put(index, e.expiry, strike)]
    return InstrumentTable.of(listed)


def make_book(
    positions: int, table: InstrumentTable, market: Market, seed: int = 1, portfolio_share: float = 1.0, cushion: float = 1.6
) -> Book:
    """positions: exactly so many; accounts: a tenth; positions per account are gamma (shape 2) around 10, instruments
    uniform, which is the hardest for caches. Cash makes the ratio of equity to gross notional lognormal around `cushion`
    times a tenth, so that health spreads over a range and few accounts stand at the edge, as on a venue."""
    rng = np.random.default_rng(seed)
    accounts = max(1, positions // 10)
    weight = rng.gamma(2.0, 1.0, accounts)
    key = np.zeros(0, dtype=np.int64)
    while len(key) < positions:
        more = rng.choice(accounts, size=positions - len(key), p=weight / weight.sum())
        key = np.unique(np.concatenate([key, more * len(table) + rng.integers(0, len(table), len(more))]))
    owner, instrument = key // len(table), key % len(table)
    spot = np.array([u.spot for u in market.underlyings.values()])[table.underlying[instrument]]
    size = np.round(rng.normal(0.0, 2e4, positions) / spot, 6)
    size[size == 0.0] = 1e-3
    value = price_table(table, market, PARAMETERS).value[instrument]
    gross: NDArray[np.float64] = np.bincount(owner, np.abs(size) * spot, accounts)
    collateral = np.zeros((accounts, 1))
    holders = rng.random(accounts) < 0.1
    collateral[holders, 0] = np.round(rng.uniform(0.1, 3.0, holders.sum()), 3)
    wanted = gross * 0.1 * cushion * np.exp(rng.normal(0.0, 0.35, accounts))
    mode = np.where(rng.random(accounts) < portfolio_share, MarginMode.PORTFOLIO, MarginMode.CROSS)
    return Book.from_arrays(
        table,
        PARAMETERS,
        account_id=np.arange(1, accounts + 1),
        mode=mode,
        cash=np.round(wanted, 2),
        collateral=collateral,
        position_account=owner,
        position_instrument=instrument,
        size=size,
        cost=np.round(size * value, 6),
    )
