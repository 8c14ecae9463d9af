"""Snapshots become markets: the example's, and whole real chains where the shared files are present."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from keeper.errors import MarketError
from keeper.model import Parameters
from keeper.portfolio_files import Chain, chain_of, instrument_of, read_chain
from keeper.pricing import InstrumentTable, price_table
from keeper.pricing.svi_fit import butterfly_density, calendar_gap

REAL = ("20251230T173115Z", "20260115T035850Z", "20260205T155132Z", "20260206T043012Z")


@pytest.fixture(scope="module")
def frame(example_paths: tuple[Path, Path]) -> pd.DataFrame:
    return pd.read_csv(example_paths[1])


def test_market_of_the_example(chain: Chain, frame: pd.DataFrame) -> None:
    market = chain.market
    assert market.time == 1_770_352_200  # 2026-02-06 04:30 UTC
    assert {u: m.spot for u, m in market.underlyings.items()} == {0: 1900.0, 1: 65_000.0}
    assert [len(m.expiries) for m in market.underlyings.values()] == [2, 2]
    assert chain.refused == {}
    assert max(fit.rms for fit in chain.fits.values()) < 2e-4
    assert sorted(market.underlying(1).expiries[0].__class__.__slots__) == sorted(("expiry", "forward", "rate", "svi", "settlement"))
    assert market.underlying(1).expiries[0].forward == float(frame[frame["instrument_name"] == "BTC-27MAR26-65000-C"]["underlying"].iloc[0])


def test_the_market_prices_every_quote_at_its_vol(chain: Chain, frame: pd.DataFrame) -> None:
    table = InstrumentTable.of(instrument_of(name) for name in frame["instrument_name"])
    vols = price_table(table, chain.market, Parameters()).quotes.vol
    assert vols == pytest.approx(frame["implied_volatility"].to_numpy(), abs=5e-4)


@pytest.mark.parametrize("name", REAL)
def test_real_chains_are_fitted_without_arbitrage(shared_file: Callable[[str], Path], name: str) -> None:
    """Every expiry gets a slice: half a volatility point typically, 6 at a few hours from expiry in the fall."""
    chain = read_chain(shared_file(f"data/deribit/deribit_options_snapshot_{name}.csv.gz"))
    assert chain.refused == {}
    assert len(chain.fits) >= 22
    assert np.median([fit.rms for fit in chain.fits.values()]) < 0.006
    assert max(fit.rms for fit in chain.fits.values()) < 0.06
    earlier = {}
    for (underlying, _), fit in chain.fits.items():
        limit = 4.0 * np.sqrt(fit.slice.a + fit.slice.b * fit.slice.sigma)
        assert butterfly_density(fit.slice, np.linspace(-limit, limit, 2001)).min() >= -1e-9
        if underlying in earlier:
            before = earlier[underlying]
            both = max(fit.quoted[0], before.quoted[0]), min(fit.quoted[1], before.quoted[1])
            assert calendar_gap(fit.slice, before.slice, np.linspace(*both, 2001)).min() >= -1e-9
        earlier[underlying] = fit


def test_an_expiry_with_few_strikes_has_a_forward_and_no_slice(frame: pd.DataFrame) -> None:
    march = frame["expiry_datetime"].str.startswith("2026-03") & (frame["currency"] == "BTC")
    chain = chain_of(frame[~march | frame["strike"].isin([60_000.0, 65_000.0, 70_000.0])])
    ((underlying, _),) = chain.refused
    assert underlying == 1
    assert "at least 5 strikes" in chain.refused[next(iter(chain.refused))]
    assert chain.market.underlying(1).expiries[0].svi is None
    with pytest.raises(MarketError, match="SVI slice"):
        price_table(InstrumentTable.of([instrument_of("BTC-27MAR26-65000-C")]), chain.market, Parameters())


def test_expired_options_are_left_out(frame: pd.DataFrame) -> None:
    chain = chain_of(frame.assign(timestamp="2026-03-27T08:00:00+00:00"))
    assert [len(m.expiries) for m in chain.market.underlyings.values()] == [1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns=["underlying"]), "without .'underlying'"),
        (lambda f: f.iloc[:0], "got 0 rows"),
        (lambda f: f.assign(currency="SOL"), "expected calls and puts on"),
        (lambda f: f.assign(option_type="C"), "expected calls and puts on"),
        (lambda f: f.assign(implied_volatility=0.0), "expected implied_volatility > 0"),
        (lambda f: f.assign(strike="many"), "prices as numbers"),
        (lambda f: f.assign(timestamp="yesterday"), "times as ISO 8601"),
        (
            lambda f: f.assign(timestamp=["2026-02-06T04:30:00+00:00", *["2026-02-06T04:32:00+00:00"] * (len(f) - 1)]),
            "quotes of one moment",
        ),
    ],
)
def test_other_files_are_refused(frame: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
    with pytest.raises(MarketError, match=message):
        chain_of(change(frame))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="expected a CSV file"):
        read_chain(tmp_path / "none.csv")
