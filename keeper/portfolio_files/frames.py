"""Margin and Greeks of a book as DataFrames."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from keeper.margin import Book, Charges, LiquidationPrices, SegmentGreeks, attribution, liquidation_prices, margin, modes_side_by_side
from keeper.model import MarginMode, Market, Parameters, VolDirection
from keeper.portfolio_files.book import BookFile
from keeper.portfolio_files.chain import Chain
from keeper.portfolio_files.names import name_of, symbol_of

__all__ = ["MarginFrames", "margin_frames", "margin_of_file"]

_GREEKS = tuple(item.name for item in fields(SegmentGreeks))


@dataclass(frozen=True, slots=True)
class MarginFrames:
    """USD throughout; Greeks in the units of `keeper.pricing.PricedTable`.

    modes: one row per account and margin mode: mode, own (the account's own mode), equity, margin_equity_initial,
    margin_equity_maintenance, initial, maintenance, health, gross_notional, leverage.
    underlyings: one row per account and underlying, in the account's own mode: spot, worst_scenario and its spot_move, vol,
    stress_loss, its parts (loss_delta, loss_gamma, loss_vega, loss_tail), charge_* by name, the Greeks (delta is the
    delta-equivalent in units of underlying) and, where asked for, liquidation_below, liquidation_above (NaN: none).
    positions: one row per account and instrument: size, mark, forward, vol, entry_price, unrealised, the Greeks of the
    position (size times those of a contract).
    """

    modes: pd.DataFrame
    underlyings: pd.DataFrame
    positions: pd.DataFrame


def margin_of_file(file: BookFile, chain: Chain, with_liquidation_prices: bool = False) -> MarginFrames:
    """The frames of a book file in the market of a chain. Raises BookError, MarketError and ParameterError as the parts do."""
    parameters, market = file.parameters(), file.market(chain.market)
    return margin_frames(file.book(market, parameters), market, parameters, with_liquidation_prices)


def margin_frames(book: Book, market: Market, parameters: Parameters, with_liquidation_prices: bool = False) -> MarginFrames:
    """All accounts of the book. Liquidation prices cost some hundred revaluations per account and underlying."""
    modes = modes_side_by_side(book, market, parameters)
    own = modes[MarginMode.CROSS]
    per_mode = [
        pd.DataFrame(
            {
                "account": book.account_id,
                "mode": mode.name,
                "own": book.mode == mode,
                "equity": result.equity,
                "margin_equity_initial": result.margin_equity_initial,
                "margin_equity_maintenance": result.margin_equity_maintenance,
                "initial": result.initial,
                "maintenance": result.maintenance,
                "health": result.health,
                "gross_notional": result.gross_notional,
                "leverage": result.leverage,
            }
        )
        for mode, result in modes.items()
    ]
    quotes, i = own.priced.quotes, book.instrument
    names = [name_of(instrument) for instrument in book.table.instruments]
    positions = {
        "account": book.account_id[book.position_account],
        "instrument": [names[row] for row in i],
        "size": book.size,
        "mark": own.priced.value[i],
        "forward": quotes.forward[i],
        "vol": np.where(book.table.is_option[i], quotes.vol[i], np.nan),
        "entry_price": book.cost / book.size,
        "unrealised": book.size * own.priced.value[i] - book.cost,
    }
    positions |= {name: book.size * getattr(own.priced, name)[i] + 0.0 for name in _GREEKS}  # + 0.0: no negative zeros
    return MarginFrames(
        modes=pd.concat(per_mode).sort_values("account", kind="stable", ignore_index=True),
        underlyings=_underlyings(book, market, parameters, with_liquidation_prices),
        positions=pd.DataFrame(positions),
    )


def _underlyings(book: Book, market: Market, parameters: Parameters, with_liquidation_prices: bool) -> pd.DataFrame:
    # Not taken from the modes side by side: whether collateral joined the legs depends on each account's own mode.
    result = margin(book, market, parameters)
    parts, worst = attribution(result), result.stress.worst_index
    scenarios = [parameters.scenarios[s] for s in worst]
    columns = {
        "account": book.account_id[book.segment_account],
        "underlying": [symbol_of(int(u)) for u in book.segment_underlying],
        "spot": [market.underlying(int(u)).spot for u in book.segment_underlying],
        "worst_scenario": worst,
        "spot_move": [s.spot_shock for s in scenarios],
        "vol": [VolDirection(s.vol).name for s in scenarios],
        "stress_loss": result.stress.loss,
    }
    columns |= {f"loss_{item.name}": getattr(parts, item.name) for item in fields(parts)}
    columns |= {f"charge_{item.name}": getattr(result.charges, item.name) for item in fields(Charges)}
    columns |= {name: getattr(result.greeks, name) for name in _GREEKS}
    if with_liquidation_prices:
        found = [
            liquidation_prices(book, int(row), int(u), market, parameters)
            for row, u in zip(book.segment_account, book.segment_underlying, strict=True)
        ]
        columns |= {
            f"liquidation_{item.name}": np.array([getattr(f, item.name) for f in found], np.float64) for item in fields(LiquidationPrices)
        }
    return pd.DataFrame(columns)
