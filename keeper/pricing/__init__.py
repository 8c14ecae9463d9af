"""Pricing on float64 arrays, no I/O: Black-76 and its Greeks, SVI and SABR, exotics, scenario grids.

Usable for books of one's own: `black76.price`, `black76.greeks`, `svi.implied_vol`, `price_table`.
"""

from keeper.pricing import black76, exotics, sabr, svi
from keeper.pricing.scenarios import PricedTable, Shocks, price_table, scenario_shocks, shocked_vol, tenor_scale
from keeper.pricing.table import InstrumentTable, Quotes, read_quotes

__all__ = [
    "InstrumentTable",
    "PricedTable",
    "Quotes",
    "Shocks",
    "black76",
    "exotics",
    "price_table",
    "read_quotes",
    "sabr",
    "scenario_shocks",
    "shocked_vol",
    "svi",
    "tenor_scale",
]
