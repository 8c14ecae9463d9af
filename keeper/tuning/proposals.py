"""The shock scale that a forecast asks for, damped, inside the contract's bounds. Proposals only: governance decides.

The governed scenarios move the spot by at most `core` of its price (18 % by default) in a day. `spotScale` of an underlying multiplies
them: it should be so large that a move of `deviations` times the forecast daily vol is inside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from keeper.errors import SimulationError
from keeper.model import WAD, Parameters

__all__ = ["MAX_SCALE", "Proposal", "ScaleRules", "propose"]

MAX_SCALE = 5.0
"""ParameterRules.MAX_SPOT_SCALE; the least is 1."""


@dataclass(frozen=True, slots=True)
class ScaleRules:
    """deviations: of the daily vol that the core shocks should span; ceiling: never more than this; up, down: most per proposal;
    deadband: changes below this share are not proposed. Down is slower than up, so that margin does not chase every lull."""

    deviations: float = 4.0
    ceiling: float = 2.5
    up: float = 0.5
    down: float = 0.1
    deadband: float = 0.05

    def __post_init__(self) -> None:
        if not (self.deviations > 0.0 and 1.0 <= self.ceiling <= MAX_SCALE and self.up > 0.0 and self.down > 0.0 and self.deadband >= 0.0):
            raise SimulationError(f"expected positive rules and a ceiling of 1 to {MAX_SCALE}, got {self}")


@dataclass(frozen=True, slots=True)
class Proposal:
    """now, proposed: spotScale; wanted: by the forecast alone; vol: forecast of a day, as a share of the price; why: for whoever votes."""

    underlying: int
    now: float
    wanted: float
    proposed: float
    vol: float
    why: str

    @property
    def word(self) -> int:
        """`proposed` as the contract takes it, 1e18, rounded up to a hundredth: never less margin than meant."""
        return math.ceil(round(self.proposed * 100.0, 6)) * WAD // 100


def propose(
    vols: Mapping[int, float], now: Mapping[int, float], parameters: Parameters, rules: ScaleRules = ScaleRules()
) -> list[Proposal]:
    """vols: forecast of a day by underlying; now: spotScale in force. Underlyings whose scale should stay are left out.

    Raises SimulationError for vols that are not positive.
    """
    core = max(abs(scenario.spot_shock) for scenario in parameters.scenarios if scenario.core)
    found = []
    for underlying, vol in sorted(vols.items()):
        if not (vol > 0.0 and math.isfinite(vol)):
            raise SimulationError(f"vol of underlying {underlying}: expected > 0, got {vol}")
        present = now.get(underlying, 1.0)
        # The largest scale under which every core shock is still a fall of less than the whole price, as the contract asks.
        highest = min(rules.ceiling, MAX_SCALE, 0.95 / core)
        wanted = min(max(1.0, rules.deviations * vol / core), highest)
        proposed = min(max(wanted, present - rules.down), present + rules.up)
        if abs(proposed - present) < rules.deadband * present:
            continue
        why = (
            f"a day's vol is forecast at {vol:.2%}; {rules.deviations:g} deviations are {rules.deviations * vol:.1%}, the core shocks span "
            f"{core * present:.1%} at {present:.2f} and would at {proposed:.2f} span {core * proposed:.1%}"
        )
        found.append(Proposal(underlying, present, wanted, proposed, vol, why))
    return found
