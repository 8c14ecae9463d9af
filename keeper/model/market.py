"""The market at one moment: what the signed feed says, in float64 USD."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType

from keeper.errors import MarketError

__all__ = ["CorrelationGroup", "ExpiryMarket", "Market", "SviSlice", "UnderlyingMarket"]

MAX_KAPPA = 0.5
"""Largest share of an offset between underlyings that may be credited (margin.md section 4)."""


@dataclass(frozen=True, slots=True)
class SviSlice:
    """Raw SVI total variance of one expiry (Gatheral 2004; margin.md section 1).

    w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), k = ln(K / ref_forward), vol = sqrt(w / ref_tau).
    ref_forward: USD; ref_tau: years. Raises MarketError unless b >= 0, |rho| < 1, sigma > 0 and the least variance
    a + b sigma sqrt(1 - rho^2) >= 0.
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    ref_forward: float
    ref_tau: float

    def __post_init__(self) -> None:
        for name in ("a", "b", "rho", "m", "sigma", "ref_forward", "ref_tau"):
            _finite(f"SVI {name}", getattr(self, name))
        if self.b < 0.0:
            raise MarketError(f"SVI b: expected >= 0, got {self.b}")
        if not -1.0 < self.rho < 1.0:
            raise MarketError(f"SVI rho: expected between -1 and 1, got {self.rho}")
        if self.sigma <= 0.0:
            raise MarketError(f"SVI sigma: expected > 0, got {self.sigma}")
        least = self.a + self.b * self.sigma * math.sqrt(1.0 - self.rho * self.rho)
        if least < 0.0:
            raise MarketError(f"SVI: expected a + b sigma sqrt(1 - rho^2) >= 0, got {least}")
        if self.ref_forward <= 0.0 or self.ref_tau <= 0.0:
            raise MarketError(f"SVI: expected ref_forward and ref_tau > 0, got {self.ref_forward} and {self.ref_tau}")


@dataclass(frozen=True, slots=True)
class ExpiryMarket:
    """One expiry of one underlying.

    expiry: unix seconds; forward: USD, and at or after expiry the running average until `settlement` is known;
    rate: continuously compounded, per year; svi: None where no options are listed; settlement: USD once fixed.
    """

    expiry: int
    forward: float
    rate: float = 0.0
    svi: SviSlice | None = None
    settlement: float | None = None

    def __post_init__(self) -> None:
        if type(self.expiry) is not int or not 0 < self.expiry < 2**32:
            raise MarketError(f"expiry: expected unix seconds of 1 to 2^32 - 1, got {self.expiry!r}")
        _positive(f"forward of expiry {self.expiry}", self.forward)
        _finite(f"rate of expiry {self.expiry}", self.rate)
        if self.settlement is not None:
            _positive(f"settlement price of expiry {self.expiry}", self.settlement)


@dataclass(frozen=True, slots=True)
class UnderlyingMarket:
    """spot, mark: USD per unit (mark of the perp, before the clamp to the basis band); confidence: 0..1 of the spot;
    spot_scale: >= 1, multiplies the core spot shocks (margin.md section 2); expiries: ascending after construction."""

    spot: float
    mark: float
    confidence: float = 1.0
    spot_scale: float = 1.0
    expiries: tuple[ExpiryMarket, ...] = ()

    def __post_init__(self) -> None:
        _positive("spot", self.spot)
        _positive("mark", self.mark)
        _finite("confidence", self.confidence)
        if not 0.0 <= self.confidence <= 1.0:
            raise MarketError(f"confidence: expected 0 to 1, got {self.confidence}")
        _finite("spot_scale", self.spot_scale)
        if self.spot_scale < 1.0:
            raise MarketError(f"spot_scale: expected >= 1, got {self.spot_scale}")
        ordered = tuple(sorted(self.expiries, key=lambda e: e.expiry))
        for earlier, later in pairwise(ordered):
            if earlier.expiry == later.expiry:
                raise MarketError(f"expiry {later.expiry} is given twice")
        object.__setattr__(self, "expiries", ordered)


@dataclass(frozen=True, slots=True)
class CorrelationGroup:
    """Underlyings whose losses offset in part: kappa of 0..0.5 is the share credited (margin.md section 4)."""

    members: tuple[int, ...]
    kappa: float

    def __post_init__(self) -> None:
        if not self.members or len(set(self.members)) != len(self.members):
            raise MarketError(f"a group expects distinct members, got {self.members}")
        _finite("kappa", self.kappa)
        if not 0.0 <= self.kappa <= MAX_KAPPA:
            raise MarketError(f"kappa: expected 0 to {MAX_KAPPA}, got {self.kappa}")


@dataclass(frozen=True, slots=True)
class Market:
    """time: unix seconds; underlyings: index -> market; groups: an underlying is in at most one; token_prices: USD per
    whole collateral token. Raises MarketError for anything not finite or outside its domain."""

    time: int
    underlyings: Mapping[int, UnderlyingMarket]
    groups: tuple[CorrelationGroup, ...] = ()
    token_prices: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if type(self.time) is not int or self.time < 0:
            raise MarketError(f"time: expected unix seconds >= 0, got {self.time!r}")
        for index in self.underlyings:
            if type(index) is not int or not 0 <= index <= 255:
                raise MarketError(f"underlying: expected an index of 0 to 255, got {index!r}")
        for token, price in self.token_prices.items():
            _positive(f"price of {token}", price)
        grouped = [member for group in self.groups for member in group.members]
        if len(set(grouped)) != len(grouped):
            raise MarketError(f"an underlying is expected in one group at most, got groups {self.groups}")
        object.__setattr__(self, "underlyings", MappingProxyType(dict(sorted(self.underlyings.items()))))
        object.__setattr__(self, "token_prices", MappingProxyType(dict(self.token_prices)))

    def underlying(self, index: int) -> UnderlyingMarket:
        """Raises MarketError where the market does not quote the underlying."""
        try:
            return self.underlyings[index]
        except KeyError:
            raise MarketError(f"expected one of the underlyings {sorted(self.underlyings)}, got {index}") from None

    def moved(self, underlying: int, factor: float, tokens: tuple[str, ...] = ()) -> Market:
        """The market after `underlying` moved to `factor` times its price: spot, mark and forwards in proportion (the
        basis is unchanged), and so the prices of `tokens`; the surface stays where it is (sticky strike), settlement
        prices of past expiries too."""
        _positive("factor", factor)
        old = self.underlying(underlying)
        new = replace(
            old,
            spot=old.spot * factor,
            mark=old.mark * factor,
            expiries=tuple(e if e.expiry <= self.time else replace(e, forward=e.forward * factor) for e in old.expiries),
        )
        prices = {token: price * (factor if token in tokens else 1.0) for token, price in self.token_prices.items()}
        return replace(self, underlyings={**self.underlyings, underlying: new}, token_prices=prices)


def _finite(name: str, value: object) -> None:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise MarketError(f"{name}: expected a finite number, got {value!r}")


def _positive(name: str, value: float) -> None:
    _finite(name, value)
    if value <= 0.0:
        raise MarketError(f"{name}: expected > 0, got {value!r}")
