"""Plans: which legs of which account, how much, what it earns. Decides, sends nothing."""

from keeper.liquidation.plan import Conversion, Cover, Flag, Liquidation, Plan, PlannedLeg
from keeper.liquidation.planner import Costs, Planner
from keeper.liquidation.trials import Trials, Verdicts

__all__ = ["Conversion", "Costs", "Cover", "Flag", "Liquidation", "Plan", "PlannedLeg", "Planner", "Trials", "Verdicts"]
