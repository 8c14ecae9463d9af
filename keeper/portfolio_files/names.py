"""Instrument names as venues write them: BTC-PERPETUAL, BTC-27MAR26, BTC-27MAR26-98000-C. Expiries are at 08:00 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from keeper.errors import InstrumentError
from keeper.model import Instrument, Kind

__all__ = ["UNDERLYINGS", "instrument_of", "name_of", "symbol_of", "underlying_of"]

UNDERLYINGS = {"ETH": 0, "BTC": 1}
"""Symbols by the index that the contracts use."""

_SYMBOLS = {index: symbol for symbol, index in UNDERLYINGS.items()}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_EXPIRY_HOUR = 8
_PATTERN = re.compile(
    r"(?P<symbol>[A-Z]+)-(?:PERPETUAL|(?P<day>\d{1,2})(?P<month>[A-Z]{3})(?P<year>\d{2})(?:-(?P<strike>[\d.]+)-(?P<kind>[CP]))?)"
)


def underlying_of(symbol: str) -> int:
    """Raises InstrumentError for a symbol that is not traded."""
    if symbol not in UNDERLYINGS:
        raise InstrumentError(f"underlying: expected one of {list(UNDERLYINGS)}, got {symbol!r}")
    return UNDERLYINGS[symbol]


def symbol_of(underlying: int) -> str:
    """Raises InstrumentError for an index without a symbol."""
    if underlying not in _SYMBOLS:
        raise InstrumentError(f"underlying: expected one of {list(_SYMBOLS)}, got {underlying}")
    return _SYMBOLS[underlying]


def instrument_of(name: str) -> Instrument:
    """
    >>> instrument_of("BTC-27MAR26-98000-C") == Instrument.call(1, 1_774_598_400, 98_000)
    True
    """
    found = _PATTERN.fullmatch(name)
    if found is None:
        raise InstrumentError(f"instrument: expected a name like BTC-PERPETUAL, BTC-27MAR26 or BTC-27MAR26-98000-C, got {name!r}")
    underlying = underlying_of(found["symbol"])
    if found["day"] is None:
        return Instrument.perp(underlying)
    try:
        month = _MONTHS.index(found["month"]) + 1
        expiry = int(datetime(2000 + int(found["year"]), month, int(found["day"]), _EXPIRY_HOUR, tzinfo=UTC).timestamp())
    except ValueError as error:
        raise InstrumentError(f"instrument: expected a date like 27MAR26, got {name!r}") from error
    if found["kind"] is None:
        return Instrument.future(underlying, expiry)
    return (Instrument.call if found["kind"] == "C" else Instrument.put)(underlying, expiry, found["strike"])


def name_of(instrument: Instrument) -> str:
    """Inverse of `instrument_of`. Raises InstrumentError for an expiry at another hour, which such a name cannot say."""
    symbol = symbol_of(instrument.underlying)
    if instrument.kind is Kind.PERP:
        return f"{symbol}-PERPETUAL"
    at = datetime.fromtimestamp(instrument.expiry, UTC)
    if (at.hour, at.minute, at.second) != (_EXPIRY_HOUR, 0, 0):
        raise InstrumentError(f"expected an expiry at 08:00 UTC, got {at.isoformat()}")
    dated = f"{symbol}-{at.day}{_MONTHS[at.month - 1]}{at.year % 100:02d}"
    if instrument.kind is Kind.FUTURE:
        return dated
    return f"{dated}-{instrument.strike:.10g}-{instrument.kind.name[0]}"
