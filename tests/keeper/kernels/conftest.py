"""Seeded books that reach every rule: three underlyings, all modes, steep short-dated gamma, sizes beyond every limit."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from keeper.kernels import why_not_kernels
from keeper.margin import Book
from keeper.model import (
    DPRE_1,
    DPRE_1_REDUCED,
    SCENARIOS_35,
    Collateral,
    CorrelationGroup,
    ExpiryMarket,
    Instrument,
    Market,
    Parameters,
    Scenario,
    SviSlice,
    UnderlyingMarket,
    VolDirection,
)
from keeper.pricing import InstrumentTable

NOW = 1_780_000_000
DAY = 86_400
TOKENS = (Collateral("USDT", 0.05, 0.03), Collateral("WETH", 0.20, 0.15, underlying=1), Collateral("stETH", 0.30, 0.20, underlying=1))
DAYS = (-2.0, -0.01, 0.004, 0.5, 2.0, 9.0, 30.0, 200.0)
SPOTS = {0: 80_000.0, 1: 3_000.0, 7: 150.0}

TABLES: dict[str, Parameters] = {
    "35 scenarios": DPRE_1.with_collateral(*TOKENS),
    "23 scenarios": DPRE_1_REDUCED.with_collateral(*TOKENS),
    "40 scenarios": replace(DPRE_1, scenarios=(*SCENARIOS_35, *(Scenario(x, VolDirection.NONE) for x in (-0.3, -0.2, 0.2, 0.3, 0.4))))
    .with_collateral(*TOKENS),
    "3 scenarios, no collateral": replace(
        DPRE_1, scenarios=(Scenario(0.1, VolDirection.UP), Scenario(-0.1, VolDirection.DOWN), Scenario(0.0, VolDirection.NONE))
    ),
}  # fmt: skip

GROUPS: dict[str, tuple[CorrelationGroup, ...]] = {
    "no group": (),
    "one group": (CorrelationGroup((0, 1), 0.4),),
    "two groups": (CorrelationGroup((7, 0), 0.5), CorrelationGroup((1,), 0.2)),
    "all in one": (CorrelationGroup((0, 1, 7), 0.3),),
}

pytestmark = pytest.mark.skipif(why_not_kernels() is not None, reason=str(why_not_kernels()))


def make_market(groups: tuple[CorrelationGroup, ...] = GROUPS["one group"], time: int = NOW) -> Market:
    """Expiries from two days past to 200 days, one an hour past its expiry without a settlement; SOL's price is doubtful."""

    def expiry(days: float, spot: float, vol: float) -> ExpiryMarket:
        years = max(days, 0.1) / 365
        w = vol * vol * years
        forward = spot * (1 + 0.03 * days / 365)
        surface = None if days < -1 else SviSlice(0.4 * w, 0.9 * w, -0.25, 0.02, 0.5, forward, years)
        return ExpiryMarket(NOW + round(days * DAY), forward, 0.03, surface, settlement=forward * 1.01 if days < -1 else None)

    def underlying(index: int, vol: float, mark: float, **more: float) -> UnderlyingMarket:
        spot = SPOTS[index]
        return UnderlyingMarket(spot, spot * mark, expiries=tuple(expiry(d, spot, vol) for d in DAYS), **more)

    return Market(
        time,
        {0: underlying(0, 0.55, 1.001, spot_scale=1.3), 1: underlying(1, 0.75, 0.9), 7: underlying(7, 1.1, 1.0, confidence=0.8)},
        groups,
        {"WETH": 3_001.0, "USDT": 0.999, "stETH": 2_990.0},
    )


def make_table() -> InstrumentTable:
    listed = []
    for index, spot in SPOTS.items():
        listed.append(Instrument.perp(index))
        for days in DAYS:
            expiry = NOW + round(days * DAY)
            listed.append(Instrument.future(index, expiry))
            for moneyness in (0.5, 0.8, 0.95, 1.0, 1.01, 1.2, 2.5):
                strike = float(f"{spot * moneyness:.4g}")
                listed += [Instrument.call(index, expiry, strike), Instrument.put(index, expiry, strike)]
    return InstrumentTable.of(listed)


@pytest.fixture
def make_book() -> Callable[[Parameters, int, int], Book]:
    """make_book(parameters, seed, accounts)"""
    return book_of


def book_of(parameters: Parameters, seed: int, accounts: int = 400) -> Book:
    rng = np.random.default_rng(seed)
    table = make_table()
    count = rng.choice([0, 1, 2, 5, 12, 40], accounts)
    owner = np.repeat(np.arange(accounts), count)
    instrument = rng.integers(0, len(table), len(owner))
    spot = np.array([SPOTS[i] for i in table.underlying.tolist()])[instrument]
    scale = 10.0 ** rng.uniform(2, 8, accounts)
    size = np.round(rng.normal(0, 1, len(owner)) * scale[owner] / spot, 6)
    size[size == 0.0] = 1.0
    tokens = rng.uniform(0, 50, (accounts, len(parameters.collateral))) * (rng.random((accounts, len(parameters.collateral))) < 0.25)
    return Book.from_arrays(
        table,
        parameters,
        account_id=np.arange(accounts) + 10,
        mode=rng.integers(0, 3, accounts),
        cash=np.round(rng.normal(0.1, 0.3, accounts) * scale, 2),
        collateral=tokens,
        position_account=owner,
        position_instrument=instrument,
        size=size,
        cost=np.round(size * spot * 0.1, 2),
    )
