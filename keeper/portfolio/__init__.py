"""Portfolio state: a pure fold of the chain's events, and its comparison with the contracts' own views."""

from keeper.portfolio.carry import Carry, Debit, Funding
from keeper.portfolio.deficits import Deficit, Deficits, Nominee, Realised, Side
from keeper.portfolio.fold import fold
from keeper.portfolio.follower import Follower, Progress, StateSnapshot
from keeper.portfolio.reconciliation import Reconciler, account_of_view, differences, table_differences
from keeper.portfolio.state import HOUSE, Expiry, Spot, State
from keeper.portfolio.table import Parameter, ParameterTable, Rules

__all__ = [
    "HOUSE",
    "Carry",
    "Debit",
    "Deficit",
    "Deficits",
    "Expiry",
    "Follower",
    "Funding",
    "Nominee",
    "Parameter",
    "ParameterTable",
    "Progress",
    "Realised",
    "Reconciler",
    "Rules",
    "Side",
    "Spot",
    "State",
    "StateSnapshot",
    "account_of_view",
    "differences",
    "fold",
    "table_differences",
]
