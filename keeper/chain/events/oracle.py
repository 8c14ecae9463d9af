"""Events of the price door and its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from keeper.chain.events.event import Event

__all__ = [
    "ExpiryUpdated",
    "JumpConfirmed",
    "MarketUpdated",
    "SettlementFixed",
    "SignersSet",
    "SourcesChosen",
    "SourcesDisagreed",
    "SourcesSet",
    "UpdateHeld",
]


# --- PriceDoor ---


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketUpdated(Event):
    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    timestamp: int
    spot: int
    mark: int
    confidence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryUpdated(Event):
    """quote, smile, wing: the packed words of contracts/types/Feed.sol."""

    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    expiry: int
    quote: int
    smile: int
    wing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateHeld(Event):
    """An authentic update that was recorded and not stored (docs/oracles.md). cause: 0 jump, 1 quorum, 2 slice."""

    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    timestamp: int
    cause: int
    spot: int
    observed: int
    bound: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpConfirmed(Event):
    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    timestamp: int
    previous: int
    spot: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementFixed(Event):
    """The settlement price of an expiry, for good: USD 1e18, averaged since `begin`."""

    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    expiry: int
    price: int
    begin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesChosen(Event):
    contract: ClassVar[str] = "PriceDoor"
    underlying: int
    sources: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignersSet(Event):
    contract: ClassVar[str] = "PriceDoor"
    signers: tuple[str, ...]
    quorum: int


# --- SpotSources ---


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesSet(Event):
    """sources: (address, maximum age, band, jump) each."""

    contract: ClassVar[str] = "SpotSources"
    underlying: int
    sources: tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesDisagreed(Event):
    """prices: the signed one first, 0 where a source was silent."""

    contract: ClassVar[str] = "SpotSources"
    underlying: int
    timestamp: int
    prices: tuple[int, ...]
    median: int
    agreeing: int
