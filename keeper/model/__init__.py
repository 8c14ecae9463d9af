"""Frozen data: units, instruments, accounts, the market, risk parameters. Knows nothing of chains or prices."""

from keeper.model.account import Account, MarginMode, Position
from keeper.model.instrument import Instrument, Kind
from keeper.model.market import CorrelationGroup, ExpiryMarket, Market, SviSlice, UnderlyingMarket
from keeper.model.parameters import (
    DPRE_1,
    DPRE_1_REDUCED,
    SCENARIOS_23,
    SCENARIOS_35,
    Collateral,
    Parameters,
    Scenario,
    VolDirection,
    tail_weight,
)
from keeper.model.units import SECONDS_PER_DAY, SECONDS_PER_YEAR, WAD, TokenAmount, Wad, to_floats

__all__ = [
    "DPRE_1",
    "DPRE_1_REDUCED",
    "SCENARIOS_23",
    "SCENARIOS_35",
    "SECONDS_PER_DAY",
    "SECONDS_PER_YEAR",
    "WAD",
    "Account",
    "Collateral",
    "CorrelationGroup",
    "ExpiryMarket",
    "Instrument",
    "Kind",
    "MarginMode",
    "Market",
    "Parameters",
    "Position",
    "Scenario",
    "SviSlice",
    "TokenAmount",
    "UnderlyingMarket",
    "VolDirection",
    "Wad",
    "tail_weight",
    "to_floats",
]
