"""Units that refuse to mix: 1e18 fixed point (`Wad`) and token amounts in their own decimals (`TokenAmount`).

The contracts count in integers; the kernels count in float64. Every crossing between the two is one named function
here, so that a rounding is never an accident. Integers convert exactly; a float is the nearest to the exact quotient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from keeper.errors import UnitError

__all__ = ["SECONDS_PER_DAY", "SECONDS_PER_YEAR", "WAD", "TokenAmount", "Wad", "to_floats"]

WAD = 10**18
SECONDS_PER_DAY = 86_400
SECONDS_PER_YEAR = 365 * SECONDS_PER_DAY
"""A year has 365 days (margin.md section 1)."""


@dataclass(frozen=True, slots=True, order=True)
class Wad:
    """A signed amount in 1e-18 units: USD, contracts or USD per unit. Adds to its like only.

    >>> Wad.parse("1.5") + Wad.whole(2)
    Wad(raw=3500000000000000000)
    """

    raw: int

    def __post_init__(self) -> None:
        if type(self.raw) is not int:
            raise UnitError(f"Wad expects an int of 1e-18 units, got {type(self.raw).__name__} {self.raw!r}")

    @classmethod
    def whole(cls, units: int) -> Wad:
        """`units` whole units; exact."""
        if type(units) is not int:
            raise UnitError(f"Wad.whole expects an int, got {type(units).__name__} {units!r}")
        return cls(units * WAD)

    @classmethod
    def parse(cls, text: str | Decimal) -> Wad:
        """Decimal text, exact. Raises UnitError where more than 18 decimals would be lost."""
        try:
            value = Fraction(Decimal(text)) * WAD
        except (InvalidOperation, OverflowError, ValueError) as error:
            raise UnitError(f"Wad.parse expects a finite decimal number, got {text!r}") from error
        if value.denominator != 1:
            raise UnitError(f"Wad.parse expects at most 18 decimals, got {text!r}")
        return cls(value.numerator)

    @classmethod
    def from_float(cls, value: float) -> Wad:
        """The nearest 1e-18 to the exact value of the double, ties to even. Raises UnitError on NaN and infinity."""
        if not math.isfinite(value):
            raise UnitError(f"Wad.from_float expects a finite number, got {value!r}")
        return cls(round(Fraction(value) * WAD))

    def to_float(self) -> float:
        """The double nearest to the amount (a quotient of integers is correctly rounded)."""
        return self.raw / WAD

    def mul_div_down(self, numerator: Wad, denominator: Wad) -> Wad:
        """self * numerator / denominator, rounded towards minus infinity (the pro-rata realisation)."""
        if denominator.raw == 0:
            raise UnitError("mul_div_down expects a denominator other than zero")
        return Wad(self.raw * numerator.raw // denominator.raw)

    def mul_div_up(self, numerator: Wad, denominator: Wad) -> Wad:
        """self * numerator / denominator, rounded towards plus infinity."""
        if denominator.raw == 0:
            raise UnitError("mul_div_up expects a denominator other than zero")
        return Wad(-(-self.raw * numerator.raw // denominator.raw))

    def __add__(self, other: Wad) -> Wad:
        return Wad(self.raw + _wad(other))

    def __sub__(self, other: Wad) -> Wad:
        return Wad(self.raw - _wad(other))

    def __neg__(self) -> Wad:
        return Wad(-self.raw)

    def __abs__(self) -> Wad:
        return Wad(abs(self.raw))

    def __bool__(self) -> bool:
        return self.raw != 0


@dataclass(frozen=True, slots=True, order=True)
class TokenAmount:
    """An amount of an ERC-20 in its smallest unit, with the token's decimals (USDC: 6).

    `decimals` is compared first, so amounts of tokens with other decimals never compare or add as equals.
    """

    decimals: int
    raw: int

    def __post_init__(self) -> None:
        if type(self.raw) is not int or type(self.decimals) is not int or not 0 <= self.decimals <= 36:
            raise UnitError(f"TokenAmount expects ints and 0 to 36 decimals, got raw {self.raw!r} and {self.decimals!r} decimals")

    @classmethod
    def from_wad_down(cls, amount: Wad, decimals: int) -> TokenAmount:
        """Rounded towards minus infinity: what may be paid out."""
        return cls(decimals, amount.raw * 10**decimals // WAD)

    @classmethod
    def from_wad_up(cls, amount: Wad, decimals: int) -> TokenAmount:
        """Rounded towards plus infinity: what must be paid in."""
        return cls(decimals, -(-amount.raw * 10**decimals // WAD))

    def to_wad(self) -> Wad:
        """Exact; raises UnitError where the token has more decimals than 18 and the amount uses them."""
        raw, lost = divmod(self.raw * WAD, 10**self.decimals)
        if lost:
            raise UnitError(f"{self.raw} at {self.decimals} decimals is no multiple of 1e-18")
        return Wad(raw)

    def __add__(self, other: TokenAmount) -> TokenAmount:
        return TokenAmount(self.decimals, self.raw + self._like(other))

    def __sub__(self, other: TokenAmount) -> TokenAmount:
        return TokenAmount(self.decimals, self.raw - self._like(other))

    def _like(self, other: object) -> int:
        if not isinstance(other, TokenAmount) or other.decimals != self.decimals:
            raise UnitError(f"expected a TokenAmount of {self.decimals} decimals, got {other!r}")
        return other.raw


def to_floats(amounts: Iterable[Wad]) -> NDArray[np.float64]:
    """Amounts [N] -> float64 [N], each the nearest double."""
    return np.fromiter((amount.raw / WAD for amount in amounts), dtype=np.float64)


def _wad(value: object) -> int:
    if not isinstance(value, Wad):
        raise UnitError(f"expected a Wad, got {type(value).__name__} {value!r}")
    return value.raw
