"""What is traded, and the 112-bit word that names it (layout of contracts/types/InstrumentId.sol)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

from keeper.errors import InstrumentError

__all__ = ["STRIKE_UNITS_PER_USD", "Instrument", "Kind"]

STRIKE_UNITS_PER_USD = 10**8


class Kind(IntEnum):
    """Kinds the engine prices itself; the numbers are those of the contract."""

    PERP = 0
    FUTURE = 1
    CALL = 2
    PUT = 3


@dataclass(frozen=True, slots=True, order=True)
class Instrument:
    """An instrument. A perp has expiry 0 and strike 0, a future strike 0, an option neither.

    kind; underlying: index 0..255; expiry: unix seconds; strike_units: strike in 1e-8 USD, an integer so that the id
    round-trips. Raises InstrumentError for fields that name nothing.

    >>> hex(Instrument.call(0, 1_800_000_000, 100_000).pack())
    '0x2006b49d200000009184e72a000'
    """

    kind: Kind
    underlying: int
    expiry: int = 0
    strike_units: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.kind, Kind):
            raise InstrumentError(f"expected a Kind, got {self.kind!r}")
        _within("underlying", self.underlying, 0, 2**8 - 1)
        if self.kind is Kind.PERP:
            _within("expiry of a perp", self.expiry, 0, 0)
        else:
            _within("expiry", self.expiry, 1, 2**32 - 1)
        if self.is_option:
            _within("strike in 1e-8 USD", self.strike_units, 1, 2**64 - 1)
        else:
            _within(f"strike of a {self.kind.name.lower()}", self.strike_units, 0, 0)

    @classmethod
    def perp(cls, underlying: int) -> Instrument:
        return cls(Kind.PERP, underlying)

    @classmethod
    def future(cls, underlying: int, expiry: int) -> Instrument:
        return cls(Kind.FUTURE, underlying, expiry)

    @classmethod
    def call(cls, underlying: int, expiry: int, strike: float | Decimal | str) -> Instrument:
        """Strike in USD, at most 8 decimals."""
        return cls(Kind.CALL, underlying, expiry, _strike_units(strike))

    @classmethod
    def put(cls, underlying: int, expiry: int, strike: float | Decimal | str) -> Instrument:
        """Strike in USD, at most 8 decimals."""
        return cls(Kind.PUT, underlying, expiry, _strike_units(strike))

    @property
    def is_option(self) -> bool:
        return self.kind >= Kind.CALL

    @property
    def strike(self) -> float:
        """USD per unit of underlying; 0.0 for perps and futures."""
        return self.strike_units / STRIKE_UNITS_PER_USD

    def pack(self) -> int:
        """kind << 104 | underlying << 96 | expiry << 64 | strike in 1e-8 USD (uint112)."""
        return self.kind << 104 | self.underlying << 96 | self.expiry << 64 | self.strike_units

    @classmethod
    def unpack(cls, word: int) -> Instrument:
        """Inverse of `pack`. Raises InstrumentError for a word that is not canonical."""
        if type(word) is not int or not 0 <= word < 2**112:
            raise InstrumentError(f"an instrument id is expected to be a uint112, got {word!r}")
        kind = word >> 104
        if kind > max(Kind):
            raise InstrumentError(f"expected a kind of 0 to {int(max(Kind))}, got {kind} in id {word:#x}")
        return cls(Kind(kind), word >> 96 & 0xFF, word >> 64 & 0xFFFFFFFF, word & 0xFFFFFFFFFFFFFFFF)


def _within(name: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        expected = f"{low}" if low == high else f"an int of {low} to {high}"
        raise InstrumentError(f"{name}: expected {expected}, got {value!r}")


def _strike_units(strike: float | Decimal | str) -> int:
    """A float means the decimal number that it prints as: 0.1 is 0.1, not 0.1000000000000000055."""
    try:
        units = Fraction(repr(strike) if isinstance(strike, float) else strike) * STRIKE_UNITS_PER_USD
    except (ValueError, OverflowError, TypeError) as error:
        raise InstrumentError(f"strike: expected a finite number of USD, got {strike!r}") from error
    if units.denominator != 1:
        raise InstrumentError(f"strike: expected at most 8 decimals, got {strike!r}")
    return units.numerator
