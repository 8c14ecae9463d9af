"""The governed table as words in the layout of contracts/types/Parameter.sol, folded from its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum, auto
from typing import Any

from keeper.errors import ParameterError
from keeper.model import WAD, Collateral, CorrelationGroup, Parameters, Scenario, VolDirection

__all__ = ["Parameter", "ParameterTable", "Rules"]


class Parameter(IntEnum):
    """Order of contracts/types/Parameter.sol."""

    @staticmethod
    def _generate_next_value_(_name: str, _start: int, count: int, _last: list[Any]) -> int:
        return count

    VOL_RANGE_UP = auto()
    VOL_RANGE_DOWN = auto()
    VOL_POWER_SHORT = auto()
    VOL_POWER_LONG = auto()
    VOL_TENOR_FLOOR = auto()
    VOL_TENOR_PIVOT = auto()
    VOL_FLOOR_UP = auto()
    VOL_FLOOR_DOWN = auto()
    MAINTENANCE_FACTOR = auto()
    NOTIONAL_FLOOR = auto()
    RATE_CHARGE = auto()
    ROLL_MIN = auto()
    ROLL_SLOPE = auto()
    SHORT_OPTION_RATE = auto()
    DELTA_FREE = auto()
    DELTA_SLOPE = auto()
    DELTA_CAP = auto()
    GAMMA_TENOR = auto()
    GAMMA_STEP = auto()
    VEGA_RATE = auto()
    VEGA_FREE = auto()
    CONFIDENCE_THRESHOLD = auto()
    SPOT_CONTINGENCY = auto()
    SHORT_OPTION_INITIAL = auto()
    SHORT_OPTION_INITIAL_MIN = auto()
    SHORT_OPTION_MAINTENANCE = auto()
    SHORT_INITIAL_OVER_MAINTENANCE = auto()
    TIER_1_LIMIT = auto()
    TIER_2_LIMIT = auto()
    TIER_1_INITIAL = auto()
    TIER_1_MAINTENANCE = auto()
    TIER_2_INITIAL = auto()
    TIER_2_MAINTENANCE = auto()
    TIER_3_INITIAL = auto()
    TIER_3_MAINTENANCE = auto()
    MAX_BASIS = auto()
    MAX_ACTION_AGE = auto()
    TRADE_FEE = auto()
    MAX_POSITIONS = auto()
    PARTIAL_THRESHOLD = auto()
    FULL_THRESHOLD = auto()
    CLOSE_FACTOR = auto()
    TARGET_HEALTH = auto()
    PARTIAL_DISCOUNT = auto()
    DUTCH_DISCOUNT_START = auto()
    DUTCH_DISCOUNT_MAX = auto()
    DUTCH_DURATION = auto()
    CLOCK_EXPIRY = auto()
    CLOCK_RESUME = auto()
    LIQUIDATION_FEE = auto()
    SMALL_ACCOUNT = auto()
    SMALL_REWARD = auto()
    BANKRUPT_REWARD = auto()
    DEBT_CAP = auto()
    CONVERSION_BUFFER = auto()
    CONVERSION_DISCOUNT_START = auto()
    CONVERSION_DISCOUNT_MAX = auto()
    CONVERSION_DURATION = auto()
    FUND_DRAW_LIMIT = auto()
    FUND_DRAW_WINDOW = auto()
    MIN_ACCOUNT_MARGIN = auto()
    PROFIT_FRACTION = auto()
    PROFIT_VESTING = auto()
    DEBIT_RATE = auto()
    OUTFLOW_CAP = auto()
    OUTFLOW_FLOOR = auto()
    OUTFLOW_WINDOW = auto()
    MIN_FOREIGN_DEPOSIT = auto()
    PRICE_BAND = auto()
    PRICE_BAND_SPOT = auto()
    MAX_LEVERAGE = auto()
    MAX_OI_SHARE = auto()
    OI_SHARE_FREE = auto()
    FUNDING_CLAMP = auto()
    FUNDING_INTERVAL = auto()
    SETTLEMENT_WINDOW = auto()
    BREAKER_MOVE = auto()
    BREAKER_WINDOW = auto()
    BREAKER_RELEASE = auto()
    BREAKER_CONFIRM = auto()
    STALE_LIMIT = auto()
    SOURCE_BAND = auto()
    SOURCE_QUORUM = auto()
    FUND_EPOCH = auto()
    FUND_UNDERLYING_CAP = auto()
    LIQUIDATION_FEE_MIN = auto()
    LIQUIDATION_FEE_MAX = auto()
    COVERAGE_LOW = auto()
    COVERAGE_HIGH = auto()
    NOMINATION_WINDOW = auto()
    NOMINATION_BLOCKS = auto()
    NOMINATION_QUEUE = auto()
    PROFIT_MEMORY = auto()


# Plain numbers (seconds, counts); every other scalar is 1e18 fixed point.
_PLAIN = {
    Parameter.VOL_TENOR_FLOOR,
    Parameter.VOL_TENOR_PIVOT,
    Parameter.GAMMA_TENOR,
    Parameter.MAX_ACTION_AGE,
    Parameter.MAX_POSITIONS,
    Parameter.DUTCH_DURATION,
    Parameter.CLOCK_EXPIRY,
    Parameter.CLOCK_RESUME,
    Parameter.CONVERSION_DURATION,
    Parameter.FUND_DRAW_WINDOW,
    Parameter.PROFIT_VESTING,
    Parameter.OUTFLOW_WINDOW,
    Parameter.FUNDING_INTERVAL,
    Parameter.SETTLEMENT_WINDOW,
    Parameter.BREAKER_WINDOW,
    Parameter.BREAKER_RELEASE,
    Parameter.BREAKER_CONFIRM,
    Parameter.STALE_LIMIT,
    Parameter.SOURCE_QUORUM,
    Parameter.FUND_EPOCH,
    Parameter.NOMINATION_WINDOW,
    Parameter.NOMINATION_BLOCKS,
    Parameter.NOMINATION_QUEUE,
    Parameter.PROFIT_MEMORY,
}

_FIRST_SCALARS = 64
_FURTHER_SCALARS = 64
_COLLATERALS_AT = _FIRST_SCALARS
_MAX_COLLATERALS = 8
_UNDERLYINGS_AT = _COLLATERALS_AT + _MAX_COLLATERALS
_MAX_UNDERLYINGS = 32
_GROUPS_AT = _UNDERLYINGS_AT + _MAX_UNDERLYINGS
_MAX_GROUPS = 8
_SCENARIO_COUNT_AT = _GROUPS_AT + _MAX_GROUPS
_SCENARIOS_AT = _SCENARIO_COUNT_AT + 1
_MAX_SCENARIOS = 40
_ENGINE_WORDS = _SCENARIOS_AT + _MAX_SCENARIOS  # what the margin engine copies; the further scalars lie behind
_WORDS = _ENGINE_WORDS + _FURTHER_SCALARS
_U64 = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Rules:
    """What governs trading, liquidation and the fund (ledger-and-liquidation.md section 3): shares of 1, USD, seconds."""

    max_action_age: float
    trade_fee: float
    max_positions: float
    partial_threshold: float
    full_threshold: float
    close_factor: float
    target_health: float
    partial_discount: float
    dutch_discount_start: float
    dutch_discount_max: float
    dutch_duration: float
    clock_expiry: float
    clock_resume: float
    liquidation_fee: float
    liquidation_fee_max: float
    small_account: float
    small_reward: float
    bankrupt_reward: float
    debt_cap: float
    conversion_buffer: float
    conversion_discount_start: float
    conversion_discount_max: float
    conversion_duration: float


@dataclass(frozen=True, slots=True)
class ParameterTable:
    """The table's words. `empty` before the first event: RiskParameters emits its whole initial table."""

    words: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.words) != _WORDS:
            raise ParameterError(f"a parameter table is expected to have {_WORDS} words, got {len(self.words)}")

    @classmethod
    def empty(cls) -> ParameterTable:
        return cls((0,) * _WORDS)

    # --- changes ---

    def with_parameter(self, parameter: int, value: int) -> ParameterTable:
        if not 0 <= parameter < _FIRST_SCALARS + _FURTHER_SCALARS:
            raise ParameterError(f"expected a parameter of 0 to {_FIRST_SCALARS + _FURTHER_SCALARS - 1}, got {parameter}")
        return self._with({_word_of(parameter): value})

    def with_scenarios(self, words: Sequence[int]) -> ParameterTable:
        if len(words) > _MAX_SCENARIOS:
            raise ParameterError(f"expected at most {_MAX_SCENARIOS} scenarios, got {len(words)}")
        cleared = dict.fromkeys(range(_SCENARIOS_AT, _ENGINE_WORDS), 0)
        return self._with({**cleared, _SCENARIO_COUNT_AT: len(words), **{_SCENARIOS_AT + i: word for i, word in enumerate(words)}})

    def with_collateral(self, index: int, underlying: int, joins: bool, haircut_initial: int, haircut_maintenance: int) -> ParameterTable:
        word = haircut_initial << 192 | haircut_maintenance << 128 | 1 << 16 | int(joins) << 8 | underlying
        return self._with({_COLLATERALS_AT + index: word})

    def with_underlying(self, underlying: int, group: int, spot_scale: int) -> ParameterTable:
        return self._with({_UNDERLYINGS_AT + underlying: spot_scale << 32 | 1 << 8 | group})

    def with_group(self, group: int, kappa: int) -> ParameterTable:
        return self._with({_GROUPS_AT + group - 1: kappa})

    def _with(self, changes: Mapping[int, int]) -> ParameterTable:
        words = list(self.words)
        for index, word in changes.items():
            if not 0 <= index < _WORDS:
                raise ParameterError(f"expected a word of 0 to {_WORDS - 1}, got {index}")
            words[index] = word
        return ParameterTable(tuple(words))

    # --- readings ---

    @property
    def is_complete(self) -> bool:
        """True once scenarios are set, which the contract's constructor does last."""
        return self.words[_SCENARIO_COUNT_AT] > 0

    def stored(self, parameter: Parameter) -> int:
        """As the contract stores it."""
        return self.words[_word_of(parameter)]

    def scalar(self, parameter: Parameter) -> float:
        word = self.stored(parameter)
        return float(word) if parameter in _PLAIN else word / WAD

    def rules(self) -> Rules:
        return Rules(**{field.name: self.scalar(Parameter[field.name.upper()]) for field in fields(Rules)})

    def parameters(self, tokens: Mapping[int, str]) -> Parameters:
        """For the margin kernels. tokens: name by collateral index."""
        names = {parameter.name.lower(): parameter for parameter in Parameter}
        scalars = {field.name: self.scalar(names[field.name]) for field in fields(Parameters) if field.name in names}
        base = replace(Parameters(), **scalars, scenarios=self.scenarios(), name="on chain")  # type: ignore[arg-type]
        return base.with_collateral(*(self._collateral(index, tokens) for index in self.collateral_indices()))

    def scenarios(self) -> tuple[Scenario, ...]:
        return tuple(_scenario(self.words[_SCENARIOS_AT + i]) for i in range(self.words[_SCENARIO_COUNT_AT]))

    def collateral_indices(self) -> list[int]:
        return [i for i in range(_MAX_COLLATERALS) if self.words[_COLLATERALS_AT + i]]

    def price_underlying(self, collateral: int) -> int:
        """Whose spot is the token's price."""
        return self.words[_COLLATERALS_AT + collateral] & 0xFF

    def haircuts(self, collateral: int) -> tuple[float, float]:
        """(initial, maintenance)."""
        word = self.words[_COLLATERALS_AT + collateral]
        return (word >> 192) / WAD, (word >> 128 & _U64) / WAD

    def spot_scale(self, underlying: int) -> float:
        word = self.words[_UNDERLYINGS_AT + underlying] if underlying < _MAX_UNDERLYINGS else 0
        return (word >> 32 & _U64) / WAD if word else 1.0

    def groups(self) -> tuple[tuple[int, CorrelationGroup], ...]:
        """(group id, members and kappa) of every group with members, ascending."""
        members: dict[int, list[int]] = {}
        for underlying in range(_MAX_UNDERLYINGS):
            group = self.words[_UNDERLYINGS_AT + underlying] & 0xFF
            if group:
                members.setdefault(group, []).append(underlying)
        return tuple(
            (group, CorrelationGroup(tuple(ids), self.words[_GROUPS_AT + group - 1] / WAD)) for group, ids in sorted(members.items())
        )

    def _collateral(self, index: int, tokens: Mapping[int, str]) -> Collateral:
        initial, maintenance = self.haircuts(index)
        word = self.words[_COLLATERALS_AT + index]
        joins = bool(word >> 8 & 0xFF)
        return Collateral(tokens.get(index, f"token {index}"), initial, maintenance, word & 0xFF if joins else None)


def _word_of(parameter: int) -> int:
    return parameter if parameter < _FIRST_SCALARS else parameter - _FIRST_SCALARS + _ENGINE_WORDS


def _scenario(word: int) -> Scenario:
    shock = word >> 128 & _U64
    return Scenario(
        spot_shock=(shock - 2**64 if shock >= 2**63 else shock) / WAD,
        vol=VolDirection(word & 0xFF),
        weight=(word >> 64 & _U64) / WAD,
        core=bool(word >> 8 & 0xFF),
    )
