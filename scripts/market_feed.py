"""A float market as oracle signers sign it: integers in the price door's units, EIP-712, signatures in the order the door wants.

    update = market_updates(market, {"ETH": 0, "BTC": 1}, timestamp)[0]
    door.submit(update.as_tuple(), sign(update, keys, chain_id, door.address))

The market is the dict of tests/vectors/dpre1_portfolios.json and of the publisher's market file; units of the result are those of
contracts/interfaces/IPriceDoor.sol (1e18, confidence 1e-4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data

__all__ = ["DOMAIN_NAME", "DOMAIN_VERSION", "ExpiryQuote", "FeedError", "MarketUpdate", "market_updates", "sign", "signable", "to_fixed"]

DOMAIN_NAME = "DPRE PriceDoor"
DOMAIN_VERSION = "1"

_QUOTE_TYPES = {
    "expiry": "uint32",
    "forward": "uint96",
    "rate": "int64",
    "a": "int64",
    "b": "uint64",
    "rho": "int64",
    "m": "int64",
    "sigma": "uint64",
    "refForward": "uint96",
    "refTau": "uint64",
}
_UPDATE_TYPES = {
    "underlying": "uint8",
    "timestamp": "uint32",
    "spot": "uint96",
    "mark": "uint96",
    "confidence": "uint16",
    "expiries": "ExpiryQuote[]",
}
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


class FeedError(ValueError):
    """The market cannot be expressed in the door's units; the message names the field, the value and what was expected."""


@dataclass(frozen=True, slots=True)
class ExpiryQuote:
    """One expiry in the order of IPriceDoor.ExpiryQuote; 1e18 but for `expiry` (unix seconds). Raises FeedError beyond a field's type."""

    expiry: int
    forward: int
    rate: int
    a: int
    b: int
    rho: int
    m: int
    sigma: int
    ref_forward: int
    ref_tau: int

    def __post_init__(self) -> None:
        _require_types(self, _QUOTE_TYPES)

    def as_tuple(self) -> tuple[int, ...]:
        return tuple(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True, slots=True)
class MarketUpdate:
    """One underlying's market in the order of IPriceDoor.MarketUpdate. Raises FeedError beyond a field's type."""

    underlying: int
    timestamp: int
    spot: int
    mark: int
    confidence: int
    expiries: tuple[ExpiryQuote, ...]

    def __post_init__(self) -> None:
        _require_types(self, {name: kind for name, kind in _UPDATE_TYPES.items() if name != "expiries"})

    def as_tuple(self) -> tuple[Any, ...]:
        """The argument that web3 and Brownie take for the struct."""
        return (self.underlying, self.timestamp, self.spot, self.mark, self.confidence, [q.as_tuple() for q in self.expiries])


def market_updates(market: Mapping[str, Any], underlyings: Mapping[str, int], timestamp: int) -> list[MarketUpdate]:
    """One update per underlying that `market` and `underlyings` (symbol -> id) both name, by ascending id.

    Expiries at or before `timestamp` are left out: the door refuses them. Raises FeedError for a missing field, a value that is no finite
    number, or one that its type cannot hold.
    """
    quoted = _part("market", market, "underlyings")
    return [
        _update(underlyings[symbol], symbol, quoted[symbol], timestamp)
        for symbol in sorted(quoted.keys() & underlyings.keys(), key=lambda symbol: underlyings[symbol])
    ]


def signable(update: MarketUpdate, chain_id: int, door: str) -> SignableMessage:
    """The EIP-712 message; its hash is the door's `digest(update)`."""
    names = list(_QUOTE_TYPES)
    message = {
        **{name: getattr(update, name) for name in _UPDATE_TYPES if name != "expiries"},
        "expiries": [dict(zip(names, quote.as_tuple(), strict=True)) for quote in update.expiries],
    }
    types = {
        "MarketUpdate": [{"name": name, "type": kind} for name, kind in _UPDATE_TYPES.items()],
        "ExpiryQuote": [{"name": name, "type": kind} for name, kind in _QUOTE_TYPES.items()],
    }
    domain = {"name": DOMAIN_NAME, "version": DOMAIN_VERSION, "chainId": chain_id, "verifyingContract": door}
    return encode_typed_data(domain, types, message)


def sign(update: MarketUpdate, keys: Sequence[str], chain_id: int, door: str) -> list[bytes]:
    """65-byte signatures of the private `keys` (0x hex), ordered by signer address as the door requires."""
    message = signable(update, chain_id, door)
    accounts = sorted((Account.from_key(key) for key in keys), key=lambda account: int(account.address, 16))
    return [bytes(account.sign_message(message).signature) for account in accounts]


def to_fixed(value: float, decimals: int = 18) -> int:
    """`value` in units of 10^-decimals, from its shortest decimal form, half to even. Raises FeedError unless finite."""
    number = Decimal(repr(float(value)))
    if not number.is_finite():
        raise FeedError(f"expected a finite number, got {value!r}")
    return int(number.scaleb(decimals, _EXACT).to_integral_value(context=_EXACT))


def _update(underlying: int, symbol: str, quoted: Mapping[str, Any], timestamp: int) -> MarketUpdate:
    live = [expiry for expiry in _part(symbol, quoted, "expiries") if int(_part(symbol, expiry, "expiry")) > timestamp]
    return MarketUpdate(
        underlying=underlying,
        timestamp=timestamp,
        spot=_field(symbol, quoted, "spot"),
        mark=_field(symbol, quoted, "mark"),
        confidence=_field(symbol, quoted, "confidence", 4),
        expiries=tuple(_quote(f"{symbol} {expiry['expiry']}", expiry) for expiry in live),
    )


def _quote(name: str, expiry: Mapping[str, Any]) -> ExpiryQuote:
    svi = _part(name, expiry, "svi")
    if svi is None:
        raise FeedError(f"{name}: expected an SVI slice, got none; the door stores no expiry without")
    # The digits that the door stores in one word (contracts/oracle/ShortSlice.sol): its readers pay a slot more for others.
    numbers = {key: _field(name, svi, key, 10) * 10**8 for key in ("a", "b", "rho", "m", "sigma")}
    numbers |= {"ref_forward": _field(name, svi, "ref_forward", 8) * 10**10, "ref_tau": _field(name, svi, "ref_tau")}
    return ExpiryQuote(int(expiry["expiry"]), _field(name, expiry, "forward"), _field(name, expiry, "rate"), **numbers)


def _field(name: str, source: Mapping[str, Any], key: str, decimals: int = 18) -> int:
    value = _part(name, source, key)
    try:
        return to_fixed(value, decimals)
    except (TypeError, ValueError) as error:
        raise FeedError(f"{name} {key}: {error}") from None


def _part(name: str, source: Mapping[str, Any], key: str) -> Any:
    try:
        return source[key]
    except KeyError:
        raise FeedError(f"{name}: expected a field {key!r}, got {sorted(source)}") from None


def _require_types(item: ExpiryQuote | MarketUpdate, types: Mapping[str, str]) -> None:
    for field, (name, kind) in zip(fields(item), types.items(), strict=False):
        value = getattr(item, field.name)
        bits = int(kind.removeprefix("u").removeprefix("int"))
        lower, upper = (0, 2**bits) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        if not lower <= value < upper:
            raise FeedError(f"{name}: expected {lower} <= value < {upper} ({kind}), got {value}")
