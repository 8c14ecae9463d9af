"""What the keeper knows of the system at one block: a pure function of the events up to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from keeper.errors import MarketError
from keeper.model import WAD, Account, ExpiryMarket, MarginMode, Market, SviSlice, UnderlyingMarket, Wad
from keeper.portfolio.carry import Carry
from keeper.portfolio.deficits import Deficits, Realised
from keeper.portfolio.table import ParameterTable

__all__ = ["HOUSE", "NOBODY", "Expiry", "Spot", "State"]

HOUSE = 0
"""Account whose cash is the fee cash (interfaces/ILedger.sol)."""

NOBODY = "0x" + "00" * 20

_FULL_CONFIDENCE = 10_000
_U32, _U64, _U96 = 2**32 - 1, 2**64 - 1, 2**96 - 1


@dataclass(frozen=True, slots=True)
class Spot:
    """signed_at: unix seconds; spot, mark: USD 1e18; confidence: 1e-4."""

    signed_at: int
    spot: int
    mark: int
    confidence: int


@dataclass(frozen=True, slots=True)
class Expiry:
    """Packed words of contracts/types/Feed.sol."""

    quote: int
    smile: int
    wing: int

    @property
    def signed_at(self) -> int:
        return self.quote & _U32

    def market(self, expiry: int) -> ExpiryMarket:
        a, b = _signed64(self.smile >> 192) / WAD, (self.smile >> 128 & _U64) / WAD
        rho, m = _signed64(self.smile >> 64) / WAD, _signed64(self.smile) / WAD
        sigma = (self.wing >> 192) / WAD
        # A slice whose least variance is exactly zero on chain may come out below by a rounding of float64.
        a = max(a, -(b * sigma * math.sqrt(1.0 - rho * rho)))
        settlement = self.wing & _U96
        return ExpiryMarket(
            expiry=expiry,
            forward=(self.quote >> 160) / WAD,
            rate=_signed64(self.quote >> 96) / WAD,
            svi=SviSlice(a, b, rho, m, sigma, (self.wing >> 96 & _U96) / WAD, (self.quote >> 32 & _U64) / WAD),
            settlement=settlement / WAD if settlement else None,
        )


def _house() -> Mapping[int, Account]:
    return {HOUSE: Account(HOUSE, NOBODY, MarginMode.CROSS, Wad(0))}


@dataclass(frozen=True, slots=True)
class State:
    """accounts: by id, the house included; operators: (account, address) -> scopes; spots, expiries: market feeds by
    underlying and (underlying, expiry); table: governed numbers; clocks: account -> start of its Dutch clock as last
    flagged; symbols: of underlyings; fund_balance: as last drawn from, None before;
    carry: what positions and debts owe beside cash and cost; deficits: those being deleveraged; realised: profit that accounts realised
    lately, vesting: for how long it counts, seconds; tokens: symbols by index in the vault, units: their smallest unit, 1e-18."""

    accounts: Mapping[int, Account] = field(default_factory=_house)
    operators: Mapping[tuple[int, str], int] = field(default_factory=dict)
    spots: Mapping[int, Spot] = field(default_factory=dict)
    expiries: Mapping[tuple[int, int], Expiry] = field(default_factory=dict)
    table: ParameterTable = field(default_factory=ParameterTable.empty)
    clocks: Mapping[int, int] = field(default_factory=dict)
    symbols: Mapping[int, str] = field(default_factory=dict)
    tokens: Mapping[int, str] = field(default_factory=dict)
    carry: Carry = field(default_factory=Carry)
    deficits: Deficits = field(default_factory=Deficits)
    realised: Mapping[int, Realised] = field(default_factory=dict)
    vesting: int = 86_400  # as the ledger begins, without an event
    units: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("accounts", "operators", "spots", "expiries", "clocks", "symbols", "tokens", "realised", "units"):
            mapping = getattr(self, name)
            if not isinstance(mapping, MappingProxyType):
                object.__setattr__(self, name, MappingProxyType(mapping))

    def market(self, time: int) -> Market:
        """The market at `time` (a block's). Expiries without a spot of their underlying are left out, as the engine could
        not price them either. Raises MarketError where a feed holds what the kernels cannot accept."""
        by_underlying: dict[int, list[ExpiryMarket]] = {underlying: [] for underlying in self.spots}
        for (underlying, expiry), words in self.expiries.items():
            if underlying in by_underlying:
                by_underlying[underlying].append(words.market(expiry))
        underlyings = {
            underlying: UnderlyingMarket(
                spot=feed.spot / WAD,
                mark=feed.mark / WAD,
                confidence=feed.confidence / _FULL_CONFIDENCE,
                spot_scale=self.table.spot_scale(underlying),
                expiries=tuple(by_underlying[underlying]),
            )
            for underlying, feed in self.spots.items()
        }
        prices = {}
        for index in self.table.collateral_indices():
            feed = self.spots.get(self.table.price_underlying(index))
            if feed is not None:
                prices[self.tokens.get(index, f"token {index}")] = feed.spot / WAD
        return Market(time, underlyings, tuple(group for _, group in self.table.groups()), prices)

    def oldest_price(self, account: Account) -> int | None:
        """When the oldest price that the account's margin uses was signed; None where it uses none. Raises MarketError
        where a price was never published."""
        needed: set[tuple[int, int]] = set()
        for instrument in account.positions:
            needed.add((instrument.underlying, 0))
            if instrument.expiry:
                needed.add((instrument.underlying, instrument.expiry))
        names = {name: index for index, name in self.tokens.items()}
        for token, quantity in account.collateral.items():
            if quantity:
                needed.add((self.table.price_underlying(names[token]), 0))
        ages = [self._signed_at(underlying, expiry) for underlying, expiry in needed]
        return min(ages, default=None)

    def _signed_at(self, underlying: int, expiry: int) -> int:
        feed: Spot | Expiry | None = self.expiries.get((underlying, expiry)) if expiry else self.spots.get(underlying)
        if feed is None:
            raise MarketError(
                f"expected a price of underlying {underlying}" + (f", expiry {expiry}" if expiry else "") + ", none was published"
            )
        return feed.signed_at


def _signed64(word: int) -> int:
    low = word & _U64
    return low - 2**64 if low >= 2**63 else low
