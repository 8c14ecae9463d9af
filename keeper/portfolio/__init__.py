"""Portfolio state: a pure fold of the chain's events, and its comparison with the contracts' own views."""

from keeper.portfolio.fold import fold
from keeper.portfolio.reconciliation import account_of_view, differences, table_differences
from keeper.portfolio.state import HOUSE, Expiry, Spot, State
from keeper.portfolio.table import Parameter, ParameterTable, Rules

__all__ = [
    "HOUSE",
    "Expiry",
    "Parameter",
    "ParameterTable",
    "Rules",
    "Spot",
    "State",
    "account_of_view",
    "differences",
    "fold",
    "table_differences",
]
