"""Margin in the three modes over all accounts at once, its witnesses and its reports; the rules of the contracts.

book = Book.from_accounts(accounts, parameters)
result = margin(book, market, parameters)
below = np.flatnonzero(result.health < 1.0)
"""

from keeper.margin.book import Book, Leg
from keeper.margin.charges import Charges, SegmentGreeks
from keeper.margin.report import (
    AccountReport,
    Attribution,
    GroupReport,
    ModeFigures,
    UnderlyingReport,
    account_margin,
    account_report,
    attribution,
)
from keeper.margin.requirement import MarginResult, margin, modes_side_by_side
from keeper.margin.standard import StandardMargin
from keeper.margin.stress import GroupLosses, JoinedCollateral, StressLosses
from keeper.margin.whatif import LiquidationPrices, WhatIf, liquidation_prices, what_if
from keeper.margin.witness import RequirementBound, Witness, requirement_bound, witness, witnessed

__all__ = [
    "AccountReport",
    "Attribution",
    "Book",
    "Charges",
    "GroupLosses",
    "GroupReport",
    "JoinedCollateral",
    "Leg",
    "LiquidationPrices",
    "MarginResult",
    "ModeFigures",
    "RequirementBound",
    "SegmentGreeks",
    "StandardMargin",
    "StressLosses",
    "UnderlyingReport",
    "WhatIf",
    "Witness",
    "account_margin",
    "account_report",
    "attribution",
    "liquidation_prices",
    "margin",
    "modes_side_by_side",
    "requirement_bound",
    "what_if",
    "witness",
    "witnessed",
]
