"""Standard margin of short options on other venues: one shape of rule, the numbers of each venue as data.

    out of the money = max(0, K - S) for a call, max(0, S - K) for a put
    initial     = max(rate S - out of the money, floor S) + mark
    maintenance = maintenance_rate S (a put's: at least that of its mark, where the venue says so) + liquidation_fee S + mark

S is the underlying's price in the unit of the mark: USD, or 1 for marks in coin (K and S then in coin too, K / S and 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keeper.errors import BookError, ParameterError
from keeper.methods import presets

__all__ = ["ShortOptionMargin", "ShortOptionRule", "largest_loss", "short_option_margin"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ShortOptionRule:
    """Ratios of the underlying's price. maintenance_rate: None where the maintenance margin is the initial one;
    put_on_mark: a put's maintenance rate is taken of its mark where that is above the underlying; initial_at_least:
    maintenance margin is a floor of the initial one."""

    venue: str
    initial_rate: float
    initial_floor: float
    maintenance_rate: float | None
    put_on_mark: bool = False
    liquidation_fee: float = 0.0
    initial_at_least: bool = False

    @classmethod
    def preset(cls, venue: str, name: str = "short-options") -> Self:
        """The venue's snapshot. Raises ParameterError for a venue that the preset does not hold."""
        venues = presets.load(name, "short-options")["venues"]
        if venue not in venues:
            raise ParameterError(f"short options: expected one of {sorted(venues)}, got {venue!r}")
        numbers = {key: value for key, value in venues[venue].items() if key != "source"}
        return cls(venue=venue, **numbers)


@dataclass(frozen=True, slots=True)
class ShortOptionMargin:
    """Per contract short, in the unit of the mark, arrays of one shape, >= 0."""

    initial: Floats
    maintenance: Floats


def short_option_margin(
    rule: ShortOptionRule, underlying: ArrayLike, strike: ArrayLike, mark: ArrayLike, is_call: ArrayLike, order_price: ArrayLike = 0.0
) -> ShortOptionMargin:
    """Requirements of one contract short; an open order's initial margin counts the higher of its price and the mark."""
    S, K, V, order = (np.asarray(value, dtype=np.float64) for value in (underlying, strike, mark, order_price))
    for name, array in (("underlying", S), ("strike", K), ("mark", V), ("order_price", order)):
        if not np.isfinite(array).all() or (array < 0.0).any():
            raise BookError(f"{name}: expected finite prices >= 0, got {array}")
    call = np.asarray(is_call, dtype=np.bool_)
    otm = np.maximum(0.0, np.where(call, K - S, S - K))
    initial = np.maximum(rule.initial_rate * S - otm, rule.initial_floor * S) + np.maximum(V, order)
    if rule.maintenance_rate is None:
        return ShortOptionMargin(initial, initial)
    base = np.where(call, S, np.maximum(S, V)) if rule.put_on_mark else S
    maintenance = rule.maintenance_rate * base + rule.liquidation_fee * S + V
    return ShortOptionMargin(np.maximum(initial, maintenance) if rule.initial_at_least else initial, maintenance)


def largest_loss(strike: ArrayLike, is_call: ArrayLike, size: ArrayLike) -> float:
    """What options of one expiry [N] can owe at most at settlement, whatever the price: the cap of a spread's margin.
    >= 0, in the unit of the strike; inf where more calls are short than long. size: signed contracts."""
    K, n = np.asarray(strike, dtype=np.float64), np.asarray(size, dtype=np.float64)
    call = np.asarray(is_call, dtype=np.bool_)
    if not K.shape == n.shape == call.shape or K.ndim != 1:
        raise BookError(f"options: expected vectors of one length, got {K.shape}, {call.shape} and {n.shape}")
    if n[call].sum() < 0.0:
        return float("inf")
    # The payoff is linear between strikes: its least value is at one of them or at zero.
    price = np.append(K, 0.0)[:, None]
    payoff = np.maximum(0.0, np.where(call, price - K, K - price)) @ n
    return max(0.0, -float(payoff.min()))
