"""Events of the circuit breaker and the risk parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from keeper.chain.events.event import Event

__all__ = [
    "CollateralSet",
    "GroupSet",
    "Loosened",
    "ParameterSet",
    "ScenariosSet",
    "ShutDown",
    "Tightened",
    "Tripped",
    "UnderlyingSet",
]


# --- CircuitBreaker (scope: an underlying, 255 for all) ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped(Event):
    """cause: 0 jump, 1 quorum, 2 slice, 3 stale. REDUCE_ONLY until `until`."""

    contract: ClassVar[str] = "CircuitBreaker"
    scope: int
    cause: int
    observed: int
    bound: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tightened(Event):
    contract: ClassVar[str] = "CircuitBreaker"
    scope: int
    previous: int
    state: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosened(Event):
    """Ends the scope's automatic state as well."""

    contract: ClassVar[str] = "CircuitBreaker"
    scope: int
    previous: int
    state: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutDown(Event):
    contract: ClassVar[str] = "CircuitBreaker"
    at: int


# --- RiskParameters ---


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet(Event):
    contract: ClassVar[str] = "RiskParameters"
    parameter: int
    previous: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenariosSet(Event):
    contract: ClassVar[str] = "RiskParameters"
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralSet(Event):
    """config: (underlying, joins, haircut_initial, haircut_maintenance)."""

    contract: ClassVar[str] = "RiskParameters"
    token_index: int
    config: tuple[int, bool, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingSet(Event):
    contract: ClassVar[str] = "RiskParameters"
    underlying: int
    group: int
    spot_scale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSet(Event):
    contract: ClassVar[str] = "RiskParameters"
    group: int
    kappa: int
