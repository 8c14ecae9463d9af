"""State in, findings out: health of every account, margin calls, what needs liquidation. Acts on nothing."""

from keeper.monitoring.findings import Finding, Tier, find
from keeper.monitoring.freshness import Freshness
from keeper.monitoring.health import Assessment, Assessor, Figures
from keeper.monitoring.margin_calls import CallChange, MarginCalls, MarginCallStore, update_calls

__all__ = [
    "Assessment",
    "Assessor",
    "CallChange",
    "Figures",
    "Finding",
    "Freshness",
    "MarginCallStore",
    "MarginCalls",
    "Tier",
    "find",
    "update_calls",
]
