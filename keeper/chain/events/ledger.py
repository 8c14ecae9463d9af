"""Events of the ledger, the vault and the registry: what accounts hold, and what may be held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from keeper.chain.events.event import Event

__all__ = [
    "AccountOpened",
    "CarryRealised",
    "CashChanged",
    "CollateralChanged",
    "DebitRateSet",
    "DeficitSet",
    "EntitySet",
    "ExpiryListed",
    "FundingRateSet",
    "InterestStarted",
    "LossShared",
    "ModeSet",
    "OperatorSet",
    "PositionChanged",
    "PositionSettled",
    "ProfitCounted",
    "ProfitVestingSet",
    "TokenListed",
    "TokensReceived",
    "TokensSent",
    "UnderlyingListed",
]


# --- Ledger ---


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpened(Event):
    contract: ClassVar[str] = "Ledger"
    account: int
    owner: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSet(Event):
    contract: ClassVar[str] = "Ledger"
    account: int
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSet(Event):
    contract: ClassVar[str] = "Ledger"
    account: int
    operator: str
    scopes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CashChanged(Event):
    """cash: after the change."""

    contract: ClassVar[str] = "Ledger"
    account: int
    reason: int
    change: int
    cash: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralChanged(Event):
    """quantity: after the change."""

    contract: ClassVar[str] = "Ledger"
    account: int
    token_index: int
    change: int
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChanged(Event):
    """size and cost: after the change; size 0: closed."""

    contract: ClassVar[str] = "Ledger"
    account: int
    instrument: int
    size: int
    cost: int
    funding_index: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryRealised(Event):
    """The position's carry became cash without a trade; funding_index: its new entry."""

    contract: ClassVar[str] = "Ledger"
    account: int
    instrument: int
    funding_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionSettled(Event):
    """A one-sided close at a final price; in_transit: after it."""

    contract: ClassVar[str] = "Ledger"
    account: int
    instrument: int
    size: int
    price: int
    in_transit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRateSet(Event):
    """rate_per_second from `since` to `until`; funding_index: of both sides at `since`, without shared losses; ended: for good."""

    contract: ClassVar[str] = "Ledger"
    underlying: int
    rate_per_second: int
    funding_index: int
    since: int
    until: int
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitRateSet(Event):
    """per_year from `since` on; debit_index: then, 1e15 modulo 2**56."""

    contract: ClassVar[str] = "Ledger"
    per_year: int
    debit_index: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestStarted(Event):
    """The account's debt owes from debit index `debit_index` on."""

    contract: ClassVar[str] = "Ledger"
    account: int
    debit_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LossShared(Event):
    """loss_index: loss index of the side after it; rounding: what the side owes beyond `amount`, to the house."""

    contract: ClassVar[str] = "Ledger"
    debtor: int
    instrument: int
    longs: bool
    amount: int
    loss_index: int
    rounding: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeficitSet(Event):
    contract: ClassVar[str] = "Ledger"
    account: int
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySet(Event):
    contract: ClassVar[str] = "Ledger"
    account: int
    entity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitCounted(Event):
    """The buckets of realised profit after a change; since: begin of the current one."""

    contract: ClassVar[str] = "Ledger"
    account: int
    current: int
    previous: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitVestingSet(Event):
    contract: ClassVar[str] = "Ledger"
    period: int


# --- CollateralVault ---


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenListed(Event):
    contract: ClassVar[str] = "CollateralVault"
    token_index: int
    token: str
    decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensReceived(Event):
    """recorded: after it; tokens 1e18."""

    contract: ClassVar[str] = "CollateralVault"
    token_index: int
    sender: str
    quantity: int
    recorded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensSent(Event):
    """recorded: after it; tokens 1e18."""

    contract: ClassVar[str] = "CollateralVault"
    token_index: int
    to: str
    quantity: int
    recorded: int


# --- InstrumentRegistry ---


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingListed(Event):
    contract: ClassVar[str] = "InstrumentRegistry"
    underlying: int
    symbol: str
    tradable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryListed(Event):
    contract: ClassVar[str] = "InstrumentRegistry"
    underlying: int
    expiry: int
