"""Margin methods of other venues, as data and rules on the engine's own pricing and vol rule (docs/methods.md).

from keeper.methods import derive_pm2

margin = derive_pm2.portfolio_margin(portfolio, derive_pm2.Pm2Parameters.preset())
"""

from keeper.methods import deribit, derive_pm2, short_options, span
from keeper.methods.grid import OptionPositions, ScenarioTable

__all__ = ["OptionPositions", "ScenarioTable", "deribit", "derive_pm2", "short_options", "span"]
