"""Dynamic parameters inside governed bounds: a volatility forecast, and the shock scale that it asks for.

forecast = garch(returns).forecast(horizon=1.0)
proposals = propose(forecasts, scales_now, ScaleRules())      # written to a file; only governance acts on it
"""

from keeper.tuning.proposals import Proposal, ScaleRules, propose
from keeper.tuning.volatility import Garch, Returns, ewma, fit_garch, hourly_returns

__all__ = ["Garch", "Proposal", "Returns", "ScaleRules", "ewma", "fit_garch", "hourly_returns", "propose"]
