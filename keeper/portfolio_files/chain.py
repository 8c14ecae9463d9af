"""Option chain snapshots as CSV (Deribit's columns) -> a `Market` with one SVI slice per expiry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from keeper.errors import MarketError, PricingError
from keeper.model import SECONDS_PER_YEAR, ExpiryMarket, Market, UnderlyingMarket
from keeper.portfolio_files.names import UNDERLYINGS, symbol_of
from keeper.pricing.svi_fit import SviFit, fit_slice

__all__ = ["COLUMNS", "Chain", "chain_of", "read_chain"]

COLUMNS = ("timestamp", "currency", "option_type", "strike", "expiry_datetime", "underlying", "implied_volatility", "index_price")
"""What is read of a snapshot: time of the quote (ISO 8601 with zone); BTC or ETH; call or put; strike, USD; expiry (ISO
8601); forward of the expiry, USD; implied vol, 1.00 = 100 %; index price, USD. Further columns are ignored."""


@dataclass(frozen=True, slots=True)
class Chain:
    """market: spot and mark at the index price (a chain quotes no perp), no rates; fits, refused: by (underlying, expiry):
    the fitted slices, and why an expiry has none."""

    market: Market
    fits: Mapping[tuple[int, int], SviFit]
    refused: Mapping[tuple[int, int], str]


def read_chain(path: Path) -> Chain:
    """From a CSV file, gzipped or not. Raises MarketError for a file that is not such a snapshot."""
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise MarketError(f"{path}: expected a CSV file of option quotes, got: {error}") from error
    return chain_of(frame)


def chain_of(frame: pd.DataFrame) -> Chain:
    """From a frame with `COLUMNS`. Options at or after expiry are left out; an expiry with fewer than five strikes, or whose
    best fit holds an arbitrage, has a forward and no slice: pricing an option on it then raises MarketError.

    Raises MarketError for missing columns, other currencies, quotes of more than a minute apart and values outside their
    domain.
    """
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing or frame.empty:
        raise MarketError(f"chain: expected rows with the columns {list(COLUMNS)}, got {len(frame)} rows without {missing}")
    try:
        quoted = _seconds(frame["timestamp"])
        expiries = _seconds(frame["expiry_datetime"]).round().astype(np.int64)
        quotes = frame[["strike", "underlying", "implied_volatility", "index_price"]].astype(np.float64)
    except (ValueError, TypeError) as error:
        raise MarketError(f"chain: expected times as ISO 8601 and prices as numbers, got: {error}") from error
    if quoted.max() - quoted.min() > 60.0:
        raise MarketError(f"chain: expected quotes of one moment, got {quoted.max() - quoted.min():.0f} s between the first and the last")
    unknown = sorted(set(frame["currency"]) - set(UNDERLYINGS))
    if unknown or not set(frame["option_type"]) <= {"call", "put"}:
        raise MarketError(f"chain: expected calls and puts on {list(UNDERLYINGS)}, got {unknown or sorted(set(frame['option_type']))}")
    for name in quotes:
        if not (np.isfinite(quotes[name]) & (quotes[name] > 0.0)).all():
            raise MarketError(f"chain: expected {name} > 0, got {quotes[name].min()}")

    time = int(quoted.min())
    quotes = quotes.assign(
        currency=frame["currency"].map(UNDERLYINGS), call=frame["option_type"] == "call", expiry=expiries, live=expiries > time
    )
    fits: dict[tuple[int, int], SviFit] = {}
    refused: dict[tuple[int, int], str] = {}
    underlyings = {}
    for underlying in sorted(set(quotes["currency"])):
        mine = quotes[quotes["currency"] == underlying]
        index = float(mine["index_price"].median())
        listed = _expiries(underlying, mine[mine["live"]], time, fits, refused)
        underlyings[underlying] = UnderlyingMarket(spot=index, mark=index, expiries=tuple(listed))
    prices = {f"W{symbol_of(u)}": market.spot for u, market in underlyings.items()}
    return Chain(Market(time=time, underlyings=underlyings, token_prices=prices), fits, refused)


def _expiries(
    underlying: int, quotes: pd.DataFrame, time: int, fits: dict[tuple[int, int], SviFit], refused: dict[tuple[int, int], str]
) -> list[ExpiryMarket]:
    """Nearest first, so that each fit knows the last accepted one."""
    listed, earlier = [], None
    for expiry in sorted(set(quotes["expiry"].tolist())):
        rows = quotes[quotes["expiry"] == expiry]
        forward = float(rows["underlying"].median())
        # The option that is out of the money carries the vol; the other one of the strike repeats it.
        otm = rows[rows["call"] == (rows["strike"] >= forward)]
        key, slice_ = (underlying, int(expiry)), None
        try:
            earlier = fit_slice(otm["strike"], otm["implied_volatility"], forward, (expiry - time) / SECONDS_PER_YEAR, earlier)
            fits[key], slice_ = earlier, earlier.slice
        except PricingError as error:
            refused[key] = str(error)
        listed.append(ExpiryMarket(int(expiry), forward, svi=slice_))
    return listed


def _seconds(times: pd.Series) -> pd.Series:
    """Unix seconds as floats."""
    return (pd.to_datetime(times, utc=True) - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
