"""The published cases, and a market with many accounts of all kinds in it."""

import numpy as np
import pytest

from keeper.margin import Book, MarginResult, margin
from keeper.model import (
    DPRE_1,
    Account,
    Collateral,
    CorrelationGroup,
    ExpiryMarket,
    Instrument,
    MarginMode,
    Market,
    Parameters,
    Position,
    SviSlice,
    UnderlyingMarket,
    Wad,
)
from tests.keeper.cases import CASES, Case, case_of

DAY = 86_400
NOW = 1_780_000_000


@pytest.fixture(params=CASES, ids=lambda raw: raw["id"])
def case(request: pytest.FixtureRequest) -> Case:
    """Each of the 80 cases."""
    return case_of(request.param)


@pytest.fixture(scope="session")
def cases() -> dict[str, Case]:
    """All of them by id."""
    return {raw["id"]: case_of(raw) for raw in CASES}


def expiry_market(days: float, forward: float, vol: float) -> ExpiryMarket:
    years = max(days, 0.1) / 365
    w = vol * vol * years
    slice_ = SviSlice(a=0.4 * w, b=0.9 * w, rho=-0.25, m=0.02, sigma=0.5, ref_forward=forward, ref_tau=years)
    return ExpiryMarket(NOW + round(days * DAY), forward, 0.03, slice_)


@pytest.fixture(scope="session")
def market() -> Market:
    """BTC and ETH in a group, SOL alone with a doubtful price; expiries from one that has passed to half a year."""

    def underlying(spot: float, mark: float, vol: float, **more: float) -> UnderlyingMarket:
        expiries = tuple(expiry_market(d, spot * (1 + 0.03 * d / 365), vol) for d in (-1, 0.5, 2, 7, 30, 180))
        return UnderlyingMarket(spot, mark, expiries=expiries, **more)

    return Market(
        NOW,
        {
            0: underlying(80_000.0, 80_050.0, 0.55, spot_scale=1.2),
            1: underlying(3_000.0, 2_995.0, 0.75),
            2: underlying(150.0, 150.4, 1.1, confidence=0.8),
        },
        (CorrelationGroup((0, 1), 0.4),),
        {"WETH": 3_001.0, "USDT": 0.999},
    )


@pytest.fixture(scope="session")
def parameters() -> Parameters:
    return DPRE_1.with_collateral(Collateral("USDT", 0.05, 0.03), Collateral("WETH", 0.20, 0.15, underlying=1))


@pytest.fixture(scope="session")
def accounts(market: Market) -> tuple[Account, ...]:
    """300 seeded accounts in all modes: some empty, some with collateral only, up to 20 positions."""
    rng = np.random.default_rng(300)
    everything = []
    for index, quote in market.underlyings.items():
        everything.append(Instrument.perp(index))
        for e in quote.expiries:
            everything.append(Instrument.future(index, e.expiry))
            for moneyness in (0.7, 0.9, 1.0, 1.1, 1.5):
                strike = float(f"{quote.spot * moneyness:.3g}")
                everything += [Instrument.call(index, e.expiry, strike), Instrument.put(index, e.expiry, strike)]
    made = []
    for number in range(300):
        chosen = rng.choice(len(everything), size=int(rng.choice([0, 1, 3, 8, 20])), replace=False)
        positions = {}
        for i in chosen.tolist():
            spot = market.underlying(everything[i].underlying).spot
            size = round(float(rng.normal(0.0, 2e5)) / spot, 6)
            positions[everything[i]] = Position(Wad.from_float(size), Wad.from_float(round(size * spot * 0.05, 2)))
        collateral = {"WETH": Wad.whole(int(rng.integers(0, 50)))} if rng.random() < 0.3 else {}
        if rng.random() < 0.2:
            collateral["USDT"] = Wad.whole(int(rng.integers(1, 100_000)))
        cash = Wad.from_float(round(float(rng.uniform(-1e4, 1e6)), 2))
        made.append(Account(1000 + number, "0x01", MarginMode(number % 3), cash, collateral, positions))
    return tuple(made)


@pytest.fixture(scope="session")
def book(accounts: tuple[Account, ...], parameters: Parameters) -> Book:
    return Book.from_accounts(accounts, parameters)


@pytest.fixture(scope="session")
def result(book: Book, market: Market, parameters: Parameters) -> MarginResult:
    return margin(book, market, parameters)
