"""The governed parameters of margin.md as one frozen object; `DPRE_1` holds the defaults.

Scalars are named as in contracts/types/Parameter.sol, in lower case, so that a table read from the chain maps by name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from enum import IntEnum

from keeper.errors import ParameterError
from keeper.model.units import SECONDS_PER_DAY

__all__ = [
    "DPRE_1",
    "DPRE_1_REDUCED",
    "MAX_SCENARIOS",
    "SCENARIOS_23",
    "SCENARIOS_35",
    "TAIL_PRICE_RANGE",
    "Collateral",
    "Parameters",
    "Scenario",
    "VolDirection",
    "tail_weight",
]

MAX_SCENARIOS = 40


class VolDirection(IntEnum):
    """Direction of a scenario's vol shock; the numbers are those of the contract."""

    NONE = 0
    UP = 1
    DOWN = 2


@dataclass(frozen=True, slots=True)
class Scenario:
    """spot_shock: relative, > -1; vol; weight: of the P&L, 0..1; core: scaled by the underlying's spot_scale."""

    spot_shock: float
    vol: VolDirection
    weight: float = 1.0
    core: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.spot_shock) and self.spot_shock > -1.0):
            raise ParameterError(f"scenario: expected a spot shock > -1, got {self.spot_shock!r}")
        if not isinstance(self.vol, VolDirection):
            raise ParameterError(f"scenario: expected a VolDirection, got {self.vol!r}")
        if not 0.0 <= self.weight <= 1.0:
            raise ParameterError(f"scenario: expected a weight of 0 to 1, got {self.weight!r}")


def tail_weight(spot_shock: float, price_range: float) -> float:
    """Weight of a tail scenario: a move of |x| counts as one of the price range, price_range / |x|, at most 1."""
    return min(1.0, round(price_range / abs(spot_shock), 12))


TAIL_PRICE_RANGE = 0.1386
"""The P&L of every tail is dampened to that of a move of 13.86 %."""


def _table(core_shocks: tuple[float, ...]) -> tuple[Scenario, ...]:
    core = (Scenario(x, v) for x in core_shocks for v in (VolDirection.UP, VolDirection.NONE, VolDirection.DOWN))
    tails = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
    return (
        *core,
        *(Scenario(x, VolDirection.UP, tail_weight(x, TAIL_PRICE_RANGE), core=False) for x in tails),
    )


SCENARIOS_35 = _table((-0.18, -0.135, -0.09, -0.045, 0.0, 0.045, 0.09, 0.135, 0.18))
"""Default table (margin.md section 2): nine spot shocks by three vol directions, then eight tails."""

SCENARIOS_23 = _table((-0.18, -0.09, 0.0, 0.09, 0.18))
"""Reduced table of the gas comparison."""


@dataclass(frozen=True, slots=True)
class Collateral:
    """token: name, a key of Market.token_prices; haircuts: 0..1, maintenance <= initial; underlying: the index that the
    token IS (WETH for ETH), so that it joins the legs in PORTFOLIO; None for a token that never joins."""

    token: str
    haircut_initial: float
    haircut_maintenance: float
    underlying: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.haircut_maintenance <= self.haircut_initial <= 1.0:
            raise ParameterError(
                f"{self.token}: expected 0 <= maintenance haircut <= initial haircut <= 1, "
                f"got {self.haircut_maintenance!r} and {self.haircut_initial!r}"
            )
        if self.underlying is not None and not 0 <= self.underlying <= 255:
            raise ParameterError(f"{self.token}: expected an underlying of 0 to 255, got {self.underlying!r}")


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything that governance sets of margin.md. Ratios are of 1, times in seconds, limits in USD.

    Raises ParameterError for values outside their domain.
    """

    # vol rule, section 2
    vol_range_up: float = 0.50
    vol_range_down: float = 0.275
    vol_power_short: float = 0.30
    vol_power_long: float = 0.13
    vol_tenor_floor: float = 1.0 * SECONDS_PER_DAY
    vol_tenor_pivot: float = 30.0 * SECONDS_PER_DAY
    vol_floor_up: float = 0.40
    vol_floor_down: float = 0.01
    # requirement, section 4
    maintenance_factor: float = 0.8
    notional_floor: float = 0.0025
    # charges, section 3
    rate_charge: float = 0.01
    roll_min: float = 0.01
    roll_slope: float = 0.075  # per year
    short_option_rate: float = 0.003
    delta_free: float = 20e6
    delta_slope: float = 1e-9  # per USD
    delta_cap: float = 0.10
    gamma_tenor: float = 2.0 * SECONDS_PER_DAY
    gamma_step: float = 0.0225  # half the spacing of the core grid
    vega_rate: float = 0.05
    vega_free: float = 2e6  # USD per 1.00 of vol
    confidence_threshold: float = 0.90
    spot_contingency: float = 0.03
    # standard margin, section 6
    short_option_initial: float = 0.15
    short_option_initial_min: float = 0.10
    short_option_maintenance: float = 0.075
    short_initial_over_maintenance: float = 1.10
    tier_1_limit: float = 10e6
    tier_2_limit: float = 50e6
    tier_1_initial: float = 0.05
    tier_1_maintenance: float = 0.025
    tier_2_initial: float = 0.10
    tier_2_maintenance: float = 0.05
    tier_3_initial: float = 0.20
    tier_3_maintenance: float = 0.10
    # prices, section 1
    max_basis: float = 0.05
    svi_clamp: float = 4.0  # standard deviations of |k| up to which the slice is read
    # tables
    scenarios: tuple[Scenario, ...] = SCENARIOS_35
    collateral: tuple[Collateral, ...] = ()
    name: str = "DPRE-1"

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name in ("scenarios", "collateral", "name"):
                continue
            value = getattr(self, item.name)
            if not isinstance(value, int | float) or not math.isfinite(value) or value < 0.0:
                raise ParameterError(f"{item.name}: expected a finite number >= 0, got {value!r}")
        if not 0 < len(self.scenarios) <= MAX_SCENARIOS:
            raise ParameterError(f"scenarios: expected 1 to {MAX_SCENARIOS}, got {len(self.scenarios)}")
        if self.vol_tenor_floor <= 0.0 or self.vol_tenor_pivot < self.vol_tenor_floor:
            raise ParameterError(f"expected 0 < vol_tenor_floor <= vol_tenor_pivot, got {self.vol_tenor_floor}, {self.vol_tenor_pivot}")
        if self.tier_2_limit < self.tier_1_limit:
            raise ParameterError(f"expected tier_1_limit <= tier_2_limit, got {self.tier_1_limit}, {self.tier_2_limit}")
        tokens = [c.token for c in self.collateral]
        if len(set(tokens)) != len(tokens):
            raise ParameterError(f"collateral: expected each token once, got {tokens}")

    def with_collateral(self, *collateral: Collateral) -> Parameters:
        """The same parameters accepting these tokens, in the order of the contract's collateral indices."""
        return replace(self, collateral=collateral)


DPRE_1 = Parameters()
"""The defaults of margin.md, without collateral tokens: those are a deployment's own."""

DPRE_1_REDUCED = replace(DPRE_1, scenarios=SCENARIOS_23, gamma_step=0.045, name="DPRE-1 (23 scenarios)")
"""The table of the gas comparison; its core grid is 9 % apart, hence the gamma step."""
